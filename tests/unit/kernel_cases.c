#include "tests/unit/kernel_cases.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"

typedef struct case_line {
    zm_kernel kernel;
    uint32_t dim[5];
} case_line;

static const case_line lines[] = {
#define CASE(name, ...) {ZM_KERNEL_##name, {__VA_ARGS__}},
#include "tests/cases.def"
#undef CASE
};

uint32_t kernel_case_count(void)
{
    return (uint32_t)ZM_COUNT_OF(lines);
}

typedef struct builder {
    kernel_case *k;
    zm_rng rng;
    double magnitude;
    uint32_t next; // binding
} builder;

static kernel_array *add_array(builder *b, bool words, size_t count)
{
    kernel_array *a = &b->k->array[b->next++];
    a->words = words;
    a->count = count;
    a->slack = zm_calloc(count, sizeof *a->slack);
    if (words)
        a->word = zm_calloc(count, sizeof *a->word);
    else
        a->value = zm_calloc(count, sizeof *a->value);
    if (!a->slack || (!a->word && !a->value))
        abort();
    return a;
}

// normal numbers times scale
static void normals(builder *b, size_t count, double scale)
{
    kernel_array *a = add_array(b, false, count);
    for (size_t i = 0; i < count; i++)
        a->value[i] = (double)(float)(scale * zm_rng_normal(&b->rng));
}

// the same times the magnitude of the test
static void data(builder *b, size_t count)
{
    normals(b, count, b->magnitude);
}

// uniform in [low, low + width)
static void uniform(builder *b, size_t count, double low, double width)
{
    kernel_array *a = add_array(b, false, count);
    for (size_t i = 0; i < count; i++)
        a->value[i] = (double)(float)(low + width * (double)zm_rng_float(&b->rng));
}

static void below(builder *b, size_t count, uint32_t limit)
{
    kernel_array *a = add_array(b, true, count);
    for (size_t i = 0; i < count; i++)
        a->word[i] = zm_rng_below(&b->rng, limit);
}

// what the kernel must write whole
static void written(builder *b, size_t count)
{
    kernel_array *a = add_array(b, false, count);
    for (size_t i = 0; i < count; i++)
        a->value[i] = (double)NAN;
}

static void written_words(builder *b, size_t count)
{
    kernel_array *a = add_array(b, true, count);
    memset(a->word, 0xFF, count * sizeof *a->word);
}

static void set_extent(builder *b, size_t extent)
{
    b->k->extent = (uint32_t)extent;
}

#define PARAMS(name, ...)                                                                \
    do {                                                                                 \
        const struct zm_params_##name params_ = {__VA_ARGS__};                           \
        memcpy(b->k->params.bytes, &params_, sizeof params_);                            \
    } while (0)

static void build_sums(builder *b, const uint32_t *d, uint32_t v)
{
    switch (b->k->kernel) {
    case ZM_KERNEL_colsum: { // rows, cols; the rows lie further apart than cols
        const uint32_t skip = v < 2 ? 0 : d[1] / 3;
        PARAMS(colsum, d[0], d[1], d[1] + 3, 5, v % 2, skip, 2 * skip);
        set_extent(b, d[1]);
        data(b, 5 + (size_t)d[0] * (d[1] + 3));
        data(b, d[1]);
        break;
    }
    case ZM_KERNEL_sum:
        PARAMS(sum, d[0], 0.25f, v % 2);
        set_extent(b, 1);
        data(b, d[0]);
        data(b, 1);
        break;
    case ZM_KERNEL_sumsq:
        PARAMS(sumsq, d[0], d[1]);
        set_extent(b, (d[0] + d[1] - 1) / d[1]);
        data(b, d[0]);
        written(b, b->k->extent);
        break;
    case ZM_KERNEL_sqerr_fwd: // rows, cols
        PARAMS(sqerr_fwd, d[0], d[1]);
        set_extent(b, d[0]);
        data(b, (size_t)d[0] * d[1]);
        data(b, (size_t)d[0] * d[1]);
        uniform(b, d[0], 0, 2);
        written(b, d[0]);
        break;
    default: // sqerr_bwd
        PARAMS(sqerr_bwd, d[0], d[1], 0.125f, v % 2);
        set_extent(b, (size_t)d[0] * d[1]);
        data(b, (size_t)d[0] * d[1]);
        data(b, (size_t)d[0] * d[1]);
        uniform(b, d[0], 0, 2);
        data(b, (size_t)d[0] * d[1]);
    }
}

static void build_grouped(builder *b, const uint32_t *d, uint32_t v)
{
    const size_t in = (size_t)d[1] * d[2], out = (size_t)d[1] * d[3];
    switch (b->k->kernel) { // rows, groups, cin, cout
    case ZM_KERNEL_grouped_fwd:
        PARAMS(grouped_fwd, d[0], d[1], d[2], d[3]);
        set_extent(b, d[0] * out);
        data(b, d[0] * in);
        normals(b, out * d[2], 1);
        normals(b, out, 1);
        written(b, d[0] * out);
        break;
    case ZM_KERNEL_grouped_bwd_input:
        PARAMS(grouped_bwd_input, d[0], d[1], d[2], d[3], v % 2);
        set_extent(b, d[0] * in);
        data(b, d[0] * out);
        normals(b, out * d[2], 1);
        data(b, d[0] * in);
        break;
    default:
        PARAMS(grouped_bwd_weight, d[0], d[1], d[2], d[3], v % 2);
        set_extent(b, out * d[2]);
        data(b, d[0] * out);
        normals(b, d[0] * in, 1);
        data(b, out * d[2]);
    }
}

static void build_layernorm(builder *b, const uint32_t *d, uint32_t v)
{
    const size_t n = (size_t)d[0] * d[1];
    switch (b->k->kernel) { // rows, cols
    case ZM_KERNEL_layernorm_fwd:
        PARAMS(layernorm_fwd, d[0], d[1], 1e-6f);
        set_extent(b, d[0]);
        data(b, n);
        if (v >= 2) // a mean far from 0
            for (size_t i = 0; i < n; i++)
                b->k->array[0].value[i] =
                    (double)(float)(b->k->array[0].value[i] + 30 * b->magnitude);
        normals(b, d[1], 1);
        normals(b, d[1], 1);
        written(b, n);
        written(b, 2 * (size_t)d[0]);
        break;
    case ZM_KERNEL_layernorm_bwd_input:
        PARAMS(layernorm_bwd_input, d[0], d[1], v % 2);
        set_extent(b, d[0]);
        data(b, n);
        normals(b, n, 1);
        normals(b, d[1], 1);
        uniform(b, 2 * (size_t)d[0], 0.5, 1);
        data(b, n);
        break;
    case ZM_KERNEL_layernorm_bwd_weight:
        PARAMS(layernorm_bwd_weight, d[0], d[1], v % 2);
        set_extent(b, d[1]);
        data(b, n);
        normals(b, n, 1);
        uniform(b, 2 * (size_t)d[0], 0.5, 1);
        data(b, d[1]);
        data(b, d[1]);
        break;
    default:
        PARAMS(patch_norm, d[0], d[1], 1e-6f);
        set_extent(b, d[0]);
        data(b, n);
        written(b, n);
    }
}

static void build_batchnorm(builder *b, const uint32_t *d, uint32_t v)
{
    const size_t n = (size_t)d[0] * d[1];
    const size_t cols = d[1];
    switch (b->k->kernel) { // rows, cols
    case ZM_KERNEL_batchnorm_stats:
        PARAMS(batchnorm_stats, d[0], d[1], 0.1f);
        set_extent(b, cols);
        data(b, n);
        written(b, cols);
        written(b, cols);
        data(b, cols);
        uniform(b, cols, 0, 1);
        break;
    case ZM_KERNEL_batchnorm_fwd:
        PARAMS(batchnorm_fwd, d[0], d[1], 1e-5f, v % 2 ? ZM_ACT_RELU : ZM_ACT_NONE);
        set_extent(b, n);
        data(b, n);
        data(b, cols);
        uniform(b, cols, 0.5, 1);
        normals(b, cols, 1);
        normals(b, cols, 1);
        written(b, n);
        break;
    case ZM_KERNEL_batchnorm_bwd_stats:
        PARAMS(batchnorm_bwd_stats, d[0], d[1], 1e-5f, v % 2);
        set_extent(b, cols);
        data(b, n);
        normals(b, n, 1);
        normals(b, cols, 1);
        uniform(b, cols, 0.5, 1);
        written(b, 2 * cols);
        data(b, cols);
        data(b, cols);
        break;
    default:
        PARAMS(batchnorm_bwd_input, d[0], d[1], 1e-5f, v < 2, v % 2);
        set_extent(b, n);
        data(b, n);
        normals(b, n, 1);
        normals(b, cols, 1);
        uniform(b, cols, 0.5, 1);
        normals(b, cols, 1);
        data(b, 2 * cols);
        data(b, n);
    }
}

static void build_elements(builder *b, const uint32_t *d, uint32_t v)
{
    const size_t n = d[0];
    switch (b->k->kernel) {
    case ZM_KERNEL_act_fwd:
        PARAMS(act_fwd, d[0], v);
        set_extent(b, n);
        data(b, n);
        written(b, n);
        break;
    case ZM_KERNEL_act_bwd:
        PARAMS(act_bwd, d[0], v, d[0] % 2);
        set_extent(b, n);
        data(b, n);
        normals(b, n, 1);
        normals(b, n, 1);
        break;
    case ZM_KERNEL_fill:
        PARAMS(fill, d[0], -1.5f);
        set_extent(b, n);
        written(b, n);
        break;
    case ZM_KERNEL_add:
        PARAMS(add, d[0]);
        set_extent(b, n);
        data(b, n);
        data(b, n);
        written(b, n);
        break;
    case ZM_KERNEL_copy: { // n0, n1, n2: transposed when v >= 2, with a gap and an offset
        const bool turned = v >= 2;
        const uint32_t all = d[0] * d[1] * d[2];
        PARAMS(copy, d[0], d[1], d[2], d[1] * d[2], d[2], 1, 3, d[1] * d[2],
               turned ? 1 : d[2], turned ? d[1] : 1, 2, v % 2);
        set_extent(b, all);
        data(b, 3 + all);
        data(b, 4 + all);
        break;
    }
    default: { // adamw
        PARAMS(adamw, d[0]);
        set_extent(b, n);
        normals(b, n, 1);
        data(b, n);
        data(b, n);
        uniform(b, n, 0, b->magnitude * b->magnitude);
        uniform(b, (n + 127) / 128 * 2, 0.25, 1);
        if (v >= 2) // frozen
            b->k->array[4].value[0] = 0;
        kernel_array *hyper = add_array(b, false, 8);
        const float h[8] = {1e-3f, 0.9f, 0.95f, 1e-8f,
                            0.05f, 0.3f, 0.2f,  v % 2 ? (float)b->magnitude : 0.0f};
        for (int i = 0; i < 8; i++)
            hyper->value[i] = (double)h[i];
        uniform(b, 1, b->magnitude * b->magnitude, b->magnitude * b->magnitude * 3);
    }
    }
}

static void build_attention(builder *b, const uint32_t *d, uint32_t v)
{
    const size_t rows = (size_t)d[0] * d[1] * d[2]; // batch, tokens, heads, dim
    const size_t out = rows * d[3], square = rows * d[1];
    const float scale = (float)(1 / sqrt((double)d[3]));
    switch (b->k->kernel) {
    case ZM_KERNEL_attention_scores_fwd:
        PARAMS(attention_scores_fwd, d[0], d[1], d[2], d[3], scale);
        set_extent(b, rows);
        data(b, 3 * out);
        written(b, square);
        break;
    case ZM_KERNEL_attention_apply_fwd:
        PARAMS(attention_apply_fwd, d[0], d[1], d[2], d[3]);
        set_extent(b, out);
        data(b, 3 * out);
        uniform(b, square, 0, 1);
        written(b, out);
        break;
    case ZM_KERNEL_attention_scores_bwd:
        PARAMS(attention_scores_bwd, d[0], d[1], d[2], d[3]);
        set_extent(b, rows);
        data(b, 3 * out);
        uniform(b, square, 0, 1);
        normals(b, out, 1);
        written(b, square);
        break;
    default:
        PARAMS(attention_apply_bwd, d[0], d[1], d[2], d[3], scale, v % 2);
        set_extent(b, 3 * out);
        data(b, 3 * out);
        uniform(b, square, 0, 1);
        normals(b, square, 1);
        data(b, out);
        data(b, 3 * out);
    }
}

static void build_patches(builder *b, const uint32_t *d, uint32_t v)
{
    const size_t patches = (size_t)d[0] * d[1];
    switch (b->k->kernel) {
    case ZM_KERNEL_patchify: { // batch, size, channels, patch, count
        const size_t cols = (size_t)d[3] * d[3] * d[2], n = (size_t)d[0] * d[4] * cols;
        PARAMS(patchify, d[0], d[1], d[2], d[3], d[4], v % 2);
        set_extent(b, n);
        data(b, (size_t)d[0] * d[1] * d[1] * d[2]);
        below(b, (size_t)d[0] * d[4], d[1] / d[3] * (d[1] / d[3]));
        written(b, n);
        break;
    }
    case ZM_KERNEL_mask_noise: // batch, patches
        PARAMS(mask_noise, d[0], d[1], 0x12345678u, v);
        set_extent(b, patches);
        below(b, 1, 100000);
        below(b, d[0], 0xFFFFFFFFu);
        written(b, patches);
        break;
    case ZM_KERNEL_mask_rank: // batch, patches, visible
        PARAMS(mask_rank, d[0], d[1], d[2]);
        set_extent(b, patches);
        uniform(b, patches, 0, 1);
        if (v >= 2) // ties
            for (size_t i = 0; i < patches; i++)
                b->k->array[0].value[i] = floor(b->k->array[0].value[i] * 4) / 4;
        written_words(b, (size_t)d[0] * d[2]);
        written_words(b, patches);
        written(b, patches);
        break;
    default: { // augment: batch, in_size, out_size, channels, flags
        const size_t area = (size_t)d[2] * d[2];
        PARAMS(augment, d[0], d[1], d[2], d[3], d[4],
               v % 2 ? ZM_STRETCH_ASINH : ZM_STRETCH_NONE, 77, 5, v >= 2 ? 0.5f : 0.0f);
        set_extent(b, d[0] * area);
        data(b, (size_t)d[0] * d[1] * d[1] * d[3]);
        below(b, d[0], 0xFFFFFFFFu);
        below(b, 1, 100000);
        uniform(b, d[3], 0.5, 1);
        written(b, d[0] * area * d[3]);
    }
    }
}

static void build_tokens(builder *b, const uint32_t *d, uint32_t v)
{
    const uint32_t batch = d[0];
    // of restore: batch, patches, visible, cols
    const size_t whole = ((size_t)d[1] + 1) * d[3], part = ((size_t)d[2] + 1) * d[3];
    switch (b->k->kernel) {
    case ZM_KERNEL_tokens_embed: // batch, count, cols
        PARAMS(tokens_embed, batch, d[1], d[2]);
        set_extent(b, batch * ((size_t)d[1] + 1) * d[2]);
        data(b, (size_t)batch * d[1] * d[2]);
        data(b, d[2]);
        normals(b, (2 * (size_t)d[1] + 1) * d[2], 1);
        below(b, (size_t)batch * d[1], 2 * d[1]);
        written(b, b->k->extent);
        break;
    case ZM_KERNEL_tokens_restore_fwd:
        PARAMS(tokens_restore_fwd, batch, d[1], d[2], d[3]);
        set_extent(b, batch * whole);
        data(b, batch * part);
        data(b, d[3]);
        normals(b, whole, 1);
        below(b, (size_t)batch * d[1], d[1]);
        written(b, batch * whole);
        break;
    case ZM_KERNEL_tokens_restore_bwd_input:
        PARAMS(tokens_restore_bwd_input, batch, d[1], d[2], d[3], v % 2);
        set_extent(b, batch * part);
        data(b, batch * whole);
        below(b, (size_t)batch * d[2], d[1]);
        data(b, batch * part);
        break;
    case ZM_KERNEL_tokens_restore_bwd_token:
        PARAMS(tokens_restore_bwd_token, batch, d[1], d[2], d[3], v % 2);
        set_extent(b, d[3]);
        data(b, batch * whole);
        below(b, (size_t)batch * d[1], d[1]);
        data(b, d[3]);
        break;
    case ZM_KERNEL_tokens_mean_fwd: // batch, tokens, cols, begin
        PARAMS(tokens_mean_fwd, batch, d[1], d[2], d[3]);
        set_extent(b, (size_t)batch * d[2]);
        data(b, (size_t)batch * d[1] * d[2]);
        written(b, b->k->extent);
        break;
    default:
        PARAMS(tokens_mean_bwd, batch, d[1], d[2], d[3], v % 2);
        set_extent(b, (size_t)batch * d[1] * d[2]);
        data(b, (size_t)batch * d[2]);
        data(b, b->k->extent);
    }
}

static void build_maps(builder *b, const uint32_t *d, uint32_t v)
{
    const size_t n = (size_t)d[0] * d[1] * d[2] * d[3]; // batch, height, width, channels
    switch (b->k->kernel) {
    case ZM_KERNEL_im2col_fwd: // and kernel
        PARAMS(im2col_fwd, d[0], d[1], d[2], d[3], d[4]);
        set_extent(b, n * d[4] * d[4]);
        data(b, n);
        written(b, b->k->extent);
        break;
    case ZM_KERNEL_im2col_bwd:
        PARAMS(im2col_bwd, d[0], d[1], d[2], d[3], d[4], v % 2);
        set_extent(b, n);
        data(b, n * d[4] * d[4]);
        data(b, n);
        break;
    case ZM_KERNEL_avgpool_fwd:
        PARAMS(avgpool_fwd, d[0], d[1], d[2], d[3]);
        set_extent(b, n / 4);
        data(b, n);
        written(b, n / 4);
        break;
    case ZM_KERNEL_avgpool_bwd:
        PARAMS(avgpool_bwd, d[0], d[1], d[2], d[3], v % 2);
        set_extent(b, n);
        data(b, n / 4);
        data(b, n);
        break;
    case ZM_KERNEL_maxpool_fwd:
        PARAMS(maxpool_fwd, d[0], d[1], d[2], d[3]);
        set_extent(b, n);
        data(b, n);
        if (v >= 2) // ties
            for (size_t i = 0; i < n; i++)
                b->k->array[0].value[i] = i % 2 ? 1 : -1;
        written(b, n);
        written_words(b, n);
        break;
    default:
        PARAMS(maxpool_bwd, d[0], d[1], d[2], d[3], v % 2);
        set_extent(b, n);
        data(b, n);
        below(b, n, 9);
        data(b, n);
    }
}

void kernel_case_init(kernel_case *k, uint32_t index, uint32_t variant, double magnitude)
{
    const case_line *line = &lines[index];
    memset(k, 0, sizeof *k);
    k->kernel = line->kernel;
    memcpy(k->dim, line->dim, sizeof k->dim);
    builder state = {
        .k = k,
        .rng = zm_rng_init(variant, ZM_RNG_TEST, index, 0),
        .magnitude = magnitude,
    };
    builder *b = &state;
    const char *name = zm_kernel_get(k->kernel)->name;
    if (strstr(name, "grouped"))
        build_grouped(b, line->dim, variant);
    else if (strstr(name, "layernorm") || strstr(name, "patch_norm"))
        build_layernorm(b, line->dim, variant);
    else if (strstr(name, "batchnorm"))
        build_batchnorm(b, line->dim, variant);
    else if (strstr(name, "attention"))
        build_attention(b, line->dim, variant);
    else if (strstr(name, "tokens"))
        build_tokens(b, line->dim, variant);
    else if (strstr(name, "im2col") || strstr(name, "pool"))
        build_maps(b, line->dim, variant);
    else if (strstr(name, "patchify") || strstr(name, "mask") || strstr(name, "augment"))
        build_patches(b, line->dim, variant);
    else if (strstr(name, "sum") || strstr(name, "sqerr"))
        build_sums(b, line->dim, variant);
    else
        build_elements(b, line->dim, variant);
    k->bindings = state.next;
}

void kernel_case_finish(kernel_case *k)
{
    for (uint32_t i = 0; i < k->bindings; i++) {
        free(k->array[i].value);
        free(k->array[i].word);
        free(k->array[i].slack);
    }
    memset(k, 0, sizeof *k);
}

void kernel_case_name(const kernel_case *k, uint32_t variant, double magnitude,
                      char text[128])
{
    snprintf(text, 128, "%s(%u, %u, %u, %u, %u) variant %u magnitude %g",
             zm_kernel_get(k->kernel)->name, (unsigned)k->dim[0], (unsigned)k->dim[1],
             (unsigned)k->dim[2], (unsigned)k->dim[3], (unsigned)k->dim[4],
             (unsigned)variant, magnitude);
}
