#version 450
// dx = rstd (g - mean(g) - xhat mean(g xhat)), g = dy gamma, xhat = (x - mean) rstd
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "rows.glsl"
RBUFFER(0, DY, dy);       // (rows, cols)
RBUFFER(1, X, x);         // (rows, cols)
RBUFFER(2, GAMMA, gamma); // (cols)
RBUFFER(3, STATS, stats); // (rows, 2): mean, rstd
BUFFER(4, DX, dx);        // (rows, cols)  out; adds when p.accumulate != 0
PARAMS { ZM_PARAMS_layernorm_bwd_input } p;

void main()
{
    uint t = gl_LocalInvocationID.x;
    for (uint k = 0u; k < GROUP_ROUNDS(p.rows); k++) {
        uint r = GROUP_AT(k);
        uint cols = 0u;
        float mean = 0.0, rstd = 0.0;
        if (r < p.rows) {
            cols = p.cols;
            mean = stats[2u * r];
            rstd = stats[2u * r + 1u];
        }
        float sum_g = 0.0, sum_gx = 0.0;
        for (uint c = t; c < cols; c += THREADS) {
            float g = dy[r * p.cols + c] * gamma[c];
            sum_g += g;
            sum_gx += g * ((x[r * p.cols + c] - mean) * rstd);
        }
        float mean_g = group_sum(sum_g) / float(p.cols);
        float mean_gx = group_sum(sum_gx) / float(p.cols);
        for (uint c = t; c < cols; c += THREADS) {
            uint i = r * p.cols + c;
            float xhat = (x[i] - mean) * rstd;
            float g = rstd * (dy[i] * gamma[c] - mean_g - xhat * mean_gx);
            dx[i] = p.accumulate != 0u ? dx[i] + g : g;
        }
    }
}
