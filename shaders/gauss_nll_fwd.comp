#version 450
// loss[r] = weight[r] * ((mean - z[r])^2 exp(-s) + s) / 2, s the log variance
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, PRED, pred);     // (rows, 2): mean, s
RBUFFER(1, Z, z);           // (rows)
RBUFFER(2, WEIGHT, weight); // (rows)
BUFFER(3, LOSS, loss);      // (rows)  out
PARAMS { ZM_PARAMS_gauss_nll_fwd } p;

void main()
{
    EACH(r, p.rows)
    {
        float d = pred[2u * r] - z[r], s = pred[2u * r + 1u];
        float narrow = exp(clamp(-s, -80.0, 80.0)); // finite in single precision
        loss[r] = weight[r] * 0.5 * (d * d * narrow + s);
    }
}
