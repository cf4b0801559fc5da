#version 450
// rank[b, j] = #{k: noise[b, k] < noise[b, j], or equal and k < j}; keep[b, rank] = j
// where rank < visible, mask = 1 elsewhere
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, NOISE, noise); // (batch, patches)
UBUFFER(1, KEEP, keep);   // (batch, visible)  out
UBUFFER(2, RANK, rank);   // (batch, patches)  out
BUFFER(3, MASK, mask);    // (batch, patches)  out
PARAMS { ZM_PARAMS_mask_rank } p;

void main()
{
    EACH(i, p.batch * p.patches)
    {
        uint b = i / p.patches;
        float own = noise[i];
        uint below = 0u;
        for (uint k = b * p.patches; k < (b + 1u) * p.patches; k++)
            below += uint(noise[k] < own || (noise[k] == own && k < i));
        rank[i] = below;
        mask[i] = below < p.visible ? 0.0 : 1.0;
        if (below < p.visible)
            keep[b * p.visible + below] = i % p.patches;
    }
}
