// What the tests of kernels share: inputs for every case of tests/cases.def, and the
// obviously right result in double with a bound of the rounding error.
#ifndef ZM_TEST_KERNEL_CASES_H
#define ZM_TEST_KERNEL_CASES_H

#include "core/gpu.h"
#include "core/kernel_structs.h"

// One binding. Reals are doubles that are exact in f32; words has the words instead.
typedef struct kernel_array {
    bool words;
    size_t count;
    double *value;
    uint32_t *word;
    double *slack; // of a result: error bound in units of half the machine epsilon
} kernel_array;

typedef struct kernel_case {
    zm_kernel kernel;
    uint32_t dim[5];
    uint32_t extent;
    union {
        unsigned char bytes[ZM_MAX_PARAM_BYTES];
        uint32_t align;
    } params;
    kernel_array array[ZM_MAX_BINDINGS];
    uint32_t bindings;
} kernel_case;

enum { KERNEL_VARIANTS = 4 }; // of flags: accumulate is variant % 2, kind variant % 4
uint32_t kernel_case_count(void);

// Case number index with real inputs of about the magnitude; bindings that a kernel only
// writes hold NaN (or ~0).
void kernel_case_init(kernel_case *k, uint32_t index, uint32_t variant, double magnitude);
void kernel_case_finish(kernel_case *k);

// "layernorm_fwd(17, 257) variant 1 magnitude 1000"
void kernel_case_name(const kernel_case *k, uint32_t variant, double magnitude,
                      char text[128]);

// Replaces inputs by what the kernel leaves there, naively in double, and fills slack.
void kernel_reference(kernel_case *k);

#endif
