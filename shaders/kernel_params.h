// Parameters of every kernel, read by C and by GLSL: at most 16 words each.
// ZM_U(x) is an unsigned word, ZM_F(x) a float. What changes from step to step is never
// here (programs are recorded once) but in buffers.

// y (m, n) = act(x (m, k) w (n, k)^T + b (n)); has_bias 0: the b binding is not read
#define ZM_PARAMS_linear_fwd ZM_U(m) ZM_U(n) ZM_U(k) ZM_U(has_bias) ZM_U(act)
// dx (m, k) = dy (m, n) w (n, k)
#define ZM_PARAMS_linear_bwd_input ZM_U(m) ZM_U(n) ZM_U(k) ZM_U(accumulate)
// dw (n, k) = dy (m, n)^T x (m, k)
#define ZM_PARAMS_linear_bwd_weight ZM_U(m) ZM_U(n) ZM_U(k) ZM_U(accumulate)
// y[c] = sum over r < rows of x[offset + r * stride + c], c < cols; columns in
// [skip_begin, skip_end) are left alone
#define ZM_PARAMS_colsum                                                                 \
    ZM_U(rows)                                                                           \
    ZM_U(cols) ZM_U(stride) ZM_U(offset) ZM_U(accumulate) ZM_U(skip_begin) ZM_U(skip_end)
// y (rows, groups * cout), x (rows, groups * cin), w (groups * cout, cin), b (groups *
// cout)
#define ZM_PARAMS_grouped_fwd ZM_U(rows) ZM_U(groups) ZM_U(cin) ZM_U(cout)
#define ZM_PARAMS_grouped_bwd_input                                                      \
    ZM_U(rows) ZM_U(groups) ZM_U(cin) ZM_U(cout) ZM_U(accumulate)
#define ZM_PARAMS_grouped_bwd_weight                                                     \
    ZM_U(rows) ZM_U(groups) ZM_U(cin) ZM_U(cout) ZM_U(accumulate)

// x, y (rows, cols); stats (rows, 2) = mean, 1 / sqrt(var + eps)
#define ZM_PARAMS_layernorm_fwd        ZM_U(rows) ZM_U(cols) ZM_F(eps)
#define ZM_PARAMS_layernorm_bwd_input  ZM_U(rows) ZM_U(cols) ZM_U(accumulate)
#define ZM_PARAMS_layernorm_bwd_weight ZM_U(rows) ZM_U(cols) ZM_U(accumulate)
// mean, var (cols) biased; running = (1 - momentum) running + momentum (mean, unbiased
// var)
#define ZM_PARAMS_batchnorm_stats ZM_U(rows) ZM_U(cols) ZM_F(momentum)
// act: none or relu
#define ZM_PARAMS_batchnorm_fwd ZM_U(rows) ZM_U(cols) ZM_F(eps) ZM_U(act)
// sums (2, cols) = sum dy, sum dy xhat; dgamma, dbeta add them when accumulate
#define ZM_PARAMS_batchnorm_bwd_stats ZM_U(rows) ZM_U(cols) ZM_F(eps) ZM_U(accumulate)
// training 0: mean and var are constants (running statistics)
#define ZM_PARAMS_batchnorm_bwd_input                                                    \
    ZM_U(rows) ZM_U(cols) ZM_F(eps) ZM_U(training) ZM_U(accumulate)

// kind: ZM_ACT_*
#define ZM_PARAMS_act_fwd ZM_U(n) ZM_U(kind)
#define ZM_PARAMS_act_bwd ZM_U(n) ZM_U(kind) ZM_U(accumulate)
// y = value
#define ZM_PARAMS_fill ZM_U(n) ZM_F(value)
#define ZM_PARAMS_add  ZM_U(n)
// y[yo + i ys0 + j ys1 + k ys2] = x[xo + i xs0 + j xs1 + k xs2] over (n0, n1, n2)
#define ZM_PARAMS_copy                                                                   \
    ZM_U(n0)                                                                             \
    ZM_U(n1)                                                                             \
    ZM_U(n2)                                                                             \
    ZM_U(xs0)                                                                            \
    ZM_U(xs1) ZM_U(xs2) ZM_U(xo) ZM_U(ys0) ZM_U(ys1) ZM_U(ys2) ZM_U(yo) ZM_U(accumulate)

// qkv (batch, tokens, 3, heads, dim), p and ds (batch, heads, tokens, tokens),
// o and do (batch, tokens, heads, dim). extent of scores: batch * heads * tokens rows.
#define ZM_PARAMS_attention_scores_fwd                                                   \
    ZM_U(batch) ZM_U(tokens) ZM_U(heads) ZM_U(dim) ZM_F(scale)
#define ZM_PARAMS_attention_apply_fwd  ZM_U(batch) ZM_U(tokens) ZM_U(heads) ZM_U(dim)
#define ZM_PARAMS_attention_scores_bwd ZM_U(batch) ZM_U(tokens) ZM_U(heads) ZM_U(dim)
#define ZM_PARAMS_attention_apply_bwd                                                    \
    ZM_U(batch) ZM_U(tokens) ZM_U(heads) ZM_U(dim) ZM_F(scale) ZM_U(accumulate)

// img (batch, size, size, channels), idx (batch, count) patch numbers, y (batch, count,
// patch * patch * channels) in (c, row, col) order, or (row, col, c) when channels_last
#define ZM_PARAMS_patchify                                                               \
    ZM_U(batch) ZM_U(size) ZM_U(channels) ZM_U(patch) ZM_U(count) ZM_U(channels_last)
// y = (x - mean) / sqrt(unbiased var + eps) for each row
#define ZM_PARAMS_patch_norm ZM_U(rows) ZM_U(cols) ZM_F(eps)
// noise (batch, patches) uniform from (seed, ZM_RNG_MASK, objects[b], step[0], patch)
#define ZM_PARAMS_mask_noise ZM_U(batch) ZM_U(patches) ZM_U(seed_lo) ZM_U(seed_hi)
// noise (batch, patches) -> keep (batch, visible), rank (batch, patches), mask (same,
// real)
#define ZM_PARAMS_mask_rank ZM_U(batch) ZM_U(patches) ZM_U(visible)
// y (batch, count + 1, cols): row 0 = cls + pos[0], row 1 + j = x[j] + pos[1 + idx[j]]
#define ZM_PARAMS_tokens_embed ZM_U(batch) ZM_U(count) ZM_U(cols)
// x (batch, visible + 1, cols), token (cols), pos (patches + 1, cols), rank (batch,
// patches), y (batch, patches + 1, cols)
#define ZM_PARAMS_tokens_restore_fwd ZM_U(batch) ZM_U(patches) ZM_U(visible) ZM_U(cols)
// dy, keep (batch, visible) -> dx
#define ZM_PARAMS_tokens_restore_bwd_input                                               \
    ZM_U(batch) ZM_U(patches) ZM_U(visible) ZM_U(cols) ZM_U(accumulate)
// dy, rank -> dtoken (cols): sum over the hidden patches (rank >= visible)
#define ZM_PARAMS_tokens_restore_bwd_token                                               \
    ZM_U(batch) ZM_U(patches) ZM_U(visible) ZM_U(cols) ZM_U(accumulate)
// y (batch, cols) = mean over tokens begin .. tokens - 1 of x (batch, tokens, cols)
#define ZM_PARAMS_tokens_mean_fwd ZM_U(batch) ZM_U(tokens) ZM_U(cols) ZM_U(begin)
#define ZM_PARAMS_tokens_mean_bwd                                                        \
    ZM_U(batch) ZM_U(tokens) ZM_U(cols) ZM_U(begin) ZM_U(accumulate)

// x (batch, height, width, channels), y (batch * height * width, channels * kernel *
// kernel) in (c, ky, kx) order; stride 1, zero padding (kernel - 1) / 2
#define ZM_PARAMS_im2col_fwd                                                             \
    ZM_U(batch) ZM_U(height) ZM_U(width) ZM_U(channels) ZM_U(kernel)
#define ZM_PARAMS_im2col_bwd                                                             \
    ZM_U(batch) ZM_U(height) ZM_U(width) ZM_U(channels) ZM_U(kernel) ZM_U(accumulate)
// 2 x 2, stride 2; height and width of x, both even
#define ZM_PARAMS_avgpool_fwd ZM_U(batch) ZM_U(height) ZM_U(width) ZM_U(channels)
#define ZM_PARAMS_avgpool_bwd                                                            \
    ZM_U(batch) ZM_U(height) ZM_U(width) ZM_U(channels) ZM_U(accumulate)
// 3 x 3, stride 1, padding 1; which (u32, shape of y) = 0..8, first maximum in row order
#define ZM_PARAMS_maxpool_fwd ZM_U(batch) ZM_U(height) ZM_U(width) ZM_U(channels)
#define ZM_PARAMS_maxpool_bwd                                                            \
    ZM_U(batch) ZM_U(height) ZM_U(width) ZM_U(channels) ZM_U(accumulate)

// pred, target (rows, cols), weight (rows) -> loss (rows) = weight * mean over cols of
// d^2
#define ZM_PARAMS_sqerr_fwd ZM_U(rows) ZM_U(cols)
// dpred = scale * weight * 2 / cols * (pred - target)
#define ZM_PARAMS_sqerr_bwd ZM_U(rows) ZM_U(cols) ZM_F(scale) ZM_U(accumulate)
// logits (rows, bins), bin (rows) < bins, weight (rows) -> loss (rows) = weight * -log of
// softmax at bin; stats (rows, 2) = largest logit, sum of exp(logit - largest)
#define ZM_PARAMS_cross_entropy_fwd ZM_U(rows) ZM_U(bins)
// dlogits = scale * weight * (softmax - [c = bin])
#define ZM_PARAMS_cross_entropy_bwd ZM_U(rows) ZM_U(bins) ZM_F(scale) ZM_U(accumulate)
// pred (rows, 2) = mean, log variance; z, weight (rows) -> loss (rows); extent rows
#define ZM_PARAMS_gauss_nll_fwd ZM_U(rows)
#define ZM_PARAMS_gauss_nll_bwd ZM_U(rows) ZM_F(scale) ZM_U(accumulate)
// y[0] = scale * sum of x (n), one fixed tree; extent 1 row
#define ZM_PARAMS_sum ZM_U(n) ZM_F(scale) ZM_U(accumulate)
// y[r] = sum of x[i]^2 over i in [r * chunk, min(n, (r + 1) * chunk)), extent = rows of y
#define ZM_PARAMS_sumsq ZM_U(n) ZM_U(chunk)
// bindings: weight, gradient (zeroed after use), m, v, table, hyper, sumsq of the
// gradient. table: one word pair (lr scale, decay scale) of reals for each 128 elements
// of this chunk; a lr scale of 0 is frozen. hyper (8 reals): lr, beta1, beta2, eps,
// weight decay, 1 - beta1^t, 1 - beta2^t, clip (0 = none).
#define ZM_PARAMS_adamw ZM_U(n)

// img (batch, in_size, in_size, channels) nanomaggies, objects (batch), step (1), scale
// (channels), out (batch, out_size, out_size, channels). flags: ZM_AUG_*. See
// augment.comp.
#define ZM_PARAMS_augment                                                                \
    ZM_U(batch)                                                                          \
    ZM_U(in_size)                                                                        \
    ZM_U(out_size)                                                                       \
    ZM_U(channels) ZM_U(flags) ZM_U(stretch) ZM_U(seed_lo) ZM_U(seed_hi) ZM_F(noise)

#define ZM_ACT_NONE 0
#define ZM_ACT_RELU 1
#define ZM_ACT_GELU 2 // exact: x Phi(x)
#define ZM_ACT_SILU 3

#define ZM_AUG_FLIP  1 // mirror each axis with probability 1/2
#define ZM_AUG_ROT90 2 // turn by a random multiple of 90 degrees
#define ZM_AUG_ANGLE 4 // turn by any angle, bilinear, zero outside

#define ZM_STRETCH_NONE  0 // x * scale
#define ZM_STRETCH_ASINH 1 // asinh(x * scale)
