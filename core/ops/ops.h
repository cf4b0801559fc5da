// Differentiable operations. Each records its kernels on the tape and knows its backward.
// All take and return tensors of the tape, accept NULL after a failure (and return NULL)
// and set the tape's status: ZM_ERR_SHAPE when shapes do not fit, ZM_ERR_MEMORY.
// Shapes: B batch, N tokens, C channels, H W rows and columns of a map. Tensors of any
// rank count as (rows, last dimension) where an op speaks of rows and columns.
#ifndef ZM_OPS_H
#define ZM_OPS_H

#include "core/tape.h"

typedef enum zm_act {
    ZM_NONE = ZM_ACT_NONE,
    ZM_RELU = ZM_ACT_RELU,
    ZM_GELU = ZM_ACT_GELU, // exact, by the error function
    ZM_SILU = ZM_ACT_SILU,
} zm_act;

// y = act(x w^T + b).
//   x        (..., k)
//   w        (n, k), or any shape of n * k elements with first dimension n
//   b        (n), or NULL
//   returns  (..., n)
// Equals torch.nn.Linear, and a 1x1 convolution on (B, H, W, C).
zm_tensor *zm_linear(zm_tape *tape, zm_tensor *x, zm_tensor *w, zm_tensor *b, zm_act act);

// The same, but columns [skip_begin, skip_end) of b are constants that get no gradient
// (the key part of a query-key-value bias).
zm_tensor *zm_linear_skip(zm_tape *tape, zm_tensor *x, zm_tensor *w, zm_tensor *b,
                          uint32_t skip_begin, uint32_t skip_end);

// Grouped 1x1 convolution. x (..., groups * cin), w (groups * cout, cin), b (groups *
// cout).
zm_tensor *zm_grouped_linear(zm_tape *tape, zm_tensor *x, zm_tensor *w, zm_tensor *b,
                             uint32_t groups);

// Layer normalisation over the last axis: y = (x - mean) * rstd * gamma + beta.
//   x (rows, cols), gamma, beta (cols); eps is added to the biased variance.
// Source: Ba, Kiros & Hinton 2016; equals torch.nn.LayerNorm.
zm_tensor *zm_layernorm(zm_tape *tape, zm_tensor *x, zm_tensor *gamma, zm_tensor *beta,
                        float eps);

// Batch normalisation over all but the last axis; equals torch.nn.BatchNorm1d/2d.
typedef struct zm_batchnorm_args {
    zm_tensor *gamma, *beta;               // (C)
    zm_tensor *running_mean, *running_var; // (C), updated in training
    float eps;                             // [1e-5]
    float momentum;                        // [0.1]
    bool training; // normalise by the batch's statistics, else by the running ones
    zm_act act;    // applied to the result
} zm_batchnorm_args;
zm_tensor *zm_batchnorm(zm_tape *tape, zm_tensor *x, const zm_batchnorm_args *args);

zm_tensor *zm_activation(zm_tape *tape, zm_tensor *x, zm_act act);

// a + b, same shapes.
zm_tensor *zm_add(zm_tape *tape, zm_tensor *a, zm_tensor *b);

// Multi-head attention core: softmax(q k^T / sqrt(D)) v.
//   qkv      (B, N, 3 * C), each token q then k then v, heads contiguous within each
//   returns  (B, N, C)
// Source: Vaswani et al. 2017 eq. 1; equals timm's Attention between qkv and proj.
zm_tensor *zm_attention(zm_tape *tape, zm_tensor *qkv, uint32_t heads);

// Views and copies.
zm_tensor *zm_reshape(zm_tape *tape, zm_tensor *x, uint32_t rank, const uint32_t *dims);
// Tokens [begin, N) of (B, N, C) as (B, N - begin, C).
zm_tensor *zm_tokens_drop(zm_tape *tape, zm_tensor *x, uint32_t begin);
// x (B, N, C) with y (B, N - begin, C) added to its tokens from begin on.
zm_tensor *zm_tokens_add(zm_tape *tape, zm_tensor *x, zm_tensor *y, uint32_t begin);
// Concatenation on the last axis of tensors with equal rows.
zm_tensor *zm_concat(zm_tape *tape, zm_tensor *const *parts, uint32_t count);
// (B, H, W, C) as (B, C * H * W), channel-major: torch.flatten of (B, C, H, W).
zm_tensor *zm_flatten_channels(zm_tape *tape, zm_tensor *x);
// Mean of tokens [begin, N) of (B, N, C): (B, C).
zm_tensor *zm_tokens_mean(zm_tape *tape, zm_tensor *x, uint32_t begin);

// Patches and masks (no gradient flows into images or masks).
//   image    (B, S, S, F); idx (B, n) u32, patch numbers in row-major order
//   returns  (B, n, F * P * P) in (band, row, column) order, or (row, column, band)
zm_tensor *zm_patchify(zm_tape *tape, zm_tensor *image, zm_tensor *idx, uint32_t patch,
                       bool channels_last);
// Each row normalised to mean 0 and (unbiased) variance 1: MAE's norm_pix_loss target.
zm_tensor *zm_patch_norm(zm_tape *tape, zm_tensor *patches, float eps);
// Uniform noise (B, patches) from (seed, object, step): objects (B) u32, step (1) u32.
zm_tensor *zm_mask_noise(zm_tape *tape, zm_tensor *objects, zm_tensor *step,
                         uint32_t patches, uint64_t seed);
// The visible patches of smallest noise stay (ties to the lower index).
typedef struct zm_mask {
    uint32_t visible;
    zm_tensor *keep;   // (B, visible) u32: patch numbers, in order of noise
    zm_tensor *rank;   // (B, patches) u32: place in that order; < visible means kept
    zm_tensor *hidden; // (B, patches) real: 1 = hidden
} zm_mask;
zm_mask zm_mask_from_noise(zm_tape *tape, zm_tensor *noise, uint32_t visible);

// Token assembly. x (B, n, C), cls (1, 1, C), pos (1, patches + 1, C), idx (B, n):
// row 0 = cls + pos[0], row 1 + j = x[j] + pos[1 + idx[j]].
zm_tensor *zm_tokens_embed(zm_tape *tape, zm_tensor *x, zm_tensor *cls, zm_tensor *pos,
                           zm_tensor *idx);
// Puts mask tokens where patches were hidden, restores the order, adds positions.
//   x (B, visible + 1, C), token (1, 1, C), pos (1, patches + 1, C)
zm_tensor *zm_tokens_restore(zm_tape *tape, zm_tensor *x, zm_tensor *token,
                             zm_tensor *pos, const zm_mask *mask);

// Convolution, stride 1, odd kernel, zero padding that keeps the size.
//   x (B, H, W, cin), w (cout, cin, k, k), b (cout)
zm_tensor *zm_conv2d(zm_tape *tape, zm_tensor *x, zm_tensor *w, zm_tensor *b);
zm_tensor *zm_avgpool2(zm_tape *tape, zm_tensor *x); // 2 x 2, stride 2
zm_tensor *zm_maxpool3(zm_tape *tape, zm_tensor *x); // 3 x 3, stride 1, padding 1

// Weighted mean squared error: sum over rows of weight * mean over columns of
// (pred - target)^2, times scale. Returns a scalar that is kept; it starts backward.
//   pred, target (..., cols); weight (rows)
// With weight = hidden and scale = 1 / hidden patches this is MAE's loss, with weight 1
// and scale 1 / B torch.nn.MSELoss.
// grad_scale multiplies the gradient only (1 / accumulated micro-batches). each, where
// not NULL, receives the weighted errors of the rows (rows), kept.
zm_tensor *zm_squared_error(zm_tape *tape, zm_tensor *pred, zm_tensor *target,
                            zm_tensor *weight, float scale, float grad_scale,
                            zm_tensor **each);

// Weighted cross-entropy: sum over rows of weight * -log(softmax of the row at bin),
// times scale; otherwise as zm_squared_error. With weight 1 and scale 1 / B it equals
// torch.nn.functional.cross_entropy.
//   logits (..., bins); bin (rows) u32, below bins; weight (rows)
zm_tensor *zm_cross_entropy(zm_tape *tape, zm_tensor *logits, zm_tensor *bin,
                            zm_tensor *weight, float scale, float grad_scale,
                            zm_tensor **each);

// Weighted negative log-likelihood of normal laws, without its constant: sum over rows of
// weight * ((mean - z)^2 exp(-s) + s) / 2, times scale; otherwise as zm_squared_error.
// With weight 1 and scale 1 / B it equals torch.nn.GaussianNLLLoss, var = exp(s), but for
// the least variance of 1e-6 that PyTorch puts there.
//   pred (..., 2): mean and log variance s; z, weight (rows). exp(-s) is clamped to
//   exp(+-80), which single precision holds.
zm_tensor *zm_gauss_nll(zm_tape *tape, zm_tensor *pred, zm_tensor *z, zm_tensor *weight,
                        float scale, float grad_scale, zm_tensor **each);

// Input pipeline: centre crop, flips, rotations, stretch, noise, all on the device.
typedef struct zm_augment_args {
    uint32_t out_size;
    uint32_t flags;   // ZM_AUG_*
    uint32_t stretch; // ZM_STRETCH_*
    uint64_t seed;
    float noise; // standard deviation in stretched units
} zm_augment_args;
//   raw (B, S, S, F) nanomaggies, objects (B) u32, step (1) u32, scale (F)
//   returns (B, out_size, out_size, F)
zm_tensor *zm_augment(zm_tape *tape, zm_tensor *raw, zm_tensor *objects, zm_tensor *step,
                      zm_tensor *scale, const zm_augment_args *args);

// AdamW over a chunk of the arenas. All of n reals; table (n / 128, 2); hyper (8);
// sumsq (1): squared norm of the whole gradient. See adamw.comp.
void zm_adamw(zm_tape *tape, zm_tensor *weight, zm_tensor *grad, zm_tensor *m,
              zm_tensor *v, zm_tensor *table, zm_tensor *hyper, zm_tensor *sumsq);
// Sum of squares of several tensors: (1).
zm_tensor *zm_sumsq(zm_tape *tape, zm_tensor *const *parts, uint32_t count);

#endif
