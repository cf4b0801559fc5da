#version 450
// y = act((x - mean) / sqrt(var + eps) * gamma + beta), act none or relu
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, X, x);         // (rows, cols)
RBUFFER(1, MEAN, mean);   // (cols)
RBUFFER(2, VAR, var);     // (cols)
RBUFFER(3, GAMMA, gamma); // (cols)
RBUFFER(4, BETA, beta);   // (cols)
BUFFER(5, Y, y);          // (rows, cols)  out
PARAMS { ZM_PARAMS_batchnorm_fwd } p;

void main()
{
    EACH(i, p.rows * p.cols)
    {
        uint c = i % p.cols;
        float v = (x[i] - mean[c]) * (gamma[c] / sqrt(var[c] + p.eps)) + beta[c];
        y[i] = p.act == ZM_ACT_RELU && v < 0.0 ? 0.0 : v;
    }
}
