#version 450
// dx = dy / (tokens - begin) for tokens from begin on, 0 before (all of them when begin =
// tokens)
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, DY, dy); // (batch, cols)
BUFFER(1, DX, dx);  // (batch, tokens, cols)  out; adds when p.accumulate != 0
PARAMS { ZM_PARAMS_tokens_mean_bwd } p;

void main()
{
    EACH(i, p.batch * p.tokens * p.cols)
    {
        uint b = i / p.cols / p.tokens;
        float g = 0.0;
        if (i / p.cols % p.tokens >= p.begin)
            g = dy[b * p.cols + i % p.cols] / float(p.tokens - p.begin);
        dx[i] = p.accumulate != 0u ? dx[i] + g : g;
    }
}
