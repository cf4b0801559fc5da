#version 450
// dw (n, k) = dy (m, n)^T x (m, k). Forward: y = x w^T + b.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
RBUFFER(0, DY, dy); // (m, n)
RBUFFER(1, X, x);   // (m, k)
BUFFER(2, DW, dw);  // (n, k)  out; adds when p.accumulate != 0
PARAMS { ZM_PARAMS_linear_bwd_weight } p;

void store(uint i, uint j, float sum)
{
    uint at = i * p.k + j;
    dw[at] = p.accumulate != 0u ? dw[at] + sum : sum;
}

#define GEMM_ROWS           p.n
#define GEMM_COLS           p.k
#define GEMM_DEPTH          p.m
#define GEMM_A(i, d)        dy[(d) * p.n + (i)]
#define GEMM_B(d, j)        x[(d) * p.k + (j)]
#define GEMM_A_ALONG_DEPTH  0u
#define GEMM_B_ALONG_DEPTH  0u
#define GEMM_STORE(i, j, s) store(i, j, s)
#include "gemm.glsl"
