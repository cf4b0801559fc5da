// The C twins of the shaders. Every file that includes this is compiled several times:
// once for each instruction set with real = float, once with real = double (ZM_CPU_F64),
// with ZM_CPU_SUFFIX naming the build (base, avx2, avx512, f64).
#ifndef ZM_CPU_KERNELS_H
#define ZM_CPU_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "core/kernel_structs.h"

#ifdef ZM_CPU_F64
typedef double real;
#else
typedef float real;
#endif

#define ZM_CPU_PASTE2(name, suffix) zm_cpu_##name##_##suffix
#define ZM_CPU_PASTE(name, suffix)  ZM_CPU_PASTE2(name, suffix)
#define ZM_CPU(name)                ZM_CPU_PASTE(name, ZM_CPU_SUFFIX)

// Bytes of working memory that each thread has for itself.
enum { ZM_CPU_SCRATCH = 1 << 20 };

typedef struct zm_cpu_call {
    void *bind[8]; // start of each slice
    const void *params;
    uint32_t extent[2];
    void *scratch; // ZM_CPU_SCRATCH bytes of this thread, 64-byte aligned, any contents
} zm_cpu_call;

// A twin computes the outputs (ZM_ELEMENTS), rows (ZM_ROWS) or tiles (ZM_TILES, row-major
// over the tile_x x tile_y tiles of kernels.def) in [begin, end). An output is computed
// by one call in one order, so that results do not depend on the number of threads.
typedef void zm_cpu_kernel(const zm_cpu_call *call, uint32_t begin, uint32_t end);

#ifdef ZM_CPU_SUFFIX
#define ZM_KERNEL(name, access, shape, tile_x, tile_y) zm_cpu_kernel ZM_CPU(name);
#include "shaders/kernels.def"
#undef ZM_KERNEL
#endif

#endif
