#version 450
// y[0] = scale * sum of x: threads add blocks of 64, then a tree of fixed shape
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "rows.glsl"
RBUFFER(0, X, x); // (n)
BUFFER(1, Y, y);  // (1)  out; adds when p.accumulate != 0
PARAMS { ZM_PARAMS_sum } p;

void main()
{
    float sum = 0.0;
    for (uint i0 = gl_LocalInvocationID.x; i0 < p.n; i0 += 64u * THREADS) {
        float part = 0.0;
        for (uint i = i0; i < min(p.n, i0 + 64u * THREADS); i += THREADS)
            part += x[i];
        sum += part;
    }
    sum = p.scale * group_sum(sum);
    if (gl_WorkGroupID.x == 0u && gl_LocalInvocationID.x == 0u)
        y[0] = p.accumulate != 0u ? y[0] + sum : sum;
}
