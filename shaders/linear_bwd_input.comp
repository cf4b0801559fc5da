#version 450
// dx (m, k) = dy (m, n) w (n, k). Forward: y = x w^T + b.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
RBUFFER(0, DY, dy); // (m, n)
RBUFFER(1, W, w);   // (n, k)
BUFFER(2, DX, dx);  // (m, k)  out; adds when p.accumulate != 0
PARAMS { ZM_PARAMS_linear_bwd_input } p;

void store(uint i, uint j, float sum)
{
    uint at = i * p.k + j;
    dx[at] = p.accumulate != 0u ? dx[at] + sum : sum;
}

#define GEMM_ROWS           p.m
#define GEMM_COLS           p.k
#define GEMM_DEPTH          p.n
#define GEMM_A(i, d)        dy[(i) * p.n + (d)]
#define GEMM_B(d, j)        w[(d) * p.k + (j)]
#define GEMM_A_ALONG_DEPTH  1u
#define GEMM_B_ALONG_DEPTH  0u
#define GEMM_STORE(i, j, s) store(i, j, s)
#include "gemm.glsl"
