// Cases of attention, patches, tokens, masks and maps.
#include "tests/unit/kernel_builder.h"

void kernel_build_attention(builder *b, const uint32_t *d, uint32_t v)
{
    const size_t rows = (size_t)d[0] * d[1] * d[2]; // batch, tokens, heads, dim
    const size_t out = rows * d[3], square = rows * d[1];
    const float scale = (float)(1 / sqrt((double)d[3]));
    switch (b->k->kernel) {
    case ZM_KERNEL_attention_scores_fwd:
        PARAMS(attention_scores_fwd, d[0], d[1], d[2], d[3], scale);
        set_extent(b, rows);
        data(b, 3 * out);
        written(b, square);
        break;
    case ZM_KERNEL_attention_apply_fwd:
        PARAMS(attention_apply_fwd, d[0], d[1], d[2], d[3]);
        set_extent(b, out);
        data(b, 3 * out);
        uniform(b, square, 0, 1);
        written(b, out);
        break;
    case ZM_KERNEL_attention_scores_bwd:
        PARAMS(attention_scores_bwd, d[0], d[1], d[2], d[3]);
        set_extent(b, rows);
        data(b, 3 * out);
        uniform(b, square, 0, 1);
        normals(b, out, 1);
        written(b, square);
        break;
    default:
        PARAMS(attention_apply_bwd, d[0], d[1], d[2], d[3], scale, v % 2);
        set_extent(b, 3 * out);
        data(b, 3 * out);
        uniform(b, square, 0, 1);
        normals(b, square, 1);
        data(b, out);
        data(b, 3 * out);
    }
}

void kernel_build_patches(builder *b, const uint32_t *d, uint32_t v)
{
    const size_t patches = (size_t)d[0] * d[1];
    switch (b->k->kernel) {
    case ZM_KERNEL_patchify: { // batch, size, channels, patch, count
        const size_t cols = (size_t)d[3] * d[3] * d[2], n = (size_t)d[0] * d[4] * cols;
        PARAMS(patchify, d[0], d[1], d[2], d[3], d[4], v % 2);
        set_extent(b, n);
        data(b, (size_t)d[0] * d[1] * d[1] * d[2]);
        below(b, (size_t)d[0] * d[4], d[1] / d[3] * (d[1] / d[3]));
        written(b, n);
        break;
    }
    case ZM_KERNEL_mask_noise: // batch, patches
        PARAMS(mask_noise, d[0], d[1], 0x12345678u, v);
        set_extent(b, patches);
        below(b, 1, 100000);
        below(b, d[0], 0xFFFFFFFFu);
        written(b, patches);
        break;
    case ZM_KERNEL_mask_rank: // batch, patches, visible
        PARAMS(mask_rank, d[0], d[1], d[2]);
        set_extent(b, patches);
        uniform(b, patches, 0, 1);
        if (v >= 2) // ties
            for (size_t i = 0; i < patches; i++)
                b->k->array[0].value[i] = floor(b->k->array[0].value[i] * 4) / 4;
        written_words(b, (size_t)d[0] * d[2]);
        written_words(b, patches);
        written(b, patches);
        break;
    default: { // augment: batch, in_size, out_size, channels, flags
        const size_t area = (size_t)d[2] * d[2];
        PARAMS(augment, d[0], d[1], d[2], d[3], d[4],
               v % 2 ? ZM_STRETCH_ASINH : ZM_STRETCH_NONE, 77, 5, v >= 2 ? 0.5f : 0.0f);
        set_extent(b, d[0] * area);
        data(b, (size_t)d[0] * d[1] * d[1] * d[3]);
        below(b, d[0], 0xFFFFFFFFu);
        below(b, 1, 100000);
        uniform(b, d[3], 0.5, 1);
        written(b, d[0] * area * d[3]);
    }
    }
}

void kernel_build_tokens(builder *b, const uint32_t *d, uint32_t v)
{
    const uint32_t batch = d[0];
    // of restore: batch, patches, visible, cols
    const size_t whole = ((size_t)d[1] + 1) * d[3], part = ((size_t)d[2] + 1) * d[3];
    switch (b->k->kernel) {
    case ZM_KERNEL_tokens_embed: // batch, count, cols
        PARAMS(tokens_embed, batch, d[1], d[2]);
        set_extent(b, batch * ((size_t)d[1] + 1) * d[2]);
        data(b, (size_t)batch * d[1] * d[2]);
        data(b, d[2]);
        normals(b, (2 * (size_t)d[1] + 1) * d[2], 1);
        below(b, (size_t)batch * d[1], 2 * d[1]);
        written(b, b->k->extent);
        break;
    case ZM_KERNEL_tokens_restore_fwd:
        PARAMS(tokens_restore_fwd, batch, d[1], d[2], d[3]);
        set_extent(b, batch * whole);
        data(b, batch * part);
        data(b, d[3]);
        normals(b, whole, 1);
        below(b, (size_t)batch * d[1], d[1]);
        written(b, batch * whole);
        break;
    case ZM_KERNEL_tokens_restore_bwd_input:
        PARAMS(tokens_restore_bwd_input, batch, d[1], d[2], d[3], v % 2);
        set_extent(b, batch * part);
        data(b, batch * whole);
        below(b, (size_t)batch * d[2], d[1]);
        data(b, batch * part);
        break;
    case ZM_KERNEL_tokens_restore_bwd_token:
        PARAMS(tokens_restore_bwd_token, batch, d[1], d[2], d[3], v % 2);
        set_extent(b, d[3]);
        data(b, batch * whole);
        below(b, (size_t)batch * d[1], d[1]);
        data(b, d[3]);
        break;
    case ZM_KERNEL_tokens_mean_fwd: // batch, tokens, cols, begin
        PARAMS(tokens_mean_fwd, batch, d[1], d[2], d[3]);
        set_extent(b, (size_t)batch * d[2]);
        data(b, (size_t)batch * d[1] * d[2]);
        written(b, b->k->extent);
        break;
    default:
        PARAMS(tokens_mean_bwd, batch, d[1], d[2], d[3], v % 2);
        set_extent(b, (size_t)batch * d[1] * d[2]);
        data(b, (size_t)batch * d[2]);
        data(b, b->k->extent);
    }
}

void kernel_build_maps(builder *b, const uint32_t *d, uint32_t v)
{
    const size_t n = (size_t)d[0] * d[1] * d[2] * d[3]; // batch, height, width, channels
    switch (b->k->kernel) {
    case ZM_KERNEL_im2col_fwd: // and kernel
        PARAMS(im2col_fwd, d[0], d[1], d[2], d[3], d[4]);
        set_extent(b, n * d[4] * d[4]);
        data(b, n);
        written(b, b->k->extent);
        break;
    case ZM_KERNEL_im2col_bwd:
        PARAMS(im2col_bwd, d[0], d[1], d[2], d[3], d[4], v % 2);
        set_extent(b, n);
        data(b, n * d[4] * d[4]);
        data(b, n);
        break;
    case ZM_KERNEL_avgpool_fwd:
        PARAMS(avgpool_fwd, d[0], d[1], d[2], d[3]);
        set_extent(b, n / 4);
        data(b, n);
        written(b, n / 4);
        break;
    case ZM_KERNEL_avgpool_bwd:
        PARAMS(avgpool_bwd, d[0], d[1], d[2], d[3], v % 2);
        set_extent(b, n);
        data(b, n / 4);
        data(b, n);
        break;
    case ZM_KERNEL_maxpool_fwd:
        PARAMS(maxpool_fwd, d[0], d[1], d[2], d[3]);
        set_extent(b, n);
        data(b, n);
        if (v >= 2) // ties
            for (size_t i = 0; i < n; i++)
                b->k->array[0].value[i] = i % 2 ? 1 : -1;
        written(b, n);
        written_words(b, n);
        break;
    default:
        PARAMS(maxpool_bwd, d[0], d[1], d[2], d[3], v % 2);
        set_extent(b, n);
        data(b, n);
        below(b, n, 9);
        data(b, n);
    }
}
