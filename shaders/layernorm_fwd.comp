#version 450
// y = (x - mean) * rstd * gamma + beta for each row, rstd = 1 / sqrt(biased var + eps)
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "rows.glsl"
RBUFFER(0, X, x);         // (rows, cols)
RBUFFER(1, GAMMA, gamma); // (cols)
RBUFFER(2, BETA, beta);   // (cols)
BUFFER(3, Y, y);          // (rows, cols)  out
BUFFER(4, STATS, stats);  // (rows, 2)  out: mean, rstd
PARAMS { ZM_PARAMS_layernorm_fwd } p;

void main()
{
    uint t = gl_LocalInvocationID.x;
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
        float rstd = 1.0 / sqrt(group_sum(sum) / float(p.cols) + p.eps);
        for (uint c = t; c < cols; c += THREADS)
            y[r * p.cols + c] = (x[r * p.cols + c] - mean) * rstd * gamma[c] + beta[c];
        if (t == 0u && r < p.rows) {
            stats[2u * r] = mean;
            stats[2u * r + 1u] = rstd;
        }
    }
}
