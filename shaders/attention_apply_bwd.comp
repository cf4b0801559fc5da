#version 450
// dq_i = scale sum over j of ds_ij k_j, dk_j = scale sum over i of ds_ij q_i,
// dv_j = sum over i of p_ij do_i
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, QKV, qkv); // (batch, tokens, 3, heads, dim)
RBUFFER(1, P, prob);  // (batch, heads, tokens, tokens)
RBUFFER(2, DS, ds);   // (batch, heads, tokens, tokens)
RBUFFER(3, DO, d_o);  // (batch, tokens, heads, dim)
BUFFER(4, DQKV, dqkv); // (batch, tokens, 3, heads, dim)  out; adds when p.accumulate != 0
PARAMS { ZM_PARAMS_attention_apply_bwd } p;

void main()
{
    uint width = p.heads * p.dim, row = 3u * width;
    EACH(e, p.batch * p.tokens * row)
    {
        uint part = e % row / width, column = e % width;
        uint t = e / row % p.tokens, b = e / row / p.tokens;
        uint square = (b * p.heads + column / p.dim) * p.tokens * p.tokens;
        uint q = b * p.tokens * row + column;
        float g = 0.0;
        if (part == 0u) {
            for (uint j = 0u; j < p.tokens; j++)
                g += ds[square + t * p.tokens + j] * qkv[q + width + j * row];
            g *= p.scale;
        } else if (part == 1u) {
            for (uint i = 0u; i < p.tokens; i++)
                g += ds[square + i * p.tokens + t] * qkv[q + i * row];
            g *= p.scale;
        } else {
            for (uint i = 0u; i < p.tokens; i++)
                g += prob[square + i * p.tokens + t] *
                     d_o[(b * p.tokens + i) * width + column];
        }
        dqkv[e] = p.accumulate != 0u ? dqkv[e] + g : g;
    }
}
