#include "core/nn/astromae.h"

#include <stdio.h>

#define DIMS(...) ((const uint32_t[]){__VA_ARGS__})

enum { STEM = 32, BRANCH = 1096, MAG_WIDTH = 1024, JOIN_WIDTH = 1024, POOLS = 8 };

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

const char *zm_branch_name(uint32_t branch)
{
    return branch == ZM_BRANCH_ENCODER     ? "encoder"
           : branch == ZM_BRANCH_INCEPTION ? "inception"
                                           : "magnitudes";
}

// Joins two or three branches; a single one goes to the last layer as it is.
static const char *join_name(uint32_t branches)
{
    if (branches == (ZM_BRANCH_INCEPTION | ZM_BRANCH_MAGS))
        return "inception_model.head_incept_mag.0";
    const bool single = branches == ZM_BRANCH_ENCODER || branches == ZM_BRANCH_INCEPTION;
    return single ? NULL : "concat_block.0";
}

const char *zm_astromae_last_name(uint32_t branches)
{
    switch (branches) {
    case ZM_BRANCH_ENCODER:
        return "vit_block.4";
    case ZM_BRANCH_INCEPTION:
        return "inception_model.Inception_head_block.1";
    case ZM_BRANCH_INCEPTION | ZM_BRANCH_MAGS:
        return "inception_model.head_incept_mag.2";
    default:
        return "concat_block.2";
    }
}

static zm_status check_image(const zm_vit_config *vit)
{
    if (vit->image == 0 || vit->image > 1024 || vit->bands == 0 || vit->bands > 64)
        return ZM_FAIL(ZM_ERR_SHAPE,
                       "expected 1 to 1024 pixels and 1 to 64 bands, found %u and %u",
                       vit->image, vit->bands);
    return vit->patch == vit->image
               ? ZM_OK
               : ZM_FAIL(ZM_ERR_SHAPE, "patches of %u pixels without an encoder",
                         vit->patch);
}

zm_status zm_astromae_check(const zm_astromae_config *config)
{
    const uint32_t branches = config->branches;
    ZM_TRY(branches & ZM_BRANCH_ENCODER ? zm_vit_check(&config->vit)
                                        : check_image(&config->vit));
    ZM_TRY(zm_head_check(&config->head));
    if (branches > ZM_BRANCH_ALL || branches == 0 || branches == ZM_BRANCH_MAGS)
        return ZM_FAIL(ZM_ERR_SHAPE, "expected an encoder or an inception branch");
    if (branches & ZM_BRANCH_INCEPTION && config->vit.image % POOLS != 0)
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

static void add_encoder_branch(zm_params *ps, zm_astromae *m)
{
    const uint32_t c = m->config.vit.width;
    zm_vit_add(ps, &m->vit, &m->config.vit);
    if (!m->config.train_encoder)
        zm_params_freeze(ps, "");
    m->fc_norm_w =
        zm_params_add(ps, ZM_PARAM_WEIGHT, ZM_INIT_ONE, 1, DIMS(c), "fc_norm.weight");
    m->fc_norm_b =
        zm_params_add(ps, ZM_PARAM_WEIGHT, ZM_INIT_ZERO, 1, DIMS(c), "fc_norm.bias");
    m->head = add_dense(ps, c, c, "head");
    m->vit_fc[0] = add_dense(ps, BRANCH, c, "vit_block.0");
    m->vit_fc[1] = add_dense(ps, BRANCH, BRANCH, "vit_block.2");
}

static void add_inception_branch(zm_params *ps, zm_astromae *m)
{
    static const char *const stem = "inception_model.vis_inception.0";
    const uint32_t f = m->config.vit.bands, side = m->config.vit.image / POOLS;
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
    m->inception_fc[0] =
        add_dense(ps, BRANCH, channels * side * side, "inception_model.vis_inception.10");
    m->inception_fc[1] =
        add_dense(ps, BRANCH, BRANCH, "inception_model.vis_inception.12");
}

static void add_magnitude_branch(zm_params *ps, zm_astromae *m)
{
    for (uint32_t i = 0; i < ZM_MAG_LAYERS; i++) {
        char name[64];
        snprintf(name, sizeof name, "inception_model.magnitude_block.%u", 2 * i);
        m->mags[i] = add_dense(ps, MAG_WIDTH, i ? MAG_WIDTH : ZM_BANDS, name);
    }
}

void zm_astromae_add(zm_params *ps, zm_astromae *m, const zm_astromae_config *config)
{
    const char *join = join_name(config->branches);
    uint32_t joined = 0;
    m->config = *config;
    if (config->branches & ZM_BRANCH_ENCODER) {
        add_encoder_branch(ps, m);
        joined += BRANCH;
    }
    if (config->branches & ZM_BRANCH_INCEPTION) {
        add_inception_branch(ps, m);
        joined += BRANCH;
    }
    if (config->branches & ZM_BRANCH_MAGS) {
        add_magnitude_branch(ps, m);
        joined += MAG_WIDTH;
    }
    if (join)
        m->join = add_dense(ps, JOIN_WIDTH, joined, join);
    m->last = add_dense(ps, zm_head_outputs(&config->head), join ? JOIN_WIDTH : joined,
                        zm_astromae_last_name(config->branches));
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
    const bool alone = m->config.branches == ZM_BRANCH_INCEPTION;
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
    return dense(tape, ps, m->inception_fc[1], x, alone ? ZM_RELU : ZM_NONE);
}

static zm_tensor *encoder_branch(zm_tape *tape, const zm_params *ps, const zm_astromae *m,
                                 zm_tensor *image, zm_tensor *idx, bool training)
{
    // Alone, the branch goes through ReLU before its layers and after them.
    const zm_act edge = m->config.branches == ZM_BRANCH_ENCODER ? ZM_RELU : ZM_NONE;
    zm_tensor *x = zm_vit_forward(tape, ps, &m->vit, image, idx,
                                  training && m->config.train_encoder);
    x = zm_tokens_mean(tape, x, 1);
    x = zm_layernorm(tape, x, zm_params_tensor(tape, ps, m->fc_norm_w),
                     zm_params_tensor(tape, ps, m->fc_norm_b), ZM_LN_EPS);
    x = dense(tape, ps, m->head, x, edge);
    x = dense(tape, ps, m->vit_fc[0], x, ZM_RELU);
    return dense(tape, ps, m->vit_fc[1], x, edge);
}

static zm_tensor *magnitude_branch(zm_tape *tape, const zm_params *ps,
                                   const zm_astromae *m, zm_tensor *x)
{
    for (int i = 0; i < ZM_MAG_LAYERS; i++)
        x = dense(tape, ps, m->mags[i], x, i + 1 < ZM_MAG_LAYERS ? ZM_RELU : ZM_NONE);
    return x;
}

zm_tensor *zm_astromae_forward(zm_tape *tape, const zm_params *ps, const zm_astromae *m,
                               zm_tensor *image, zm_tensor *mags, zm_tensor *idx,
                               bool training)
{
    const uint32_t branches = m->config.branches;
    zm_tensor *parts[3];
    uint32_t n = 0;
    if (branches & ZM_BRANCH_ENCODER)
        parts[n++] = encoder_branch(tape, ps, m, image, idx, training);
    if (branches & ZM_BRANCH_INCEPTION)
        parts[n++] = inception_branch(tape, ps, m, image, training);
    if (branches & ZM_BRANCH_MAGS)
        parts[n++] = magnitude_branch(tape, ps, m, mags);
    zm_tensor *x = parts[0];
    if (n > 1)
        x = dense(tape, ps, m->join, zm_concat(tape, parts, n), ZM_RELU);
    return dense(tape, ps, m->last, x, ZM_NONE);
}
