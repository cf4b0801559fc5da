#version 450
// dw[g cout + o, c] = sum over r of dy[r, g cout + o] x[r, g cin + c]; one work group a
// weight
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "rows.glsl"
RBUFFER(0, DY, dy); // (rows, groups cout)
RBUFFER(1, X, x);   // (rows, groups cin)
BUFFER(2, DW, dw);  // (groups cout, cin)  out; adds when p.accumulate != 0
PARAMS { ZM_PARAMS_grouped_bwd_weight } p;

void main()
{
    uint outputs = p.groups * p.cout, inputs = p.groups * p.cin;
    uint weights = outputs * p.cin;
    for (uint k = 0u; k < GROUP_ROUNDS(weights); k++) {
        uint i = GROUP_AT(k);
        uint o = i / p.cin, c = o / p.cout * p.cin + i % p.cin;
        float sum = 0.0;
        for (uint r0 = gl_LocalInvocationID.x; i < weights && r0 < p.rows;
             r0 += 64u * THREADS) { // blocks of 64 rows a thread: short sums
            float part = 0.0;
            for (uint r = r0; r < min(p.rows, r0 + 64u * THREADS); r += THREADS)
                part += dy[r * outputs + o] * x[r * inputs + c];
            sum += part;
        }
        sum = group_sum(sum);
        if (i < weights && gl_LocalInvocationID.x == 0u)
            dw[i] = p.accumulate != 0u ? dw[i] + sum : sum;
    }
}
