// The bindings of a kernel case as bytes, between guards, and their comparison.
#ifndef ZM_TEST_KERNEL_MEMORY_H
#define ZM_TEST_KERNEL_MEMORY_H

#include "tests/unit/kernel_cases.h"

static const double kernel_magnitudes[] = {1e-4, 1, 1e3};

typedef struct kernel_memory {
    bool f64;     // reals are double, else float
    size_t guard; // bytes before and after each binding
    unsigned char *bytes[ZM_MAX_BINDINGS];
    size_t size[ZM_MAX_BINDINGS]; // without the guards
} kernel_memory;

void kernel_memory_init(kernel_memory *m, const kernel_case *k, bool f64, size_t guard);
void kernel_memory_finish(kernel_memory *m);

// Puts the values in memory into the case.
void kernel_memory_load(const kernel_memory *m, kernel_case *k);

// Assertions: nothing was written beside a binding; every element is within the slack of
// want. text tells what ran.
void kernel_memory_check_guards(const kernel_memory *m, const kernel_case *k,
                                const char *text);
void kernel_memory_check(const kernel_memory *m, const kernel_case *want,
                         const char *text);

#endif
