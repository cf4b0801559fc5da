#version 450
// loss[r] = weight[r] * (log sum over c of exp(logits[r, c]) - logits[r, bin[r]])
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, LOGITS, logits); // (rows, bins)
RUBUFFER(1, BIN, bin);      // (rows)
RBUFFER(2, WEIGHT, weight); // (rows)
BUFFER(3, LOSS, loss);      // (rows)  out
BUFFER(4, STATS, stats);    // (rows, 2)  out: largest, sum of exp(logit - largest)
PARAMS { ZM_PARAMS_cross_entropy_fwd } p;

void main()
{
    EACH(r, p.rows)
    {
        uint first = r * p.bins, last = first + p.bins;
        float largest = logits[first];
        for (uint i = first + 1u; i < last; i++)
            largest = max(largest, logits[i]);
        float sum = 0.0;
        for (uint i0 = first; i0 < last; i0 += 64u) { // blocks of 64: short sums
            float part = 0.0;
            for (uint i = i0; i < min(last, i0 + 64u); i++)
                part += exp(logits[i] - largest);
            sum += part;
        }
        loss[r] = weight[r] * (log(sum) + (largest - logits[first + bin[r]]));
        stats[2u * r] = largest;
        stats[2u * r + 1u] = sum;
    }
}
