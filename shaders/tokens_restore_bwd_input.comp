#version 450
// dx[b, 0] = dy[b, 0], dx[b, 1 + i] = dy[b, 1 + keep[b, i]]
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, DY, dy);      // (batch, patches + 1, cols)
RUBUFFER(1, KEEP, keep); // (batch, visible)
BUFFER(2, DX, dx);       // (batch, visible + 1, cols)  out; adds when p.accumulate != 0
PARAMS { ZM_PARAMS_tokens_restore_bwd_input } p;

void main()
{
    uint tokens = p.visible + 1u;
    EACH(i, p.batch * tokens * p.cols)
    {
        uint c = i % p.cols, t = i / p.cols % tokens, b = i / p.cols / tokens;
        uint from = 0u;
        if (t > 0u)
            from = 1u + keep[b * p.visible + t - 1u];
        float g = dy[(b * (p.patches + 1u) + from) * p.cols + c];
        dx[i] = p.accumulate != 0u ? dx[i] + g : g;
    }
}
