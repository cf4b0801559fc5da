#version 450
// dmean = scale * weight[r] * (mean - z[r]) exp(-s), ds = scale * weight[r] *
// (1 - (mean - z[r])^2 exp(-s)) / 2
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, PRED, pred);     // (rows, 2): mean, s
RBUFFER(1, Z, z);           // (rows)
RBUFFER(2, WEIGHT, weight); // (rows)
BUFFER(3, DPRED, dpred);    // (rows, 2)  out; adds when p.accumulate != 0
PARAMS { ZM_PARAMS_gauss_nll_bwd } p;

void main()
{
    EACH(r, p.rows)
    {
        float d = pred[2u * r] - z[r];
        float pull = d * exp(clamp(-pred[2u * r + 1u], -80.0, 80.0)); // as forward
        float slope = p.scale * weight[r];
        float dmean = slope * pull, ds = slope * 0.5 * (1.0 - d * pull);
        dpred[2u * r] = p.accumulate != 0u ? dpred[2u * r] + dmean : dmean;
        dpred[2u * r + 1u] = p.accumulate != 0u ? dpred[2u * r + 1u] + ds : ds;
    }
}
