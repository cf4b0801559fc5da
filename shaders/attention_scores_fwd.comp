#version 450
// p[b, h, i] = softmax over j of scale q_i . k_j; one thread a row, keys four at a time
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, QKV, qkv); // (batch, tokens, 3, heads, dim)
BUFFER(1, P, prob);   // (batch, heads, tokens, tokens)  out
PARAMS { ZM_PARAMS_attention_scores_fwd } p;

void main()
{
    uint width = p.heads * p.dim, row = 3u * width;
    EACH(r, p.batch * p.heads * p.tokens)
    {
        uint i = r % p.tokens, h = r / p.tokens % p.heads, b = r / p.tokens / p.heads;
        uint q = (b * p.tokens + i) * row + h * p.dim;
        uint k = b * p.tokens * row + width + h * p.dim;
        float largest = -3.4e38;
        for (uint j = 0u; j < p.tokens; j += 4u) {
            uvec4 key = k + min(uvec4(j, j + 1u, j + 2u, j + 3u), p.tokens - 1u) * row;
            vec4 s = vec4(0.0);
            for (uint d = 0u; d < p.dim; d++)
                s += qkv[q + d] * vec4(qkv[key.x + d], qkv[key.y + d], qkv[key.z + d],
                                       qkv[key.w + d]);
            s *= p.scale;
            for (uint l = 0u; l < min(4u, p.tokens - j); l++) {
                prob[r * p.tokens + j + l] = s[l];
                largest = max(largest, s[l]);
            }
        }
        float sum = 0.0;
        for (uint j = r * p.tokens; j < (r + 1u) * p.tokens; j++) {
            float e = exp(prob[j] - largest);
            prob[j] = e;
            sum += e;
        }
        for (uint j = r * p.tokens; j < (r + 1u) * p.tokens; j++)
            prob[j] /= sum;
    }
}
