#include "tests/unit/kernel_memory.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POISON = 0xA5 };

static size_t element_size(const kernel_memory *m, const kernel_array *a)
{
    return !a->words && m->f64 ? 8 : 4;
}

void kernel_memory_init(kernel_memory *m, const kernel_case *k, bool f64, size_t guard)
{
    *m = (kernel_memory){.f64 = f64, .guard = guard};
    for (uint32_t b = 0; b < k->bindings; b++) {
        const kernel_array *a = &k->array[b];
        const size_t each = element_size(m, a);
        m->size[b] = a->count * each;
        m->bytes[b] = malloc(m->size[b] + 2 * guard);
        cr_assert_not_null(m->bytes[b]);
        memset(m->bytes[b], POISON, m->size[b] + 2 * guard);
        for (size_t i = 0; i < a->count; i++) {
            unsigned char *to = m->bytes[b] + guard + i * each;
            const float single = a->words ? 0 : (float)a->value[i];
            if (a->words)
                memcpy(to, &a->word[i], each);
            else if (f64)
                memcpy(to, &a->value[i], each);
            else
                memcpy(to, &single, each);
        }
    }
}

void kernel_memory_finish(kernel_memory *m)
{
    for (uint32_t b = 0; b < ZM_MAX_BINDINGS; b++)
        free(m->bytes[b]);
    memset(m, 0, sizeof *m);
}

static double real_at(const kernel_memory *m, uint32_t b, size_t i)
{
    float single;
    double x;
    if (m->f64) {
        memcpy(&x, m->bytes[b] + m->guard + i * sizeof x, sizeof x);
        return x;
    }
    memcpy(&single, m->bytes[b] + m->guard + i * sizeof single, sizeof single);
    return (double)single;
}

static uint32_t word_at(const kernel_memory *m, uint32_t b, size_t i)
{
    uint32_t word;
    memcpy(&word, m->bytes[b] + m->guard + i * sizeof word, sizeof word);
    return word;
}

void kernel_memory_load(const kernel_memory *m, kernel_case *k)
{
    for (uint32_t b = 0; b < k->bindings; b++)
        for (size_t i = 0; i < k->array[b].count; i++)
            if (k->array[b].words)
                k->array[b].word[i] = word_at(m, b, i);
            else
                k->array[b].value[i] = real_at(m, b, i);
}

void kernel_memory_check_guards(const kernel_memory *m, const kernel_case *k,
                                const char *text)
{
    for (uint32_t b = 0; b < k->bindings; b++)
        for (size_t i = 0; i < m->guard; i++)
            cr_assert(m->bytes[b][i] == POISON &&
                          m->bytes[b][m->guard + m->size[b] + i] == POISON,
                      "%s wrote outside of binding %u", text, (unsigned)b);
}

void kernel_memory_check(const kernel_memory *m, const kernel_case *want,
                         const char *text)
{
    // Numbers below the smallest normal one may be flushed to 0.
    const double u = m->f64 ? 0x1p-53 : 0x1p-24, least = m->f64 ? 0x1p-1022 : 0x1p-125;
    for (uint32_t b = 0; b < want->bindings; b++) {
        const kernel_array *a = &want->array[b];
        for (size_t i = 0; i < a->count && a->words; i++)
            cr_assert_eq(word_at(m, b, i), a->word[i],
                         "%s binding %u word %zu: %u, not %u", text, (unsigned)b, i,
                         (unsigned)word_at(m, b, i), (unsigned)a->word[i]);
        for (size_t i = 0; i < a->count && !a->words; i++) {
            const double got = real_at(m, b, i);
            // twice: what it is compared with is rounded too
            const double bound = 2 * u * a->slack[i] + least;
            cr_assert(fabs(got - a->value[i]) <= bound,
                      "%s binding %u element %zu: %.9g, not %.9g (%.2g allowed)", text,
                      (unsigned)b, i, got, a->value[i], bound);
        }
    }
}
