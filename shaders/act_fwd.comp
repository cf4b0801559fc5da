#version 450
// y = act(x): relu max(x, 0); gelu x Phi(x); silu x / (1 + exp(-x))
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "activation.glsl"
#include "elements.glsl"
RBUFFER(0, X, x); // (n)
BUFFER(1, Y, y);  // (n)  out
PARAMS { ZM_PARAMS_act_fwd } p;

void main()
{
    EACH(i, p.n)
        y[i] = act_value(p.kind, x[i]);
}
