#include "core/nn/vit.h"

#include <stdlib.h>

enum { MLP_RATIO = 4, PCM_GROUP = 4 };

#define DIMS(...) ((const uint32_t[]){__VA_ARGS__})

uint32_t zm_vit_patches(const zm_vit_config *config)
{
    const uint32_t grid = config->image / config->patch;
    return grid * grid;
}

zm_status zm_vit_check(const zm_vit_config *c)
{
    if (c->image == 0 || c->image > 1024 || c->patch == 0 || c->image % c->patch != 0)
        return ZM_FAIL(ZM_ERR_SHAPE,
                       "image of %u pixels does not split into patches of %u", c->image,
                       c->patch);
    if (zm_vit_patches(c) < 2 || zm_vit_patches(c) > 4096)
        return ZM_FAIL(ZM_ERR_SHAPE, "%u patches, expected 2 to 4096", zm_vit_patches(c));
    if (c->width == 0 || c->width > 4096 || c->heads == 0 || c->width % c->heads != 0 ||
        c->width % 4 != 0)
        return ZM_FAIL(ZM_ERR_SHAPE,
                       "width %u is not a multiple of 4 and of %u heads, or above 4096",
                       c->width, c->heads);
    if (c->depth == 0 || c->depth > ZM_MAX_DEPTH)
        return ZM_FAIL(ZM_ERR_SHAPE, "depth %u is not in 1..%d", c->depth, ZM_MAX_DEPTH);
    if (c->bands == 0 || c->bands > 64)
        return ZM_FAIL(ZM_ERR_SHAPE, "%u bands, expected 1 to 64", c->bands);
    return ZM_OK;
}

zm_status zm_vit_upload_all(zm_gpu *gpu, const zm_tape *tape, const zm_tensor *all)
{
    const uint64_t count = zm_tensor_count(all);
    uint32_t *numbers = zm_calloc(count, sizeof *numbers);
    if (!numbers)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for patch numbers");
    for (uint64_t i = 0; i < count; i++)
        numbers[i] = (uint32_t)(i % all->dim[1]);
    const zm_status st = zm_gpu_upload(gpu, zm_tape_slice(tape, all), numbers);
    free(numbers);
    return st;
}

static void add_pcm(zm_params *ps, zm_block *b, const char *prefix, uint32_t n)
{
    const uint32_t c = b->width, hidden = MLP_RATIO * c, outputs = hidden * PCM_GROUP / c;
    const zm_param_kind w = ZM_PARAM_WEIGHT, s = ZM_PARAM_STATISTIC;
    b->pcm0_w = zm_params_add(ps, w, ZM_INIT_LINEAR, 4, DIMS(hidden, PCM_GROUP, 1, 1),
                              "%s.%u.PCM.0.weight", prefix, n);
    b->pcm0_b = zm_params_add(ps, w, ZM_INIT_LINEAR, 1, DIMS(hidden), "%s.%u.PCM.0.bias",
                              prefix, n);
    zm_params_fan_in(ps, b->pcm0_b, PCM_GROUP);
    b->pcm1_w = zm_params_add(ps, w, ZM_INIT_ONE, 1, DIMS(hidden), "%s.%u.PCM.1.weight",
                              prefix, n);
    b->pcm1_b = zm_params_add(ps, w, ZM_INIT_ZERO, 1, DIMS(hidden), "%s.%u.PCM.1.bias",
                              prefix, n);
    b->pcm1_mean = zm_params_add(ps, s, ZM_INIT_ZERO, 1, DIMS(hidden),
                                 "%s.%u.PCM.1.running_mean", prefix, n);
    b->pcm1_var = zm_params_add(ps, s, ZM_INIT_ONE, 1, DIMS(hidden),
                                "%s.%u.PCM.1.running_var", prefix, n);
    b->pcm3_w = zm_params_add(ps, w, ZM_INIT_LINEAR, 4, DIMS(c, outputs, 1, 1),
                              "%s.%u.PCM.3.weight", prefix, n);
    b->pcm3_b =
        zm_params_add(ps, w, ZM_INIT_LINEAR, 1, DIMS(c), "%s.%u.PCM.3.bias", prefix, n);
    zm_params_fan_in(ps, b->pcm3_b, outputs);
}

void zm_block_add(zm_params *ps, zm_block *b, uint32_t width, uint32_t heads, bool pcm,
                  const char *prefix, uint32_t n)
{
    const uint32_t c = width, hidden = MLP_RATIO * c;
    const zm_param_kind w = ZM_PARAM_WEIGHT;
    b->width = width;
    b->heads = heads;
    b->pcm = pcm;
    b->norm1_w =
        zm_params_add(ps, w, ZM_INIT_ONE, 1, DIMS(c), "%s.%u.norm1.weight", prefix, n);
    b->norm1_b =
        zm_params_add(ps, w, ZM_INIT_ZERO, 1, DIMS(c), "%s.%u.norm1.bias", prefix, n);
    b->qkv_w = zm_params_add(ps, w, ZM_INIT_XAVIER, 2, DIMS(3 * c, c),
                             "%s.%u.attn.qkv.weight", prefix, n);
    if (pcm) {
        b->qkv_b = zm_params_slot(ps, w, 1, DIMS(3 * c));
        zm_params_name(ps, b->qkv_b, 0, ZM_INIT_ZERO, 0, 1, DIMS(c), false,
                       "%s.%u.attn.q_bias", prefix, n);
        zm_params_name(ps, b->qkv_b, 2 * c, ZM_INIT_ZERO, 0, 1, DIMS(c), false,
                       "%s.%u.attn.v_bias", prefix, n);
    } else {
        b->qkv_b = zm_params_add(ps, w, ZM_INIT_ZERO, 1, DIMS(3 * c),
                                 "%s.%u.attn.qkv.bias", prefix, n);
    }
    b->proj_w = zm_params_add(ps, w, ZM_INIT_XAVIER, 2, DIMS(c, c),
                              "%s.%u.attn.proj.weight", prefix, n);
    b->proj_b =
        zm_params_add(ps, w, ZM_INIT_ZERO, 1, DIMS(c), "%s.%u.attn.proj.bias", prefix, n);
    b->norm2_w =
        zm_params_add(ps, w, ZM_INIT_ONE, 1, DIMS(c), "%s.%u.norm2.weight", prefix, n);
    b->norm2_b =
        zm_params_add(ps, w, ZM_INIT_ZERO, 1, DIMS(c), "%s.%u.norm2.bias", prefix, n);
    b->fc1_w = zm_params_add(ps, w, ZM_INIT_XAVIER, 2, DIMS(hidden, c),
                             "%s.%u.mlp.fc1.weight", prefix, n);
    b->fc1_b = zm_params_add(ps, w, ZM_INIT_ZERO, 1, DIMS(hidden), "%s.%u.mlp.fc1.bias",
                             prefix, n);
    b->fc2_w = zm_params_add(ps, w, ZM_INIT_XAVIER, 2, DIMS(c, hidden),
                             "%s.%u.mlp.fc2.weight", prefix, n);
    b->fc2_b =
        zm_params_add(ps, w, ZM_INIT_ZERO, 1, DIMS(c), "%s.%u.mlp.fc2.bias", prefix, n);
    if (pcm)
        add_pcm(ps, b, prefix, n);
}

// Grouped 1x1 convolution, batch norm, SiLU, grouped 1x1 convolution on (B, N, C).
static zm_tensor *pcm_forward(zm_tape *tape, const zm_params *ps, const zm_block *b,
                              zm_tensor *x, bool training)
{
    const uint32_t groups = b->width / PCM_GROUP;
    const zm_batchnorm_args norm = {
        .gamma = zm_params_tensor(tape, ps, b->pcm1_w),
        .beta = zm_params_tensor(tape, ps, b->pcm1_b),
        .running_mean = zm_params_tensor(tape, ps, b->pcm1_mean),
        .running_var = zm_params_tensor(tape, ps, b->pcm1_var),
        .training = training,
        .act = ZM_SILU};
    zm_tensor *h = zm_grouped_linear(tape, x, zm_params_tensor(tape, ps, b->pcm0_w),
                                     zm_params_tensor(tape, ps, b->pcm0_b), groups);
    h = zm_batchnorm(tape, h, &norm);
    return zm_grouped_linear(tape, h, zm_params_tensor(tape, ps, b->pcm3_w),
                             zm_params_tensor(tape, ps, b->pcm3_b), groups);
}

zm_tensor *zm_block_forward(zm_tape *tape, const zm_params *ps, const zm_block *b,
                            zm_tensor *x, bool training)
{
    zm_tensor *c = NULL;
    if (b->pcm)
        c = pcm_forward(tape, ps, b, zm_tokens_drop(tape, x, 1), training);
    zm_tensor *h = zm_layernorm(tape, x, zm_params_tensor(tape, ps, b->norm1_w),
                                zm_params_tensor(tape, ps, b->norm1_b), ZM_LN_EPS);
    const uint32_t skip = b->pcm ? b->width : 0; // the key's bias is a constant zero
    h = zm_linear_skip(tape, h, zm_params_tensor(tape, ps, b->qkv_w),
                       zm_params_tensor(tape, ps, b->qkv_b), skip, 2 * skip);
    h = zm_attention(tape, h, b->heads);
    h = zm_linear(tape, h, zm_params_tensor(tape, ps, b->proj_w),
                  zm_params_tensor(tape, ps, b->proj_b), ZM_NONE);
    x = zm_add(tape, x, h);
    if (b->pcm)
        x = zm_tokens_add(tape, x, c, 1);
    h = zm_layernorm(tape, x, zm_params_tensor(tape, ps, b->norm2_w),
                     zm_params_tensor(tape, ps, b->norm2_b), ZM_LN_EPS);
    h = zm_linear(tape, h, zm_params_tensor(tape, ps, b->fc1_w),
                  zm_params_tensor(tape, ps, b->fc1_b), ZM_GELU);
    h = zm_linear(tape, h, zm_params_tensor(tape, ps, b->fc2_w),
                  zm_params_tensor(tape, ps, b->fc2_b), ZM_NONE);
    return zm_add(tape, x, h);
}

void zm_vit_add(zm_params *ps, zm_vit *vit, const zm_vit_config *config)
{
    vit->config = *config;
    const uint32_t c = config->width, p = config->patch, f = config->bands;
    vit->cls = zm_params_add(ps, ZM_PARAM_WEIGHT, ZM_INIT_NORMAL02, 3, DIMS(1, 1, c),
                             "cls_token");
    vit->pos = zm_params_add(ps, ZM_PARAM_CONSTANT, ZM_INIT_SINCOS, 3,
                             DIMS(1, zm_vit_patches(config) + 1, c), "pos_embed");
    vit->patch_w = zm_params_add(ps, ZM_PARAM_WEIGHT, ZM_INIT_XAVIER, 4, DIMS(c, f, p, p),
                                 "patch_embed.proj.weight");
    vit->patch_b = zm_params_add(ps, ZM_PARAM_WEIGHT, ZM_INIT_LINEAR, 1, DIMS(c),
                                 "patch_embed.proj.bias");
    zm_params_fan_in(ps, vit->patch_b, f * p * p);
    for (uint32_t i = 0; i < config->depth; i++)
        zm_block_add(ps, &vit->blocks[i], c, config->heads, config->pcm, "blocks", i);
}

zm_tensor *zm_vit_forward(zm_tape *tape, const zm_params *ps, const zm_vit *vit,
                          zm_tensor *image, zm_tensor *idx, bool training)
{
    zm_tensor *x = zm_patchify(tape, image, idx, vit->config.patch, false);
    x = zm_linear(tape, x, zm_params_tensor(tape, ps, vit->patch_w),
                  zm_params_tensor(tape, ps, vit->patch_b), ZM_NONE);
    x = zm_tokens_embed(tape, x, zm_params_tensor(tape, ps, vit->cls),
                        zm_params_tensor(tape, ps, vit->pos), idx);
    for (uint32_t i = 0; i < vit->config.depth; i++)
        x = zm_block_forward(tape, ps, &vit->blocks[i], x, training);
    return x;
}
