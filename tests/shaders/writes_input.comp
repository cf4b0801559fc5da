#version 450
// Faulty on purpose: writes x, which kernels.def says is only read.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
layout(local_size_x = 1) in;
BUFFER(0, X, x);
RBUFFER(1, W, w);
RBUFFER(2, B, b);
BUFFER(3, Y, y);
PARAMS { ZM_PARAMS_linear_fwd } p;
void main()
{
    x[p.m] = w[0] + b[0];
    y[0] = x[0];
}
