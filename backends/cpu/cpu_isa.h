// Which build of the kernels this processor runs.
#ifndef ZM_CPU_ISA_H
#define ZM_CPU_ISA_H

#include "backends/cpu/cpu_kernels.h"
#include "core/gpu.h"

typedef struct zm_cpu_isa {
    const char *name; // "base", "avx2", "avx512", "f64"
    zm_dtype real;
    zm_cpu_kernel *kernels[ZM_KERNEL_COUNT];
} zm_cpu_isa;

// The fastest build in single precision, or the one in double precision.
const zm_cpu_isa *zm_cpu_isa_best(bool f64);

// Every build that this processor can run, by number; NULL after the last.
const zm_cpu_isa *zm_cpu_isa_get(uint32_t index);

// Name and maker of the processor; sizes include the final zero.
void zm_cpu_describe(char *name, size_t name_size, char *vendor, size_t vendor_size);

#endif
