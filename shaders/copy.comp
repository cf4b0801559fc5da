#version 450
// y[yo + i ys0 + j ys1 + k ys2] = x[xo + i xs0 + j xs1 + k xs2] over (n0, n1, n2)
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, X, x);
BUFFER(1, Y, y); // out, the elements named above; adds when p.accumulate != 0
PARAMS { ZM_PARAMS_copy } p;

void main()
{
    EACH(e, p.n0 * p.n1 * p.n2)
    {
        uint i = e / p.n2 / p.n1, j = e / p.n2 % p.n1, k = e % p.n2;
        uint from = p.xo + i * p.xs0 + j * p.xs1 + k * p.xs2;
        uint to = p.yo + i * p.ys0 + j * p.ys1 + k * p.ys2;
        y[to] = p.accumulate != 0u ? y[to] + x[from] : x[from];
    }
}
