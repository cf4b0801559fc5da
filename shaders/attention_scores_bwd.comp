#version 450
// ds_ij = p_ij (dp_ij - sum over k of dp_ik p_ik), dp_ij = do_i . v_j; one thread a row,
// values four at a time
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, QKV, qkv); // (batch, tokens, 3, heads, dim)
RBUFFER(1, P, prob);  // (batch, heads, tokens, tokens)
RBUFFER(2, DO, d_o);  // (batch, tokens, heads, dim)
BUFFER(3, DS, ds);    // (batch, heads, tokens, tokens)  out
PARAMS { ZM_PARAMS_attention_scores_bwd } p;

void main()
{
    uint width = p.heads * p.dim, row = 3u * width;
    EACH(r, p.batch * p.heads * p.tokens)
    {
        uint i = r % p.tokens, h = r / p.tokens % p.heads, b = r / p.tokens / p.heads;
        uint dy = (b * p.tokens + i) * width + h * p.dim;
        uint v = b * p.tokens * row + 2u * width + h * p.dim;
        float mean = 0.0;
        for (uint j = 0u; j < p.tokens; j += 4u) {
            uvec4 at = v + min(uvec4(j, j + 1u, j + 2u, j + 3u), p.tokens - 1u) * row;
            vec4 dp = vec4(0.0);
            for (uint d = 0u; d < p.dim; d++)
                dp += d_o[dy + d] * vec4(qkv[at.x + d], qkv[at.y + d], qkv[at.z + d],
                                         qkv[at.w + d]);
            for (uint l = 0u; l < min(4u, p.tokens - j); l++) {
                uint e = r * p.tokens + j + l;
                ds[e] = dp[l];
                mean += dp[l] * prob[e];
            }
        }
        for (uint e = r * p.tokens; e < (r + 1u) * p.tokens; e++)
            ds[e] = prob[e] * (ds[e] - mean);
    }
}
