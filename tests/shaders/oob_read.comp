#version 450
// Faulty on purpose: reads element p.m of x, which the test chooses past the end.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
layout(local_size_x = 1) in;
RBUFFER(0, X, x);
RBUFFER(1, W, w);
RBUFFER(2, B, b);
BUFFER(3, Y, y);
PARAMS { ZM_PARAMS_linear_fwd } p;
void main() { y[0] = x[p.m] + w[0] + b[0]; }
