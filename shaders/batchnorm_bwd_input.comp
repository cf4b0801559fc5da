#version 450
// training: dx = gamma rstd (dy - sums[0] / rows - xhat sums[1] / rows), xhat = (x -
// mean) rstd, rstd = 1 / sqrt(var + eps); otherwise mean and var are constants: dx =
// gamma rstd dy
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, DY, dy);       // (rows, cols)
RBUFFER(1, X, x);         // (rows, cols)
RBUFFER(2, MEAN, mean);   // (cols)
RBUFFER(3, VAR, var);     // (cols)
RBUFFER(4, GAMMA, gamma); // (cols)
RBUFFER(5, SUMS, sums);   // (2, cols)  not read when p.training == 0
BUFFER(6, DX, dx);        // (rows, cols)  out; adds when p.accumulate != 0
PARAMS { ZM_PARAMS_batchnorm_bwd_input } p;

void main()
{
    float share = 1.0 / float(p.rows);
    EACH(i, p.rows * p.cols)
    {
        uint c = i % p.cols;
        float rstd = 1.0 / sqrt(var[c] + p.eps);
        float g = dy[i];
        if (p.training != 0u)
            g -= sums[c] * share + (x[i] - mean[c]) * (sums[p.cols + c] * share * rstd);
        g *= gamma[c] * rstd;
        dx[i] = p.accumulate != 0u ? dx[i] + g : g;
    }
}
