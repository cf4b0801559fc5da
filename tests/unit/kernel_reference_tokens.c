// Attention, patches, tokens, maps and augmentation, naively: see kernel_reference.h.
#include "tests/unit/kernel_reference.h"

#include "core/rng.h"

// Element (row t of batch b, part (q, k, v), head h, d) of qkv
static double qkv_at(const kernel_case *k, size_t b, size_t t, size_t part, size_t h,
                     size_t d)
{
    const uint32_t *n = k->dim; // batch, tokens, heads, dim
    return k->array[0].value[(((b * n[1] + t) * 3 + part) * n[2] + h) * n[3] + d];
}

static void reference_scores_row(kernel_case *k, size_t b, size_t h, size_t i)
{
    const size_t tokens = k->dim[1], heads = k->dim[2], dim = k->dim[3];
    const size_t row = ((b * heads + h) * tokens + i) * tokens;
    double s[512], slack[512], largest = -INFINITY, sum = 0, worst = 0;
    for (size_t j = 0; j < tokens; j++) {
        tally t = {0};
        for (size_t d = 0; d < dim; d++)
            tally_add(&t, qkv_at(k, b, i, 0, h, d) * qkv_at(k, b, j, 1, h, d));
        const double scale = (double)(float)(1 / sqrt((double)dim));
        s[j] = scale * t.sum;
        slack[j] = scale * tally_slack(t) + 2 * fabs(s[j]);
        largest = fmax(largest, s[j]);
        worst = fmax(worst, slack[j]);
    }
    for (size_t j = 0; j < tokens; j++)
        sum += exp(s[j] - largest);
    // relative error of exp(s - largest): what s is off, and exp's own
    for (size_t j = 0; j < tokens; j++) {
        const double y = exp(s[j] - largest) / sum;
        const double error = 2 * (slack[j] + worst) + 16 + 2 * (double)tokens;
        const double far = y * 6 * (largest - s[j]) + worst * y * y;
        // past an error of 1 in the exponent the first order says nothing; p is in 0..1
        const bool lost = 2 * (slack[j] + worst) > 0x1p20;
        put(k, 1, row + j, y, lost ? 0x1p24 : y * error + far + 1e-30);
    }
}

static void reference_scores_bwd_row(kernel_case *k, size_t b, size_t h, size_t i)
{
    const size_t tokens = k->dim[1], heads = k->dim[2], dim = k->dim[3];
    const size_t row = ((b * heads + h) * tokens + i) * tokens;
    double dp[512], slack[512];
    tally mean = {0};
    double mean_slack = 0;
    for (size_t j = 0; j < tokens; j++) {
        tally t = {0};
        for (size_t d = 0; d < dim; d++)
            tally_add(&t, X(2)[((b * tokens + i) * heads + h) * dim + d] *
                              qkv_at(k, b, j, 2, h, d));
        dp[j] = t.sum;
        slack[j] = tally_slack(t);
        tally_add(&mean, t.sum * X(1)[row + j]);
        mean_slack += slack[j] * X(1)[row + j];
    }
    mean_slack += tally_slack(mean);
    for (size_t j = 0; j < tokens; j++)
        put(k, 3, row + j, X(1)[row + j] * (dp[j] - mean.sum),
            X(1)[row + j] *
                (slack[j] + mean_slack + 2 * fabs(dp[j]) + 2 * fabs(mean.sum)));
}

void reference_attention(kernel_case *k)
{
    const size_t batch = k->dim[0], tokens = k->dim[1], heads = k->dim[2];
    const size_t dim = k->dim[3];
    for (size_t b = 0; b < batch; b++)
        for (size_t h = 0; h < heads; h++)
            for (size_t i = 0; i < tokens; i++) {
                if (k->kernel == ZM_KERNEL_attention_scores_fwd) {
                    reference_scores_row(k, b, h, i);
                    continue;
                }
                if (k->kernel == ZM_KERNEL_attention_scores_bwd) {
                    reference_scores_bwd_row(k, b, h, i);
                    continue;
                }
                const double *square = X(1) + (b * heads + h) * tokens * tokens;
                for (size_t d = 0; d < dim; d++) {
                    const size_t o = ((b * tokens + i) * heads + h) * dim + d;
                    if (k->kernel == ZM_KERNEL_attention_apply_fwd) {
                        tally t = {0};
                        for (size_t j = 0; j < tokens; j++)
                            tally_add(&t,
                                      square[i * tokens + j] * qkv_at(k, b, j, 2, h, d));
                        put(k, 2, o, t.sum, tally_slack(t));
                        continue;
                    }
                    PARAMS(attention_apply_bwd, k);
                    const double *ds = X(2) + (b * heads + h) * tokens * tokens;
                    tally t[3] = {{0, 0, 0}, {0, 0, 0}, {0, 0, 0}};
                    for (size_t j = 0; j < tokens; j++) {
                        const double scale = (double)p->scale;
                        tally_add(&t[0],
                                  scale * ds[i * tokens + j] * qkv_at(k, b, j, 1, h, d));
                        tally_add(&t[1],
                                  scale * ds[j * tokens + i] * qkv_at(k, b, j, 0, h, d));
                        tally_add(&t[2],
                                  square[j * tokens + i] *
                                      X(3)[((b * tokens + j) * heads + h) * dim + d]);
                    }
                    for (size_t part = 0; part < 3; part++)
                        put_sum(k, 4,
                                (((b * tokens + i) * 3 + part) * heads + h) * dim + d,
                                p->accumulate, t[part].sum, tally_slack(t[part]));
                }
            }
}

void reference_masks(kernel_case *k)
{
    if (k->kernel == ZM_KERNEL_mask_noise) {
        PARAMS(mask_noise, k);
        const uint64_t seed = (uint64_t)p->seed_hi << 32 | p->seed_lo;
        for (size_t b = 0; b < p->batch; b++) {
            zm_rng rng = zm_rng_init(seed, ZM_RNG_MASK, W(1)[b], W(0)[0]);
            for (size_t j = 0; j < p->patches; j++)
                put(k, 2, b * p->patches + j, (double)zm_rng_float(&rng), 0);
        }
        return;
    }
    PARAMS(mask_rank, k);
    for (uint32_t b = 0; b < p->batch; b++)
        for (uint32_t j = 0; j < p->patches; j++) {
            const double *noise = X(0) + (size_t)b * p->patches;
            uint32_t rank = 0;
            for (uint32_t l = 0; l < p->patches; l++)
                rank += noise[l] < noise[j] || (noise[l] == noise[j] && l < j);
            W(2)[b * p->patches + j] = rank;
            put(k, 3, b * p->patches + j, rank >= p->visible, 0);
            if (rank < p->visible)
                W(1)[b * p->visible + rank] = j;
        }
}

void reference_patchify(kernel_case *k)
{
    PARAMS(patchify, k);
    const size_t side = p->size / p->patch, area = (size_t)p->patch * p->patch;
    for (size_t b = 0; b < p->batch; b++)
        for (size_t j = 0; j < p->count; j++)
            for (size_t y = 0; y < p->patch; y++)
                for (size_t x = 0; x < p->patch; x++)
                    for (size_t c = 0; c < p->channels; c++) {
                        const size_t n = W(1)[b * p->count + j];
                        const size_t row = n / side * p->patch + y;
                        const size_t col = n % side * p->patch + x;
                        const size_t at = y * p->patch + x;
                        const size_t i =
                            p->channels_last ? at * p->channels + c : c * area + at;
                        put(k, 2, (b * p->count + j) * area * p->channels + i,
                            X(0)[((b * p->size + row) * p->size + col) * p->channels + c],
                            0);
                    }
}

void reference_tokens(kernel_case *k)
{
    switch (k->kernel) {
    case ZM_KERNEL_tokens_embed: {
        PARAMS(tokens_embed, k);
        for (size_t b = 0; b < p->batch; b++)
            for (size_t t = 0; t <= p->count; t++)
                for (size_t c = 0; c < p->cols; c++) {
                    const size_t j = b * p->count + t - 1;
                    put(k, 4, (b * (p->count + 1) + t) * p->cols + c,
                        t ? X(0)[j * p->cols + c] + X(2)[(1 + W(3)[j]) * p->cols + c]
                          : X(1)[c] + X(2)[c],
                        0);
                }
        break;
    }
    case ZM_KERNEL_tokens_restore_fwd: {
        PARAMS(tokens_restore_fwd, k);
        for (size_t b = 0; b < p->batch; b++)
            for (size_t t = 0; t <= p->patches; t++)
                for (size_t c = 0; c < p->cols; c++) {
                    const size_t rank = t ? W(3)[b * p->patches + t - 1] : 0;
                    const size_t from = b * (p->visible + 1) + (t ? 1 + rank : 0);
                    const double x =
                        t && rank >= p->visible ? X(1)[c] : X(0)[from * p->cols + c];
                    put(k, 4, (b * (p->patches + 1) + t) * p->cols + c,
                        x + X(2)[t * p->cols + c], 0);
                }
        break;
    }
    case ZM_KERNEL_tokens_restore_bwd_input: {
        PARAMS(tokens_restore_bwd_input, k);
        for (size_t b = 0; b < p->batch; b++)
            for (size_t t = 0; t <= p->visible; t++)
                for (size_t c = 0; c < p->cols; c++) {
                    const size_t from = t ? 1 + W(1)[b * p->visible + t - 1] : 0;
                    put_sum(k, 2, (b * (p->visible + 1) + t) * p->cols + c, p->accumulate,
                            X(0)[(b * (p->patches + 1) + from) * p->cols + c], 0);
                }
        break;
    }
    case ZM_KERNEL_tokens_restore_bwd_token: {
        PARAMS(tokens_restore_bwd_token, k);
        for (size_t c = 0; c < p->cols; c++) {
            tally t = {0};
            for (size_t b = 0; b < p->batch; b++)
                for (size_t j = 0; j < p->patches; j++)
                    if (W(1)[b * p->patches + j] >= p->visible)
                        tally_add(&t, X(0)[(b * (p->patches + 1) + 1 + j) * p->cols + c]);
            put_sum(k, 2, c, p->accumulate, t.sum, tally_slack(t));
        }
        break;
    }
    case ZM_KERNEL_tokens_mean_fwd: {
        PARAMS(tokens_mean_fwd, k);
        const double n = p->tokens - p->begin;
        for (size_t b = 0; b < p->batch; b++)
            for (size_t c = 0; c < p->cols; c++) {
                tally sum = {0};
                for (size_t t = p->begin; t < p->tokens; t++)
                    tally_add(&sum, X(0)[(b * p->tokens + t) * p->cols + c]);
                put(k, 1, b * p->cols + c, sum.sum / n, tally_slack(sum) / n);
            }
        break;
    }
    default: {
        PARAMS(tokens_mean_bwd, k);
        for (size_t i = 0; i < k->extent; i++) {
            const size_t t = i / p->cols % p->tokens, b = i / p->cols / p->tokens;
            const double g = t < p->begin ? 0
                                          : X(0)[b * p->cols + i % p->cols] /
                                                (double)(p->tokens - p->begin);
            put_sum(k, 1, i, p->accumulate, g, 4 * fabs(g));
        }
    }
    }
}

// Number of element (b, y, x, c) of a map, -1 outside
static long map_at(const uint32_t dim[5], long b, long y, long x, long c)
{
    const long height = dim[1], width = dim[2], channels = dim[3];
    if (y < 0 || x < 0 || y >= height || x >= width)
        return -1;
    return ((b * height + y) * width + x) * channels + c;
}

// One element of a map: kernels that gather from the window round it.
static void reference_map_element(kernel_case *k, long b, long y, long x, long c)
{
    const size_t i = (size_t)map_at(k->dim, b, y, x, c);
    const long side = k->dim[4], pad = (side - 1) / 2, taps = side * side;
    tally sum = {0};
    switch (k->kernel) {
    case ZM_KERNEL_im2col_fwd:
        for (long t = 0; t < taps; t++) {
            const long from =
                map_at(k->dim, b, y + t / side - pad, x + t % side - pad, c);
            put(k, 1, i * (size_t)taps + (size_t)t, from < 0 ? 0 : X(0)[from], 0);
        }
        break;
    case ZM_KERNEL_im2col_bwd: {
        PARAMS(im2col_bwd, k);
        for (long t = 0; t < taps; t++) {
            const long from =
                map_at(k->dim, b, y - t / side + pad, x - t % side + pad, c);
            if (from >= 0)
                tally_add(&sum, X(0)[from * taps + t]);
        }
        put_sum(k, 1, i, p->accumulate, sum.sum, tally_slack(sum));
        break;
    }
    case ZM_KERNEL_maxpool_fwd: {
        double best = -INFINITY;
        for (uint32_t t = 0; t < 9; t++) {
            const long from =
                map_at(k->dim, b, y + (long)t / 3 - 1, x + (long)t % 3 - 1, c);
            if (from >= 0 && X(0)[from] > best) {
                best = X(0)[from];
                W(2)[i] = t;
            }
        }
        put(k, 1, i, best, 0);
        break;
    }
    case ZM_KERNEL_maxpool_bwd: {
        PARAMS(maxpool_bwd, k);
        for (uint32_t t = 0; t < 9; t++) {
            const long from =
                map_at(k->dim, b, y - (long)t / 3 + 1, x - (long)t % 3 + 1, c);
            if (from >= 0 && W(1)[from] == t)
                tally_add(&sum, X(0)[from]);
        }
        put_sum(k, 2, i, p->accumulate, sum.sum, tally_slack(sum));
        break;
    }
    case ZM_KERNEL_avgpool_bwd: {
        PARAMS(avgpool_bwd, k);
        const uint32_t half[5] = {k->dim[0], k->dim[1] / 2, k->dim[2] / 2, k->dim[3]};
        put_sum(k, 1, i, p->accumulate, X(0)[map_at(half, b, y / 2, x / 2, c)] / 4, 0);
        break;
    }
    default: { // avgpool_fwd
        const uint32_t half[5] = {k->dim[0], k->dim[1] / 2, k->dim[2] / 2, k->dim[3]};
        if (y % 2 || x % 2)
            break;
        for (long t = 0; t < 4; t++)
            tally_add(&sum, X(0)[map_at(k->dim, b, y + t / 2, x + t % 2, c)] / 4);
        put(k, 1, (size_t)map_at(half, b, y / 2, x / 2, c), sum.sum, tally_slack(sum));
    }
    }
}

void reference_maps(kernel_case *k)
{
    for (long b = 0; b < (long)k->dim[0]; b++)
        for (long y = 0; y < (long)k->dim[1]; y++)
            for (long x = 0; x < (long)k->dim[2]; x++)
                for (long c = 0; c < (long)k->dim[3]; c++)
                    reference_map_element(k, b, y, x, c);
}

// Builds the turned image by forward steps on coordinates, not by the kernel's integers.
void reference_augment(kernel_case *k)
{
    PARAMS(augment, k);
    const uint64_t seed = (uint64_t)p->seed_hi << 32 | p->seed_lo;
    const uint32_t source[5] = {p->batch, p->in_size, p->in_size, p->channels};
    const double turn = 6.283185307179586477, half = (p->out_size - 1.0) / 2;
    const double corner = floor((p->in_size - (double)p->out_size) / 2);
    double largest = 0;
    for (size_t i = 0; i < k->array[0].count; i++)
        largest = fmax(largest, fabs(X(0)[i]));
    for (uint32_t b = 0; b < p->batch; b++) {
        zm_rng rng = zm_rng_init(seed, ZM_RNG_AUGMENT, W(1)[b], W(2)[0]);
        const uint32_t flips = zm_rng_u32(&rng), quarters = zm_rng_u32(&rng) % 4;
        const double spin = (zm_rng_u32(&rng) >> 8) * 0x1p-24;
        const double angle = turn * (p->flags & ZM_AUG_ANGLE ? spin : 0) +
                             turn / 4 * (p->flags & ZM_AUG_ROT90 ? quarters : 0);
        for (uint32_t i = 0; i < p->out_size * p->out_size; i++) {
            double x = i % p->out_size - half, y = i / p->out_size - half;
            x = p->flags & ZM_AUG_FLIP && flips & 1 ? -x : x;
            y = p->flags & ZM_AUG_FLIP && flips & 2 ? -y : y;
            double u = corner + half + x * cos(angle) - y * sin(angle);
            double v = corner + half + x * sin(angle) + y * cos(angle);
            if (!(p->flags & ZM_AUG_ANGLE)) {
                u = round(u);
                v = round(v);
            }
            const double right = u - floor(u), down = v - floor(v);
            for (uint32_t c = 0; c < p->channels; c++) {
                double value = 0;
                for (int n = 0; n < 4; n++) {
                    const double weight =
                        (n % 2 ? right : 1 - right) * (n / 2 ? down : 1 - down);
                    const long from = map_at(source, b, (long)floor(v) + n / 2,
                                             (long)floor(u) + n % 2, c);
                    value += from < 0 ? 0 : weight * X(0)[from];
                }
                // the place is off by a few u of its size, a neighbour by 2 largest
                const double place =
                    p->flags & ZM_AUG_ANGLE ? (20.0 * p->in_size + 8) * largest : 0;
                value *= X(3)[c];
                double slack = X(3)[c] * place + fabs(value);
                if (p->stretch == ZM_STRETCH_ASINH) {
                    value = asinh(value);
                    slack += 6 * fabs(value);
                }
                if (p->noise > 0) {
                    const uint32_t key[2] = {p->seed_lo, p->seed_hi};
                    const uint32_t counter[4] = {i * p->channels + c, W(2)[0], W(1)[b],
                                                 ZM_RNG_NOISE};
                    uint32_t word[4];
                    zm_philox(key, counter, word);
                    const double radius = sqrt(-2 * log(1 - (word[0] >> 8) * 0x1p-24));
                    const double noise = (double)p->noise * radius;
                    value += noise * cos(turn * ((word[1] >> 8) * 0x1p-24));
                    slack += 12 * noise + fabs(value);
                }
                put(k, 4, (b * p->out_size * p->out_size + i) * p->channels + c, value,
                    slack);
            }
        }
    }
}
