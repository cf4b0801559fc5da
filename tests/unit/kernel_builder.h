// How kernel_cases*.c draw the bindings of a case.
#ifndef ZM_TEST_KERNEL_BUILDER_H
#define ZM_TEST_KERNEL_BUILDER_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "tests/unit/kernel_cases.h"

// A case while its bindings are drawn, in order.
typedef struct builder {
    kernel_case *k;
    zm_rng rng;
    double magnitude;
    uint32_t next; // binding
} builder;

static inline kernel_array *add_array(builder *b, bool words, size_t count)
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
static inline void normals(builder *b, size_t count, double scale)
{
    kernel_array *a = add_array(b, false, count);
    for (size_t i = 0; i < count; i++)
        a->value[i] = (double)(float)(scale * zm_rng_normal(&b->rng));
}

// the same times the magnitude of the test
static inline void data(builder *b, size_t count)
{
    normals(b, count, b->magnitude);
}

// uniform in [low, low + width)
static inline void uniform(builder *b, size_t count, double low, double width)
{
    kernel_array *a = add_array(b, false, count);
    for (size_t i = 0; i < count; i++)
        a->value[i] = (double)(float)(low + width * (double)zm_rng_float(&b->rng));
}

static inline void below(builder *b, size_t count, uint32_t limit)
{
    kernel_array *a = add_array(b, true, count);
    for (size_t i = 0; i < count; i++)
        a->word[i] = zm_rng_below(&b->rng, limit);
}

// what the kernel must write whole
static inline void written(builder *b, size_t count)
{
    kernel_array *a = add_array(b, false, count);
    for (size_t i = 0; i < count; i++)
        a->value[i] = (double)NAN;
}

static inline void written_words(builder *b, size_t count)
{
    kernel_array *a = add_array(b, true, count);
    memset(a->word, 0xFF, count * sizeof *a->word);
}

static inline void set_extent(builder *b, size_t extent)
{
    b->k->extent = (uint32_t)extent;
}

#define PARAMS(name, ...)                                                                \
    do {                                                                                 \
        const struct zm_params_##name params_ = {__VA_ARGS__};                           \
        memcpy(b->k->params.bytes, &params_, sizeof params_);                            \
    } while (0)

// dims of the line in cases.def, variant of the flags
void kernel_build_sums(builder *b, const uint32_t *d, uint32_t v);
void kernel_build_losses(builder *b, const uint32_t *d, uint32_t v);
void kernel_build_grouped(builder *b, const uint32_t *d, uint32_t v);
void kernel_build_layernorm(builder *b, const uint32_t *d, uint32_t v);
void kernel_build_batchnorm(builder *b, const uint32_t *d, uint32_t v);
void kernel_build_elements(builder *b, const uint32_t *d, uint32_t v);
void kernel_build_attention(builder *b, const uint32_t *d, uint32_t v);
void kernel_build_patches(builder *b, const uint32_t *d, uint32_t v);
void kernel_build_tokens(builder *b, const uint32_t *d, uint32_t v);
void kernel_build_maps(builder *b, const uint32_t *d, uint32_t v);

#endif
