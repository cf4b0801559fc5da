// Matrix product of the linear kernels, one source for every instruction set.
//
// An output is one sum in the order of k, cut into blocks whose length depends on k
// alone: it is the same bit for bit whatever m, n, the tile range and the number of
// threads are.
#ifndef ZM_CPU_GEMM_H
#define ZM_CPU_GEMM_H

#include <stdbool.h>

#include "backends/cpu/cpu_kernels.h"

enum { ZM_GEMM_TILE = 64 };

// c (m, n) = act(a b + bias), or c += a b with accumulate.
//   a (m, k)   a[i * a_row + p * a_col]; one of the strides is 1
//   b (k, n)   b[p * b_row + j * b_col]; one of the strides is 1
//   c (m, n)   row-major, overlaps nothing
//   bias (n)   or NULL
typedef struct zm_cpu_gemm {
    const real *a, *b, *bias;
    real *c;
    size_t a_row, a_col, b_row, b_col;
    uint32_t m, n, k;
    uint32_t act; // ZM_ACT_*
    bool accumulate;
    void *scratch; // ZM_CPU_SCRATCH bytes, 64-byte aligned
} zm_cpu_gemm;

// Computes the tiles [begin, end) of c, row-major over tiles of 64 x 64.
void ZM_CPU(gemm)(const zm_cpu_gemm *g, uint32_t begin, uint32_t end);

#endif
