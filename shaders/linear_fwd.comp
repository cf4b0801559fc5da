#version 450
// y (m, n) = act(x (m, k) w (n, k)^T + b (n)).
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "activation.glsl"
RBUFFER(0, X, x); // (m, k)
RBUFFER(1, W, w); // (n, k)
RBUFFER(2, B, b); // (n)  not read when p.has_bias == 0
BUFFER(3, Y, y);  // (m, n)  out
PARAMS { ZM_PARAMS_linear_fwd } p;

void store(uint i, uint j, float sum)
{
    if (p.has_bias != 0u)
        sum += b[j];
    y[i * p.n + j] = act_value(p.act, sum);
}

#define GEMM_ROWS           p.m
#define GEMM_COLS           p.n
#define GEMM_DEPTH          p.k
#define GEMM_A(i, d)        x[(i) * p.k + (d)]
#define GEMM_B(d, j)        w[(j) * p.k + (d)]
#define GEMM_A_ALONG_DEPTH  1u
#define GEMM_B_ALONG_DEPTH  1u
#define GEMM_STORE(i, j, s) store(i, j, s)
#include "gemm.glsl"
