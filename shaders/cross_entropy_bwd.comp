#version 450
// dlogits[r, c] = scale * weight[r] * (exp(logits[r, c] - largest) / sum - [c = bin[r]])
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, LOGITS, logits); // (rows, bins)
RUBUFFER(1, BIN, bin);      // (rows)
RBUFFER(2, WEIGHT, weight); // (rows)
RBUFFER(3, STATS, stats);   // (rows, 2): largest, sum
BUFFER(4, DLOGITS, dlogits); // (rows, bins)  out; adds when p.accumulate != 0
PARAMS { ZM_PARAMS_cross_entropy_bwd } p;

void main()
{
    EACH(i, p.rows * p.bins)
    {
        uint r = i / p.bins;
        float share = exp(logits[i] - stats[2u * r]) / stats[2u * r + 1u];
        float hit = i - r * p.bins == bin[r] ? 1.0 : 0.0;
        float g = p.scale * weight[r] * (share - hit);
        dlogits[i] = p.accumulate != 0u ? dlogits[i] + g : g;
    }
}
