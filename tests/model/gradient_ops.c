// Cases of layers, norms, activations, attention and the loss.
#include "tests/model/gradient_cases.h"

// rows, inputs, outputs, activation, 1 = without bias
static zm_tensor *build_linear(zm_check *c)
{
    zm_tensor *x = leaf2(c, c->scale, SHAPE(0), SHAPE(1));
    zm_tensor *w = leaf2(c, 1, SHAPE(2), SHAPE(1));
    zm_tensor *b = SHAPE(4) ? NULL : leaf1(c, c->scale, SHAPE(2));
    return zm_linear(c->tape, x, w, b, (zm_act)SHAPE(3));
}
const zm_check_case zm_check_linear = {.name = "linear",
                                       .build = build_linear,
                                       .shapes = {{1, 1, 1, ZM_NONE},
                                                  {2, 3, 5, ZM_RELU},
                                                  {15, 16, 17, ZM_GELU},
                                                  {17, 15, 16, ZM_SILU},
                                                  {16, 2, 1, ZM_NONE, 1},
                                                  {7, 31, 13, ZM_GELU, 1},
                                                  {65, 63, 67, ZM_SILU},
                                                  {1, 257, 2, ZM_RELU}},
                                       .scales = {1e-3, 1, 10},
                                       .samples = 40};

// batch, tokens, width
static zm_tensor *build_linear_skip(zm_check *c)
{
    const uint32_t width = SHAPE(2);
    zm_tensor *x = leaf3(c, c->scale, SHAPE(0), SHAPE(1), width);
    zm_tensor *w = leaf2(c, 1, 3 * width, width);
    zm_tensor *b = leaf1(c, 1, 3 * width);
    zm_check_skip(c, width, 2 * width);
    return zm_linear_skip(c->tape, x, w, b, width, 2 * width);
}
const zm_check_case zm_check_linear_skip = {.name = "linear_skip",
                                            .build = build_linear_skip,
                                            .shapes = {{1, 1, 1}, {2, 3, 5}, {1, 17, 16}},
                                            .scales = {1e-3, 1, 100}};

// rows, groups, inputs and outputs of a group
static zm_tensor *build_grouped_linear(zm_check *c)
{
    const uint32_t groups = SHAPE(1), in = SHAPE(2), out = SHAPE(3);
    zm_tensor *x = leaf2(c, c->scale, SHAPE(0), groups * in);
    zm_tensor *w = leaf4(c, 1, groups * out, in, 1, 1);
    return zm_grouped_linear(c->tape, x, w, leaf1(c, c->scale, groups * out), groups);
}
const zm_check_case zm_check_grouped_linear = {.name = "grouped_linear",
                                               .build = build_grouped_linear,
                                               .shapes = {{1, 1, 1, 1},
                                                          {2, 3, 4, 16},
                                                          {17, 2, 16, 4},
                                                          {15, 5, 3, 2},
                                                          {67, 16, 1, 1}},
                                               .scales = {1e-3, 1, 100}};

// rows, columns
static zm_tensor *build_layernorm(zm_check *c)
{
    zm_tensor *x = leaf2(c, c->scale, SHAPE(0), SHAPE(1));
    zm_tensor *gamma = leaf1(c, 1, SHAPE(1)), *beta = leaf1(c, 1, SHAPE(1));
    return zm_layernorm(c->tape, x, gamma, beta, 1e-6f);
}
const zm_check_case zm_check_layernorm = {
    .name = "layernorm",
    .build = build_layernorm,
    .shapes = {{1, 3}, {2, 16}, {17, 15}, {16, 17}, {3, 257}, {257, 5}},
    .scales = {0.01, 1, 1000},
    .samples = 60};

// rows, channels, activation
static zm_tensor *build_batchnorm(zm_check *c, bool training)
{
    const uint32_t n = SHAPE(1);
    zm_tensor *x = leaf2(c, c->scale, SHAPE(0), n);
    const zm_batchnorm_args args = {
        .gamma = leaf1(c, 1, n),
        .beta = leaf1(c, 1, n),
        .running_mean = zm_check_constant(c, ZM_CHECK_SYMMETRIC, c->scale, 1, n, 0, 0, 0),
        .running_var =
            zm_check_constant(c, ZM_CHECK_POSITIVE, c->scale * c->scale, 1, n, 0, 0, 0),
        .training = training,
        .act = (zm_act)SHAPE(2)};
    return zm_batchnorm(c->tape, x, &args);
}

static zm_tensor *build_batchnorm_training(zm_check *c)
{
    return build_batchnorm(c, true);
}
const zm_check_case zm_check_batchnorm_training = {.name = "batchnorm_training",
                                                   .build = build_batchnorm_training,
                                                   .shapes = {{3, 1, ZM_NONE},
                                                              {5, 3, ZM_RELU},
                                                              {16, 17, ZM_SILU},
                                                              {17, 16, ZM_NONE},
                                                              {67, 15, ZM_RELU},
                                                              {257, 2, ZM_SILU}},
                                                   .scales = {0.1, 1, 1000},
                                                   .samples = 60};

static zm_tensor *build_batchnorm_inference(zm_check *c)
{
    return build_batchnorm(c, false);
}
const zm_check_case zm_check_batchnorm_inference = {.name = "batchnorm_inference",
                                                    .build = build_batchnorm_inference,
                                                    .shapes = {{1, 1, ZM_NONE},
                                                               {2, 3, ZM_RELU},
                                                               {16, 17, ZM_SILU},
                                                               {67, 15, ZM_RELU},
                                                               {1, 257, ZM_NONE}},
                                                    .scales = {0.1, 1, 1000},
                                                    .samples = 60};

// elements, activation
static zm_tensor *build_activation(zm_check *c)
{
    zm_tensor *x = zm_check_leaf_of(c, ZM_CHECK_OFF_ZERO, c->scale, 1, SHAPE(0), 0, 0, 0);
    const uint32_t dims[] = {1, SHAPE(0)};
    return zm_activation(c->tape, zm_reshape(c->tape, x, 2, dims), (zm_act)SHAPE(1));
}
const zm_check_case zm_check_activation = {
    .name = "activation",
    .build = build_activation,
    .shapes = {{1, ZM_GELU}, {17, ZM_RELU}, {67, ZM_GELU}, {129, ZM_SILU}, {31, ZM_NONE}},
    .scales = {1e-3, 1, 6}};

static zm_tensor *build_add(zm_check *c)
{
    zm_tensor *a = leaf2(c, c->scale, SHAPE(0), SHAPE(1));
    return zm_add(c->tape, a, leaf2(c, c->scale, SHAPE(0), SHAPE(1)));
}
const zm_check_case zm_check_add = {.name = "add",
                                    .build = build_add,
                                    .shapes = {{1, 1}, {2, 3}, {17, 15}},
                                    .scales = {1e-3, 1, 1000}};

// batch, tokens, heads, dimensions of a head
static zm_tensor *build_attention(zm_check *c)
{
    const uint32_t width = SHAPE(2) * SHAPE(3);
    zm_tensor *qkv = leaf3(c, c->scale, SHAPE(0), SHAPE(1), 3 * width);
    return zm_attention(c->tape, qkv, SHAPE(2));
}
const zm_check_case zm_check_attention = {
    .name = "attention",
    .build = build_attention,
    .shapes = {{1, 1, 1, 1}, {2, 2, 3, 4}, {1, 17, 2, 16}, {3, 5, 1, 31}, {1, 65, 1, 2}},
    .scales = {0.01, 1, 3}};

// batch, tokens, channels
static zm_tensor *build_reshape(zm_check *c)
{
    zm_tensor *x = leaf3(c, c->scale, SHAPE(0), SHAPE(1), SHAPE(2));
    const uint32_t dims[] = {SHAPE(1), SHAPE(2) * SHAPE(0)};
    return zm_activation(c->tape, zm_reshape(c->tape, x, 2, dims), ZM_SILU);
}
const zm_check_case zm_check_reshape = {.name = "reshape",
                                        .build = build_reshape,
                                        .shapes = {{1, 1, 1}, {2, 3, 5}, {3, 17, 2}},
                                        .scales = {1e-3, 1, 6}};

// rows, columns: the gradient is asked for in halves
static zm_tensor *build_squared_error(zm_check *c)
{
    zm_tensor *x = leaf2(c, c->scale, SHAPE(0), SHAPE(1));
    zm_tensor *target =
        zm_check_constant(c, ZM_CHECK_SYMMETRIC, c->scale, 2, SHAPE(0), SHAPE(1), 0, 0);
    zm_tensor *weight = zm_check_constant(c, ZM_CHECK_POSITIVE, 1, 1, SHAPE(0), 0, 0, 0);
    zm_tensor *each;
    c->own_loss = true;
    c->grad_scale = 0.5;
    return zm_squared_error(c->tape, x, target, weight, 0.375f, 0.5f, &each);
}
const zm_check_case zm_check_squared_error = {
    .name = "squared_error",
    .build = build_squared_error,
    .shapes = {{1, 1}, {2, 3}, {17, 16}, {67, 5}, {1, 257}},
    .scales = {1e-3, 1, 100}};

// rows, bins: the gradient is asked for in halves
static zm_tensor *build_cross_entropy(zm_check *c)
{
    zm_tensor *x = leaf2(c, c->scale, SHAPE(0), SHAPE(1));
    zm_tensor *bin = zm_check_index(c, SHAPE(0), 1, SHAPE(1));
    zm_tensor *weight = zm_check_constant(c, ZM_CHECK_POSITIVE, 1, 1, SHAPE(0), 0, 0, 0);
    c->own_loss = true;
    c->grad_scale = 0.5;
    return zm_cross_entropy(c->tape, x, bin, weight, 0.375f, 0.5f, NULL);
}
const zm_check_case zm_check_cross_entropy = {
    .name = "cross_entropy",
    .build = build_cross_entropy,
    .shapes = {{1, 2}, {2, 3}, {17, 16}, {67, 5}, {1, 257}, {3, 180}},
    .scales = {1e-3, 1, 10}};

// rows: means and log variances of about the scale
static zm_tensor *build_gauss_nll(zm_check *c)
{
    zm_tensor *x = leaf2(c, c->scale, SHAPE(0), 2);
    zm_tensor *z =
        zm_check_constant(c, ZM_CHECK_SYMMETRIC, c->scale, 2, SHAPE(0), 1, 0, 0);
    zm_tensor *weight = zm_check_constant(c, ZM_CHECK_POSITIVE, 1, 1, SHAPE(0), 0, 0, 0);
    c->own_loss = true;
    c->grad_scale = 0.5;
    return zm_gauss_nll(c->tape, x, z, weight, 0.375f, 0.5f, NULL);
}
const zm_check_case zm_check_gauss_nll = {.name = "gauss_nll",
                                          .build = build_gauss_nll,
                                          .shapes = {{1}, {2}, {17}, {67}},
                                          .scales = {1e-3, 1, 6}};

// x goes into a sum twice, a residual, a view and a concatenation; w into two layers; b
// into those and a norm, whose scale is used once
static zm_tensor *build_shared_tensors(zm_check *c)
{
    const uint32_t rows = SHAPE(0), n = SHAPE(1), flat[] = {1, rows * n};
    zm_tensor *x = leaf2(c, c->scale, rows, n), *w = leaf2(c, 1, n, n),
              *b = leaf1(c, 1, n);
    zm_tensor *twice = zm_add(c->tape, x, x);
    zm_tensor *h = zm_linear(c->tape, twice, w, b, ZM_SILU);
    h = zm_add(c->tape, h, x);
    h = zm_add(c->tape, zm_linear(c->tape, h, w, b, ZM_NONE), h);
    h = zm_layernorm(c->tape, h, leaf1(c, 1, n), b, 1e-6f);
    zm_tensor *const parts[] = {zm_reshape(c->tape, h, 2, flat),
                                zm_reshape(c->tape, x, 2, flat),
                                zm_reshape(c->tape, h, 2, flat)};
    return zm_concat(c->tape, parts, 3);
}
const zm_check_case zm_check_shared_tensors = {.name = "shared_tensors",
                                               .build = build_shared_tensors,
                                               .shapes = {{1, 3}, {2, 5}, {16, 17}},
                                               .scales = {0.1, 1, 10}};
