#version 450
// y = (x - mean) / sqrt(unbiased var + eps) for each row
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "rows.glsl"
RBUFFER(0, X, x); // (rows, cols)
BUFFER(1, Y, y);  // (rows, cols)  out
PARAMS { ZM_PARAMS_patch_norm } p;

void main()
{
    uint t = gl_LocalInvocationID.x;
    float freedom = float(max(p.cols, 2u) - 1u);
    for (uint k = 0u; k < GROUP_ROUNDS(p.rows); k++) {
        uint r = GROUP_AT(k);
        uint cols = r < p.rows ? p.cols : 0u;
        float sum = 0.0;
        for (uint c = t; c < cols; c += THREADS)
            sum += x[r * p.cols + c];
        float mean = group_sum(sum) / float(p.cols);
        sum = 0.0;
        for (uint c = t; c < cols; c += THREADS) {
            float d = x[r * p.cols + c] - mean;
            sum += d * d;
        }
        float rstd = 1.0 / sqrt(group_sum(sum) / freedom + p.eps);
        for (uint c = t; c < cols; c += THREADS)
            y[r * p.cols + c] = (x[r * p.cols + c] - mean) * rstd;
    }
}
