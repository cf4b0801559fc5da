// Cases of tokens, feature maps and copies.
#include "tests/model/gradient_cases.h"

static zm_tensor *build_tokens_drop(zm_check *c)
{
    zm_tensor *x = leaf3(c, c->scale, SHAPE(0), SHAPE(1), SHAPE(2));
    return zm_tokens_drop(c->tape, x, SHAPE(3));
}
const zm_check_case zm_check_tokens_drop = {
    .name = "tokens_drop",
    .build = build_tokens_drop,
    .shapes = {{1, 2, 1, 1}, {2, 17, 3, 1}, {3, 5, 16, 4}, {2, 3, 4, 0}},
    .scales = {1e-3, 1, 1000}};

static zm_tensor *build_tokens_add(zm_check *c)
{
    zm_tensor *x = leaf3(c, c->scale, SHAPE(0), SHAPE(1), SHAPE(2));
    zm_tensor *y = leaf3(c, c->scale, SHAPE(0), SHAPE(1) - SHAPE(3), SHAPE(2));
    return zm_tokens_add(c->tape, x, y, SHAPE(3));
}
const zm_check_case zm_check_tokens_add = {
    .name = "tokens_add",
    .build = build_tokens_add,
    .shapes = {{1, 2, 1, 1}, {2, 17, 3, 1}, {3, 5, 16, 4}, {2, 3, 4, 0}},
    .scales = {1e-3, 1, 1000}};

// rows and the columns of three parts; the last is also the first part again
static zm_tensor *build_concat(zm_check *c)
{
    zm_tensor *parts[4];
    for (uint32_t i = 0; i < 3; i++)
        parts[i] = leaf2(c, c->scale, SHAPE(0), SHAPE(1 + i));
    parts[3] = parts[0];
    return zm_concat(c->tape, parts, 4);
}
const zm_check_case zm_check_concat = {
    .name = "concat",
    .build = build_concat,
    .shapes = {{1, 1, 1, 1}, {2, 3, 16, 5}, {17, 7, 1, 2}},
    .scales = {1e-3, 1, 1000}};

// batch, height, width, channels
static zm_tensor *map(zm_check *c)
{
    return leaf4(c, c->scale, SHAPE(0), SHAPE(1), SHAPE(2), SHAPE(3));
}

static zm_tensor *build_flatten_channels(zm_check *c)
{
    return zm_flatten_channels(c->tape, map(c));
}
const zm_check_case zm_check_flatten_channels = {
    .name = "flatten_channels",
    .build = build_flatten_channels,
    .shapes = {{1, 1, 1, 1}, {2, 3, 5, 4}, {3, 4, 2, 7}},
    .scales = {1e-3, 1, 1000}};

static zm_tensor *build_tokens_mean(zm_check *c)
{
    zm_tensor *x = leaf3(c, c->scale, SHAPE(0), SHAPE(1), SHAPE(2));
    return zm_tokens_mean(c->tape, x, SHAPE(3));
}
const zm_check_case zm_check_tokens_mean = {
    .name = "tokens_mean",
    .build = build_tokens_mean,
    .shapes = {{1, 2, 1, 1}, {2, 17, 3, 1}, {3, 5, 16, 0}, {1, 67, 2, 3}},
    .scales = {1e-3, 1, 1000}};

// batch, tokens, width, patches
static zm_tensor *build_tokens_embed(zm_check *c)
{
    const uint32_t patches = SHAPE(3), width = SHAPE(2);
    zm_tensor *x = leaf3(c, c->scale, SHAPE(0), SHAPE(1), width);
    zm_tensor *cls = leaf3(c, c->scale, 1, 1, width);
    zm_tensor *pos =
        zm_check_constant(c, ZM_CHECK_SYMMETRIC, 1, 3, 1, patches + 1, width, 0);
    zm_tensor *idx = zm_check_index(c, SHAPE(0), SHAPE(1), patches);
    return zm_tokens_embed(c->tape, x, cls, pos, idx);
}
const zm_check_case zm_check_tokens_embed = {
    .name = "tokens_embed",
    .build = build_tokens_embed,
    .shapes = {{1, 1, 1, 2}, {2, 3, 5, 16}, {17, 4, 4, 4}, {3, 17, 16, 64}},
    .scales = {1e-3, 1, 1000}};

// batch, visible, width, patches
static zm_tensor *build_tokens_restore(zm_check *c)
{
    const uint32_t batch = SHAPE(0), visible = SHAPE(1), width = SHAPE(2);
    const uint32_t patches = SHAPE(3);
    zm_tensor *x = leaf3(c, c->scale, batch, visible + 1, width);
    zm_tensor *token = leaf3(c, c->scale, 1, 1, width);
    zm_tensor *pos =
        zm_check_constant(c, ZM_CHECK_SYMMETRIC, 1, 3, 1, patches + 1, width, 0);
    zm_tensor *noise =
        zm_check_constant(c, ZM_CHECK_POSITIVE, 1, 2, batch, patches, 0, 0);
    const zm_mask mask = zm_mask_from_noise(c->tape, noise, visible);
    return zm_tokens_restore(c->tape, x, token, pos, &mask);
}
const zm_check_case zm_check_tokens_restore = {
    .name = "tokens_restore",
    .build = build_tokens_restore,
    .shapes = {{1, 1, 1, 2}, {2, 4, 5, 16}, {3, 15, 3, 16}, {5, 16, 2, 64}},
    .scales = {1e-3, 1, 1000}};

// batch, height, width, inputs, outputs, kernel
static zm_tensor *build_conv2d(zm_check *c)
{
    const uint32_t in = SHAPE(3), out = SHAPE(4), kernel = SHAPE(5);
    zm_tensor *x = map(c), *w = leaf4(c, 1, out, in, kernel, kernel);
    return zm_conv2d(c->tape, x, w, leaf1(c, c->scale, out));
}
const zm_check_case zm_check_conv2d = {.name = "conv2d",
                                       .build = build_conv2d,
                                       .shapes = {{1, 1, 1, 1, 1, 1},
                                                  {2, 3, 4, 5, 7, 1},
                                                  {1, 1, 1, 2, 3, 3},
                                                  {2, 5, 3, 3, 2, 3},
                                                  {1, 2, 2, 2, 1, 5},
                                                  {2, 7, 5, 1, 3, 5},
                                                  {1, 16, 17, 2, 2, 3}},
                                       .scales = {1e-3, 1, 100},
                                       .samples = 60};

static zm_tensor *build_avgpool2(zm_check *c)
{
    return zm_avgpool2(c->tape, map(c));
}
const zm_check_case zm_check_avgpool2 = {
    .name = "avgpool2",
    .build = build_avgpool2,
    .shapes = {{1, 2, 2, 1}, {2, 4, 6, 3}, {3, 2, 8, 5}},
    .scales = {1e-3, 1, 1000}};

static zm_tensor *build_maxpool3(zm_check *c)
{
    zm_tensor *x = zm_check_leaf_of(c, ZM_CHECK_SPREAD, c->scale, 4, SHAPE(0), SHAPE(1),
                                    SHAPE(2), SHAPE(3));
    return zm_maxpool3(c->tape, x);
}
const zm_check_case zm_check_maxpool3 = {
    .name = "maxpool3",
    .build = build_maxpool3,
    .shapes = {{1, 1, 1, 1}, {2, 3, 4, 2}, {1, 2, 1, 3}, {2, 7, 5, 3}},
    .scales = {1e-3, 1, 1000}};
