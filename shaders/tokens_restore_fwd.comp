#version 450
// y[b, 0] = x[b, 0] + pos[0], y[b, 1 + j] = pos[1 + j] + (rank[b, j] < visible ? x[b, 1 +
// rank[b, j]] : token)
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, X, x);         // (batch, visible + 1, cols)
RBUFFER(1, TOKEN, token); // (cols)
RBUFFER(2, POS, pos);     // (patches + 1, cols)
RUBUFFER(3, RANK, rank);  // (batch, patches)
BUFFER(4, Y, y);          // (batch, patches + 1, cols)  out
PARAMS { ZM_PARAMS_tokens_restore_fwd } p;

void main()
{
    uint tokens = p.patches + 1u;
    EACH(i, p.batch * tokens * p.cols)
    {
        uint c = i % p.cols, t = i / p.cols % tokens, b = i / p.cols / tokens;
        uint from = 0u;
        if (t > 0u)
            from = 1u + rank[b * p.patches + t - 1u];
        float v = token[c];
        if (from <= p.visible)
            v = x[(b * (p.visible + 1u) + from) * p.cols + c];
        y[i] = v + pos[t * p.cols + c];
    }
}
