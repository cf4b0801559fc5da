// Every differentiable op of ops.h, blocks and whole models, as cases of gradcheck.h. A
// new op is a line here and a builder in gradient_ops.c or gradient_models.c.
#ifndef ZM_TESTS_GRADIENT_CASES_H
#define ZM_TESTS_GRADIENT_CASES_H

#include "tests/model/gradcheck.h"

// X(name): the case zm_check_<name>
#define ZM_CHECK_OPS(X)                                                                  \
    X(linear)                                                                            \
    X(linear_skip)                                                                       \
    X(grouped_linear)                                                                    \
    X(layernorm)                                                                         \
    X(batchnorm_training)                                                                \
    X(batchnorm_inference)                                                               \
    X(activation)                                                                        \
    X(add)                                                                               \
    X(attention)                                                                         \
    X(reshape)                                                                           \
    X(tokens_drop)                                                                       \
    X(tokens_add)                                                                        \
    X(concat)                                                                            \
    X(flatten_channels)                                                                  \
    X(tokens_mean)                                                                       \
    X(tokens_embed)                                                                      \
    X(tokens_restore)                                                                    \
    X(conv2d)                                                                            \
    X(avgpool2)                                                                          \
    X(maxpool3)                                                                          \
    X(squared_error)                                                                     \
    X(cross_entropy)                                                                     \
    X(gauss_nll)                                                                         \
    X(shared_tensors)
#define ZM_CHECK_MODELS(X)                                                               \
    X(plain_block)                                                                       \
    X(pcm_block)                                                                         \
    X(mae)                                                                               \
    X(mae_pcm_normpix)                                                                   \
    X(astromae)

#define ZM_CHECK_DECLARE(name) extern const zm_check_case zm_check_##name;
ZM_CHECK_OPS(ZM_CHECK_DECLARE)
ZM_CHECK_MODELS(ZM_CHECK_DECLARE)
#undef ZM_CHECK_DECLARE

// What builders say of the check that they are given.
#define SHAPE(i) (c->shape[i])

static inline zm_tensor *leaf1(zm_check *c, double m, uint32_t a)
{
    return zm_check_leaf_of(c, ZM_CHECK_SYMMETRIC, m, 1, a, 0, 0, 0);
}

static inline zm_tensor *leaf2(zm_check *c, double m, uint32_t a, uint32_t b)
{
    return zm_check_leaf_of(c, ZM_CHECK_SYMMETRIC, m, 2, a, b, 0, 0);
}

static inline zm_tensor *leaf3(zm_check *c, double m, uint32_t a, uint32_t b, uint32_t d)
{
    return zm_check_leaf_of(c, ZM_CHECK_SYMMETRIC, m, 3, a, b, d, 0);
}

static inline zm_tensor *leaf4(zm_check *c, double m, uint32_t a, uint32_t b, uint32_t d,
                               uint32_t e)
{
    return zm_check_leaf_of(c, ZM_CHECK_SYMMETRIC, m, 4, a, b, d, e);
}

#endif
