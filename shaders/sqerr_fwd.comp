#version 450
// loss[r] = weight[r] * mean over c of (pred - target)^2
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, PRED, pred);     // (rows, cols)
RBUFFER(1, TARGET, target); // (rows, cols)
RBUFFER(2, WEIGHT, weight); // (rows)
BUFFER(3, LOSS, loss);      // (rows)  out
PARAMS { ZM_PARAMS_sqerr_fwd } p;

void main()
{
    EACH(r, p.rows)
    {
        float sum = 0.0;
        for (uint c0 = 0u; c0 < p.cols; c0 += 64u) { // blocks of 64: short sums
            float part = 0.0;
            for (uint i = r * p.cols + c0; i < r * p.cols + min(p.cols, c0 + 64u); i++)
                part += (pred[i] - target[i]) * (pred[i] - target[i]);
            sum += part;
        }
        loss[r] = weight[r] * (sum / float(p.cols));
    }
}
