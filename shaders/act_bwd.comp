#version 450
// dx = dy act'(x): gelu' = Phi(x) + x phi(x); silu' = s (1 + x (1 - s)); relu'(0) = 0
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "activation.glsl"
#include "elements.glsl"
RBUFFER(0, X, x);   // (n)
RBUFFER(1, DY, dy); // (n)
BUFFER(2, DX, dx);  // (n)  out; adds when p.accumulate != 0
PARAMS { ZM_PARAMS_act_bwd } p;

void main()
{
    EACH(i, p.n)
    {
        float g = dy[i] * act_slope(p.kind, x[i]);
        dx[i] = p.accumulate != 0u ? dx[i] + g : g;
    }
}
