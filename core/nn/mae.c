#include "core/nn/mae.h"

#define DIMS(...) ((const uint32_t[]){__VA_ARGS__})

zm_mae_config zm_mae_default(bool pcm)
{
    return (zm_mae_config){.vit = {.image = 32,
                                   .patch = 8,
                                   .bands = ZM_BANDS,
                                   .width = 192,
                                   .depth = 12,
                                   .heads = 3,
                                   .pcm = pcm},
                           .dec_width = 192,
                           .dec_depth = 4,
                           .dec_heads = 3,
                           .mask_ratio = 0.75};
}

uint32_t zm_mae_visible(const zm_mae_config *config)
{
    return (uint32_t)((double)zm_vit_patches(&config->vit) * (1.0 - config->mask_ratio));
}

zm_status zm_mae_check(const zm_mae_config *config)
{
    ZM_TRY(zm_vit_check(&config->vit));
    zm_vit_config decoder = config->vit; // the same rules hold for the decoder
    decoder.width = config->dec_width;
    decoder.depth = config->dec_depth;
    decoder.heads = config->dec_heads;
    ZM_TRY(zm_error_context(zm_vit_check(&decoder), "decoder"));
    if (!(config->mask_ratio > 0.0 && config->mask_ratio < 1.0))
        return ZM_FAIL(ZM_ERR_SHAPE,
                       "expected a mask ratio (mask_ratio) between 0 and 1, found %g",
                       config->mask_ratio);
    const uint32_t visible = zm_mae_visible(config),
                   patches = zm_vit_patches(&config->vit);
    if (visible == 0 || visible >= patches)
        return ZM_FAIL(ZM_ERR_SHAPE, "mask ratio %g leaves %u of %u patches visible",
                       config->mask_ratio, visible, patches);
    return ZM_OK;
}

void zm_mae_add(zm_params *ps, zm_mae *m, const zm_mae_config *config)
{
    m->config = *config;
    const uint32_t c = config->vit.width, d = config->dec_width;
    const uint32_t pixels = config->vit.patch * config->vit.patch * config->vit.bands;
    const zm_param_kind w = ZM_PARAM_WEIGHT;
    zm_vit_add(ps, &m->vit, &config->vit);
    m->norm_w = zm_params_add(ps, w, ZM_INIT_ONE, 1, DIMS(c), "norm.weight");
    m->norm_b = zm_params_add(ps, w, ZM_INIT_ZERO, 1, DIMS(c), "norm.bias");
    m->embed_w =
        zm_params_add(ps, w, ZM_INIT_XAVIER, 2, DIMS(d, c), "decoder_embed.weight");
    m->embed_b = zm_params_add(ps, w, ZM_INIT_ZERO, 1, DIMS(d), "decoder_embed.bias");
    m->token = zm_params_add(ps, w, ZM_INIT_NORMAL02, 3, DIMS(1, 1, d), "mask_token");
    m->dec_pos =
        zm_params_add(ps, ZM_PARAM_CONSTANT, ZM_INIT_SINCOS, 3,
                      DIMS(1, zm_vit_patches(&config->vit) + 1, d), "decoder_pos_embed");
    for (uint32_t i = 0; i < config->dec_depth; i++)
        zm_block_add(ps, &m->dec_blocks[i], d, config->dec_heads, false, "decoder_blocks",
                     i);
    m->dec_norm_w = zm_params_add(ps, w, ZM_INIT_ONE, 1, DIMS(d), "decoder_norm.weight");
    m->dec_norm_b = zm_params_add(ps, w, ZM_INIT_ZERO, 1, DIMS(d), "decoder_norm.bias");
    m->pred_w =
        zm_params_add(ps, w, ZM_INIT_XAVIER, 2, DIMS(pixels, d), "decoder_pred.weight");
    m->pred_b = zm_params_add(ps, w, ZM_INIT_ZERO, 1, DIMS(pixels), "decoder_pred.bias");
}

// Tokens of the visible patches -> pixels of all patches.
static zm_tensor *decode(zm_tape *tape, const zm_params *ps, const zm_mae *m,
                         zm_tensor *x, const zm_mask *mask)
{
    x = zm_linear(tape, x, zm_params_tensor(tape, ps, m->embed_w),
                  zm_params_tensor(tape, ps, m->embed_b), ZM_NONE);
    x = zm_tokens_restore(tape, x, zm_params_tensor(tape, ps, m->token),
                          zm_params_tensor(tape, ps, m->dec_pos), mask);
    for (uint32_t i = 0; i < m->config.dec_depth; i++)
        x = zm_block_forward(tape, ps, &m->dec_blocks[i], x, false);
    x = zm_layernorm(tape, x, zm_params_tensor(tape, ps, m->dec_norm_w),
                     zm_params_tensor(tape, ps, m->dec_norm_b), ZM_LN_EPS);
    return zm_linear(tape, zm_tokens_drop(tape, x, 1),
                     zm_params_tensor(tape, ps, m->pred_w),
                     zm_params_tensor(tape, ps, m->pred_b), ZM_NONE);
}

zm_mae_out zm_mae_forward(zm_tape *tape, const zm_params *ps, const zm_mae *m,
                          zm_tensor *image, zm_tensor *noise, zm_tensor *all,
                          bool training, float grad_scale)
{
    zm_mae_out out = {0};
    if (!zm_tape_ok(tape) || !image || !noise)
        return out;
    const uint32_t batch = image->dim[0], patches = zm_vit_patches(&m->config.vit);
    const uint32_t visible = zm_mae_visible(&m->config);
    out.mask = zm_mask_from_noise(tape, noise, visible);
    zm_tensor *x = zm_vit_forward(tape, ps, &m->vit, image, out.mask.keep, training);
    x = zm_layernorm(tape, x, zm_params_tensor(tape, ps, m->norm_w),
                     zm_params_tensor(tape, ps, m->norm_b), ZM_LN_EPS);
    out.pred = decode(tape, ps, m, x, &out.mask);
    out.target = zm_patchify(tape, image, all, m->config.vit.patch, true);
    if (m->config.norm_pix)
        out.target = zm_patch_norm(tape, out.target, 1e-6f);
    const float hidden = (float)((uint64_t)batch * (patches - visible));
    out.loss = zm_squared_error(tape, out.pred, out.target, out.mask.hidden,
                                1.0f / hidden, grad_scale, &out.errors);
    zm_tape_keep(tape, out.mask.hidden);
    zm_tape_keep(tape, out.target);
    zm_tape_keep(tape, out.pred);
    return out;
}
