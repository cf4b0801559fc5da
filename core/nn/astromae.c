#include "core/nn/astromae.h"

#include <stdio.h>

#define DIMS(...) ((const uint32_t[]){__VA_ARGS__})

enum { STEM = 32, BRANCH = 1096, MAG_WIDTH = 1024, HEAD_WIDTH = 1024, POOLS = 8 };

// Position in vis_inception, width of each branch, whether the 5x5 branch takes part.
static const struct {
    uint32_t index, width;
    bool five;
} stages[ZM_INCEPTIONS] = {
    {2, 16, true}, {3, 16, true}, {5, 8, true}, {6, 8, true}, {8, 4, false}};

zm_astromae_config zm_astromae_default(const zm_vit_config *vit)
{
    return (zm_astromae_config){.vit = *vit, .branches = ZM_BRANCH_ALL};
}

zm_status zm_astromae_check(const zm_astromae_config *config)
{
    ZM_TRY(zm_vit_check(&config->vit));
    ZM_TRY(zm_head_check(&config->head));
    if (config->vit.image % POOLS != 0)
        return ZM_FAIL(ZM_ERR_SHAPE,
                       "the inception branch halves the image three times: %u pixels are "
                       "not a multiple of %d",
                       config->vit.image, POOLS);
    return ZM_OK;
}

static zm_dense add_dense(zm_params *ps, uint32_t out, uint32_t in, const char *name)
{
    zm_dense d = {.w = zm_params_add(ps, ZM_PARAM_WEIGHT, ZM_INIT_LINEAR, 2,
                                     DIMS(out, in), "%s.weight", name),
                  .b = zm_params_add(ps, ZM_PARAM_WEIGHT, ZM_INIT_LINEAR, 1, DIMS(out),
                                     "%s.bias", name)};
    zm_params_fan_in(ps, d.b, in);
    return d;
}

static zm_conv_bn add_conv_bn(zm_params *ps, uint32_t out, uint32_t in, uint32_t kernel,
                              uint32_t stage, const char *branch)
{
    char name[64];
    snprintf(name, sizeof name, "inception_model.vis_inception.%u.%s", stage, branch);
    const zm_param_kind w = ZM_PARAM_WEIGHT, s = ZM_PARAM_STATISTIC;
    const uint32_t *channels = DIMS(out);
    zm_conv_bn c;
    c.w = zm_params_add(ps, w, ZM_INIT_LINEAR, 4, DIMS(out, in, kernel, kernel),
                        "%s.conv.weight", name);
    c.b = zm_params_add(ps, w, ZM_INIT_LINEAR, 1, channels, "%s.conv.bias", name);
    zm_params_fan_in(ps, c.b, in * kernel * kernel);
    c.gamma = zm_params_add(ps, w, ZM_INIT_ONE, 1, channels, "%s.bn.weight", name);
    c.beta = zm_params_add(ps, w, ZM_INIT_ZERO, 1, channels, "%s.bn.bias", name);
    c.mean = zm_params_add(ps, s, ZM_INIT_ZERO, 1, channels, "%s.bn.running_mean", name);
    c.var = zm_params_add(ps, s, ZM_INIT_ONE, 1, channels, "%s.bn.running_var", name);
    return c;
}

static uint32_t add_inception(zm_params *ps, zm_inception *inc, uint32_t in, int stage)
{
    const uint32_t n = stages[stage].index, w = stages[stage].width;
    inc->five = stages[stage].five;
    inc->b1 = add_conv_bn(ps, w, in, 1, n, "branch1");
    inc->b2[0] = add_conv_bn(ps, w, in, 1, n, "branch2.0");
    inc->b2[1] = add_conv_bn(ps, w, w, 3, n, "branch2.1");
    const zm_slot five = ps->slot_count;
    inc->b3[0] = add_conv_bn(ps, w, in, 1, n, "branch3.0");
    inc->b3[1] = add_conv_bn(ps, w, w, 5, n, "branch3.1");
    for (zm_slot s = five; !inc->five && s < ps->slot_count; s++)
        ps->slots[s].lr_scale = 0.0f; // kept, but never run: it must not decay either
    inc->b4 = add_conv_bn(ps, w, in, 1, n, "branch4.1");
    return inc->five ? 4 * w : 3 * w;
}

void zm_astromae_add(zm_params *ps, zm_astromae *m, const zm_astromae_config *config)
{
    static const char *const stem = "inception_model.vis_inception.0";
    const uint32_t c = config->vit.width, f = config->vit.bands;
    m->config = *config;
    zm_vit_add(ps, &m->vit, &config->vit);
    if (!config->train_encoder)
        zm_params_freeze(ps, "");
    m->fc_norm_w =
        zm_params_add(ps, ZM_PARAM_WEIGHT, ZM_INIT_ONE, 1, DIMS(c), "fc_norm.weight");
    m->fc_norm_b =
        zm_params_add(ps, ZM_PARAM_WEIGHT, ZM_INIT_ZERO, 1, DIMS(c), "fc_norm.bias");
    m->head = add_dense(ps, c, c, "head");
    m->vit_fc[0] = add_dense(ps, BRANCH, c, "vit_block.0");
    m->vit_fc[1] = add_dense(ps, BRANCH, BRANCH, "vit_block.2");

    m->stem.w = zm_params_add(ps, ZM_PARAM_WEIGHT, ZM_INIT_LINEAR, 4, DIMS(STEM, f, 1, 1),
                              "%s.weight", stem);
    m->stem.b = zm_params_add(ps, ZM_PARAM_WEIGHT, ZM_INIT_LINEAR, 1, DIMS(STEM),
                              "%s.bias", stem);
    zm_params_fan_in(ps, m->stem.b, f);
    zm_params_name(ps, m->stem.w, 0, ZM_INIT_LINEAR, 0, 4, DIMS(STEM, f, 1, 1), true,
                   "inception_model.conv2d_init.weight");
    zm_params_name(ps, m->stem.b, 0, ZM_INIT_LINEAR, 0, 1, DIMS(STEM), true,
                   "inception_model.conv2d_init.bias");
    uint32_t channels = STEM;
    for (int i = 0; i < ZM_INCEPTIONS; i++)
        channels = add_inception(ps, &m->inception[i], channels, i);
    const uint32_t side = config->vit.image / POOLS;
    m->inception_fc[0] =
        add_dense(ps, BRANCH, channels * side * side, "inception_model.vis_inception.10");
    m->inception_fc[1] =
        add_dense(ps, BRANCH, BRANCH, "inception_model.vis_inception.12");
    for (uint32_t i = 0; i < ZM_MAG_LAYERS; i++) {
        char name[64];
        snprintf(name, sizeof name, "inception_model.magnitude_block.%u", 2 * i);
        m->mags[i] = add_dense(ps, MAG_WIDTH, i ? MAG_WIDTH : ZM_BANDS, name);
    }
    m->concat[0] = add_dense(ps, HEAD_WIDTH, 2 * BRANCH + MAG_WIDTH, "concat_block.0");
    m->concat[1] =
        add_dense(ps, zm_head_outputs(&config->head), HEAD_WIDTH, "concat_block.2");
}

static zm_tensor *dense(zm_tape *tape, const zm_params *ps, zm_dense d, zm_tensor *x,
                        zm_act act)
{
    return zm_linear(tape, x, zm_params_tensor(tape, ps, d.w),
                     zm_params_tensor(tape, ps, d.b), act);
}

static zm_tensor *conv_bn(zm_tape *tape, const zm_params *ps, const zm_conv_bn *c,
                          zm_tensor *x, bool training)
{
    const zm_batchnorm_args norm = {.gamma = zm_params_tensor(tape, ps, c->gamma),
                                    .beta = zm_params_tensor(tape, ps, c->beta),
                                    .running_mean = zm_params_tensor(tape, ps, c->mean),
                                    .running_var = zm_params_tensor(tape, ps, c->var),
                                    .training = training,
                                    .act = ZM_RELU};
    x = zm_conv2d(tape, x, zm_params_tensor(tape, ps, c->w),
                  zm_params_tensor(tape, ps, c->b));
    return zm_batchnorm(tape, x, &norm);
}

static zm_tensor *inception(zm_tape *tape, const zm_params *ps, const zm_inception *inc,
                            zm_tensor *x, bool training)
{
    zm_tensor *parts[4];
    uint32_t n = 0;
    parts[n++] = conv_bn(tape, ps, &inc->b1, x, training);
    zm_tensor *h = conv_bn(tape, ps, &inc->b2[0], x, training);
    parts[n++] = conv_bn(tape, ps, &inc->b2[1], h, training);
    if (inc->five) {
        h = conv_bn(tape, ps, &inc->b3[0], x, training);
        parts[n++] = conv_bn(tape, ps, &inc->b3[1], h, training);
    }
    parts[n++] = conv_bn(tape, ps, &inc->b4, zm_maxpool3(tape, x), training);
    return zm_concat(tape, parts, n);
}

static zm_tensor *inception_branch(zm_tape *tape, const zm_params *ps,
                                   const zm_astromae *m, zm_tensor *image, bool training)
{
    zm_tensor *x = dense(tape, ps, m->stem, image, ZM_NONE);
    x = zm_avgpool2(tape, x);
    x = inception(tape, ps, &m->inception[0], x, training);
    x = inception(tape, ps, &m->inception[1], x, training);
    x = zm_avgpool2(tape, x);
    x = inception(tape, ps, &m->inception[2], x, training);
    x = inception(tape, ps, &m->inception[3], x, training);
    x = zm_avgpool2(tape, x);
    x = inception(tape, ps, &m->inception[4], x, training);
    x = dense(tape, ps, m->inception_fc[0], zm_flatten_channels(tape, x), ZM_RELU);
    return dense(tape, ps, m->inception_fc[1], x, ZM_NONE);
}

static zm_tensor *encoder_branch(zm_tape *tape, const zm_params *ps, const zm_astromae *m,
                                 zm_tensor *image, zm_tensor *idx)
{
    zm_tensor *x = zm_vit_forward(tape, ps, &m->vit, image, idx, false);
    x = zm_tokens_mean(tape, x, 1);
    x = zm_layernorm(tape, x, zm_params_tensor(tape, ps, m->fc_norm_w),
                     zm_params_tensor(tape, ps, m->fc_norm_b), ZM_LN_EPS);
    x = dense(tape, ps, m->head, x, ZM_NONE);
    x = dense(tape, ps, m->vit_fc[0], x, ZM_RELU);
    return dense(tape, ps, m->vit_fc[1], x, ZM_NONE);
}

zm_tensor *zm_astromae_forward(zm_tape *tape, const zm_params *ps, const zm_astromae *m,
                               zm_tensor *image, zm_tensor *mags, zm_tensor *idx,
                               bool training)
{
    zm_tensor *branches[3];
    branches[0] = encoder_branch(tape, ps, m, image, idx);
    branches[1] = inception_branch(tape, ps, m, image, training);
    zm_tensor *x = mags;
    for (int i = 0; i < ZM_MAG_LAYERS; i++)
        x = dense(tape, ps, m->mags[i], x, i + 1 < ZM_MAG_LAYERS ? ZM_RELU : ZM_NONE);
    branches[2] = x;
    x = dense(tape, ps, m->concat[0], zm_concat(tape, branches, 3), ZM_RELU);
    return dense(tape, ps, m->concat[1], x, ZM_NONE);
}
