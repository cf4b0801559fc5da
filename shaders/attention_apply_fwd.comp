#version 450
// o[b, i, h, d] = sum over j of p[b, h, i, j] v[b, j, h, d]
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, QKV, qkv); // (batch, tokens, 3, heads, dim)
RBUFFER(1, P, prob);  // (batch, heads, tokens, tokens)
BUFFER(2, O, o);      // (batch, tokens, heads, dim)  out
PARAMS { ZM_PARAMS_attention_apply_fwd } p;

void main()
{
    uint width = p.heads * p.dim;
    EACH(e, p.batch * p.tokens * width)
    {
        uint column = e % width, i = e / width % p.tokens, b = e / width / p.tokens;
        uint from = ((b * p.heads + column / p.dim) * p.tokens + i) * p.tokens;
        uint v = (b * p.tokens * 3u + 2u) * width + column;
        float sum = 0.0;
        for (uint j = 0u; j < p.tokens; j++)
            sum += prob[from + j] * qkv[v + j * 3u * width];
        o[e] = sum;
    }
}
