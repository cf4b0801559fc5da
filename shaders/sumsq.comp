#version 450
// y[r] = sum of x[i]^2 over i in [r chunk, min(n, (r + 1) chunk))
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "rows.glsl"
RBUFFER(0, X, x); // (n)
BUFFER(1, Y, y);  // (n / chunk, rounded up)  out
PARAMS { ZM_PARAMS_sumsq } p;

void main()
{
    uint rows = (p.n + p.chunk - 1u) / p.chunk;
    for (uint k = 0u; k < GROUP_ROUNDS(rows); k++) {
        uint r = GROUP_AT(k);
        uint end = r < rows ? min(p.n, (r + 1u) * p.chunk) : 0u;
        float sum = 0.0;
        for (uint i0 = r * p.chunk + gl_LocalInvocationID.x; i0 < end;
             i0 += 64u * THREADS) { // blocks of 64 a thread: short sums
            float part = 0.0;
            for (uint i = i0; i < min(end, i0 + 64u * THREADS); i += THREADS)
                part += x[i] * x[i];
            sum += part;
        }
        sum = group_sum(sum);
        if (r < rows && gl_LocalInvocationID.x == 0u)
            y[r] = sum;
    }
}
