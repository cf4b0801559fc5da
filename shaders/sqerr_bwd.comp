#version 450
// dpred = scale * weight[r] * 2 / cols * (pred - target)
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, PRED, pred);     // (rows, cols)
RBUFFER(1, TARGET, target); // (rows, cols)
RBUFFER(2, WEIGHT, weight); // (rows)
BUFFER(3, DPRED, dpred);    // (rows, cols)  out; adds when p.accumulate != 0
PARAMS { ZM_PARAMS_sqerr_bwd } p;

void main()
{
    EACH(i, p.rows * p.cols)
    {
        float slope = p.scale * weight[i / p.cols] * 2.0 / float(p.cols);
        float g = slope * (pred[i] - target[i]);
        dpred[i] = p.accumulate != 0u ? dpred[i] + g : g;
    }
}
