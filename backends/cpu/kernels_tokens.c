// Patches, masks and token sequences.
#include <stdbool.h>

#include "backends/cpu/cpu_kernels.h"
#include "backends/cpu/reduce.h"
#include "backends/cpu/span.h"
#include "core/rng.h"

// img, idx -> y (batch, count, patch^2 channels), (c, row, col) order or (row, col, c)
void ZM_CPU(patchify)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_patchify *p = call->params;
    const uint32_t *idx = call->bind[1];
    const size_t patch = p->patch, area = patch * patch, channels = p->channels;
    const size_t cols = area * channels, side = p->size / patch;
    for (zm_span s = zm_span_at(begin, end, cols); s.first < s.last;
         s = zm_span_next(s, end, cols)) {
        const size_t corner =
            idx[s.row] / side * patch * p->size + idx[s.row] % side * patch;
        const real *restrict img =
            (const real *)call->bind[0] +
            (s.row / p->count * p->size * p->size + corner) * channels;
        real *restrict y = (real *)call->bind[2] + s.row * cols;
        for (size_t i = s.first; i < s.last; i++) {
            const size_t pixel = p->channels_last ? i / channels : i % area;
            const size_t c = p->channels_last ? i % channels : i / area;
            y[i] = img[(pixel / patch * p->size + pixel % patch) * channels + c];
        }
    }
}

// step, objects -> noise (batch, patches), 24 bits of Philox in [0, 1)
void ZM_CPU(mask_noise)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_mask_noise *p = call->params;
    const uint32_t *step = call->bind[0], *objects = call->bind[1];
    const uint32_t key[2] = {p->seed_lo, p->seed_hi};
    for (zm_span s = zm_span_at(begin, end, p->patches); s.first < s.last;
         s = zm_span_next(s, end, p->patches)) {
        real *noise = (real *)call->bind[2] + s.row * p->patches;
        uint32_t word[4];
        for (size_t j = s.first; j < s.last; j++) {
            if (j == s.first || j % 4 == 0) {
                const uint32_t counter[4] = {(uint32_t)(j / 4), step[0], objects[s.row],
                                             ZM_RNG_MASK};
                zm_philox(key, counter, word);
            }
            noise[j] = (real)(word[j % 4] >> 8) * (real)0x1p-24;
        }
    }
}

// noise -> keep, rank, mask. rank[j] = #{k: noise[k] < noise[j], or equal and k < j}
void ZM_CPU(mask_rank)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_mask_rank *p = call->params;
    const size_t patches = p->patches;
    for (zm_span s = zm_span_at(begin, end, patches); s.first < s.last;
         s = zm_span_next(s, end, patches)) {
        const real *restrict noise = (const real *)call->bind[0] + s.row * patches;
        uint32_t *keep = (uint32_t *)call->bind[1] + s.row * p->visible;
        uint32_t *rank = (uint32_t *)call->bind[2] + s.row * patches;
        real *mask = (real *)call->bind[3] + s.row * patches;
        for (size_t j = s.first; j < s.last; j++) {
            const real own = noise[j];
            uint32_t below = 0;
            for (size_t k = 0; k < j; k++)
                below += noise[k] <= own;
            for (size_t k = j + 1; k < patches; k++)
                below += noise[k] < own;
            rank[j] = below;
            mask[j] = below >= p->visible;
            if (below < p->visible)
                keep[below] = (uint32_t)j;
        }
    }
}

// x, cls, pos, idx -> y[b, 0] = cls + pos[0], y[b, 1 + j] = x[b, j] + pos[1 + idx[b, j]]
void ZM_CPU(tokens_embed)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_tokens_embed *p = call->params;
    const real *x = call->bind[0], *cls = call->bind[1], *pos = call->bind[2];
    const uint32_t *idx = call->bind[3];
    const size_t cols = p->cols, tokens = (size_t)p->count + 1;
    for (zm_span s = zm_span_at(begin, end, cols); s.first < s.last;
         s = zm_span_next(s, end, cols)) {
        const size_t b = s.row / tokens, t = s.row % tokens;
        const size_t from = b * p->count + t - (t > 0);
        const real *restrict a = t ? x + from * cols : cls;
        const real *restrict place = t ? pos + (1 + (size_t)idx[from]) * cols : pos;
        real *restrict y = (real *)call->bind[4] + s.row * cols;
        for (size_t c = s.first; c < s.last; c++)
            y[c] = a[c] + place[c];
    }
}

// x, token, pos, rank -> y[b, 0] = x[b, 0] + pos[0], y[b, 1 + j] = pos[1 + j] +
// (rank[b, j] < visible ? x[b, 1 + rank[b, j]] : token)
void ZM_CPU(tokens_restore_fwd)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_tokens_restore_fwd *p = call->params;
    const real *x = call->bind[0], *token = call->bind[1], *pos = call->bind[2];
    const uint32_t *rank = call->bind[3];
    const size_t cols = p->cols, tokens = (size_t)p->patches + 1;
    for (zm_span s = zm_span_at(begin, end, cols); s.first < s.last;
         s = zm_span_next(s, end, cols)) {
        const size_t b = s.row / tokens, t = s.row % tokens;
        const size_t from = t ? 1 + (size_t)rank[b * p->patches + t - 1] : 0;
        const real *restrict a =
            from <= p->visible ? x + (b * ((size_t)p->visible + 1) + from) * cols : token;
        const real *restrict place = pos + t * cols;
        real *restrict y = (real *)call->bind[4] + s.row * cols;
        for (size_t c = s.first; c < s.last; c++)
            y[c] = a[c] + place[c];
    }
}

// dy, keep -> dx[b, 0] = dy[b, 0], dx[b, 1 + i] = dy[b, 1 + keep[b, i]]
void ZM_CPU(tokens_restore_bwd_input)(const zm_cpu_call *call, uint32_t begin,
                                      uint32_t end)
{
    const struct zm_params_tokens_restore_bwd_input *p = call->params;
    const uint32_t *keep = call->bind[1];
    const size_t cols = p->cols, tokens = (size_t)p->visible + 1;
    for (zm_span s = zm_span_at(begin, end, cols); s.first < s.last;
         s = zm_span_next(s, end, cols)) {
        const size_t b = s.row / tokens, t = s.row % tokens;
        const size_t from = t ? 1 + (size_t)keep[b * p->visible + t - 1] : 0;
        const real *restrict dy =
            (const real *)call->bind[0] + (b * ((size_t)p->patches + 1) + from) * cols;
        real *restrict dx = (real *)call->bind[2] + s.row * cols;
        for (size_t c = s.first; c < s.last; c++)
            dx[c] = p->accumulate ? dx[c] + dy[c] : dy[c];
    }
}

// dy, rank -> dtoken = sum over b and the hidden j (rank[b, j] >= visible) of dy[b, 1 +
// j]
void ZM_CPU(tokens_restore_bwd_token)(const zm_cpu_call *call, uint32_t begin,
                                      uint32_t end)
{
    const struct zm_params_tokens_restore_bwd_token *p = call->params;
    const uint32_t *rank = call->bind[1];
    real *restrict dtoken = call->bind[2];
    const size_t cols = p->cols, rows = (size_t)p->batch * p->patches;
    for (size_t c0 = begin; c0 < end; c0 += ZM_COLUMN_BLOCK) {
        const size_t n = end - c0 < ZM_COLUMN_BLOCK ? end - c0 : ZM_COLUMN_BLOCK;
        double total[ZM_COLUMN_BLOCK] = {0};
        real part[ZM_COLUMN_BLOCK] = {0};
        for (size_t r = 0; r < rows; r++) {
            const real *restrict dy =
                (const real *)call->bind[0] + (r + r / p->patches + 1) * cols + c0;
            if (rank[r] >= p->visible)
                for (size_t c = 0; c < n; c++)
                    part[c] += dy[c];
            if (r % ZM_ROW_BLOCK == ZM_ROW_BLOCK - 1 || r + 1 == rows)
                zm_flush(total, part, n);
        }
        for (size_t c = 0; c < n; c++)
            dtoken[c0 + c] = (real)(total[c] + (p->accumulate ? dtoken[c0 + c] : 0));
    }
}

// x -> y (batch, cols) = mean of x over tokens begin .. tokens - 1
void ZM_CPU(tokens_mean_fwd)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_tokens_mean_fwd *p = call->params;
    const size_t cols = p->cols;
    const real share = 1 / (real)(p->tokens - p->begin);
    for (zm_span s = zm_span_at(begin, end, cols); s.first < s.last;
         s = zm_span_next(s, end, cols)) {
        const real *x = (const real *)call->bind[0] + s.row * p->tokens * cols;
        real *y = (real *)call->bind[1] + s.row * cols;
        for (size_t c0 = s.first; c0 < s.last; c0 += ZM_COLUMN_BLOCK) {
            const size_t n =
                s.last - c0 < ZM_COLUMN_BLOCK ? s.last - c0 : ZM_COLUMN_BLOCK;
            real sum[ZM_COLUMN_BLOCK] = {0};
            for (size_t t = p->begin; t < p->tokens; t++)
                for (size_t c = 0; c < n; c++)
                    sum[c] += x[t * cols + c0 + c];
            for (size_t c = 0; c < n; c++)
                y[c0 + c] = sum[c] * share;
        }
    }
}

// dy -> dx = dy / (tokens - begin) for tokens from begin on, 0 before (all of them when
// begin = tokens)
void ZM_CPU(tokens_mean_bwd)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_tokens_mean_bwd *p = call->params;
    const size_t cols = p->cols;
    const real share = p->begin < p->tokens ? 1 / (real)(p->tokens - p->begin) : 0;
    for (zm_span s = zm_span_at(begin, end, cols); s.first < s.last;
         s = zm_span_next(s, end, cols)) {
        const size_t b = s.row / p->tokens;
        const bool own = s.row % p->tokens >= p->begin;
        const real *restrict dy = (const real *)call->bind[0] + b * cols;
        real *restrict dx = (real *)call->bind[1] + s.row * cols;
        for (size_t c = s.first; c < s.last; c++) {
            const real g = own ? dy[c] * share : 0;
            dx[c] = p->accumulate ? dx[c] + g : g;
        }
    }
}
