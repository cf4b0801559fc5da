#version 450
// y[b, 0] = cls + pos[0], y[b, 1 + j] = x[b, j] + pos[1 + idx[b, j]]
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, X, x);      // (batch, count, cols)
RBUFFER(1, CLS, cls);  // (cols)
RBUFFER(2, POS, pos);  // (patches + 1, cols)
RUBUFFER(3, IDX, idx); // (batch, count)
BUFFER(4, Y, y);       // (batch, count + 1, cols)  out
PARAMS { ZM_PARAMS_tokens_embed } p;

void main()
{
    uint tokens = p.count + 1u;
    EACH(i, p.batch * tokens * p.cols)
    {
        uint c = i % p.cols, t = i / p.cols % tokens, b = i / p.cols / tokens;
        if (t == 0u) {
            y[i] = cls[c] + pos[c];
        } else {
            uint from = b * p.count + t - 1u;
            y[i] = x[from * p.cols + c] + pos[(1u + idx[from]) * p.cols + c];
        }
    }
}
