// The C twins, called directly: each instruction set that this machine has and the
// double-precision build, against the naive formulas of kernel_reference.c.
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/cpu/cpu_isa.h"
#include "tests/unit/kernel_cases.h"

enum { GUARD = 64, POISON = 0xA5 }; // bytes on either side of every binding

static const double magnitudes[] = {1e-4, 1, 1e3};

// The bindings of a case in memory, as f32 or f64.
typedef struct memory {
    unsigned char *bytes[ZM_MAX_BINDINGS];
    size_t size[ZM_MAX_BINDINGS];
} memory;

static memory memory_of(const kernel_case *k, bool is_f64)
{
    memory m = {{0}, {0}};
    for (uint32_t b = 0; b < k->bindings; b++) {
        const kernel_array *a = &k->array[b];
        const size_t each = !a->words && is_f64 ? 8 : 4;
        m.size[b] = a->count * each;
        m.bytes[b] = malloc(m.size[b] + 2 * GUARD);
        cr_assert_not_null(m.bytes[b]);
        memset(m.bytes[b], POISON, m.size[b] + 2 * GUARD);
        for (size_t i = 0; i < a->count; i++) {
            unsigned char *to = m.bytes[b] + GUARD + i * each;
            if (a->words) {
                memcpy(to, &a->word[i], 4);
            } else if (is_f64) {
                memcpy(to, &a->value[i], 8);
            } else {
                const float f = (float)a->value[i];
                memcpy(to, &f, 4);
            }
        }
    }
    return m;
}

static void memory_finish(memory *m)
{
    for (uint32_t b = 0; b < ZM_MAX_BINDINGS; b++)
        free(m->bytes[b]);
}

// Runs the outputs in the pieces that cuts name: [0, cut[0]), [cut[0], cut[1]), ...
static void run(const kernel_case *k, zm_cpu_kernel *kernel, const memory *m,
                const uint32_t *cut, uint32_t cuts)
{
    static _Alignas(64) unsigned char scratch[ZM_CPU_SCRATCH];
    zm_cpu_call call = {
        .params = k->params.bytes, .extent = {k->extent, 1}, .scratch = scratch};
    for (uint32_t b = 0; b < k->bindings; b++)
        call.bind[b] = m->bytes[b] + GUARD;
    uint32_t begin = 0;
    for (uint32_t i = 0; i <= cuts; i++) {
        const uint32_t end = i < cuts ? cut[i] : k->extent;
        if (begin < end)
            kernel(&call, begin, end);
        begin = end;
    }
}

static void expect_guards(const kernel_case *k, const memory *m, const char *text)
{
    for (uint32_t b = 0; b < k->bindings; b++)
        for (size_t i = 0; i < GUARD; i++)
            cr_assert(m->bytes[b][i] == POISON &&
                          m->bytes[b][GUARD + m->size[b] + i] == POISON,
                      "%s wrote outside of binding %u", text, (unsigned)b);
}

static void expect_close(const kernel_case *want, const memory *m, bool is_f64,
                         const char *text)
{
    // Numbers below the smallest normal one may be flushed to 0.
    const double u = is_f64 ? 0x1p-53 : 0x1p-24, least = is_f64 ? 0x1p-1022 : 0x1p-125;
    for (uint32_t b = 0; b < want->bindings; b++) {
        const kernel_array *a = &want->array[b];
        for (size_t i = 0; i < a->count; i++) {
            const unsigned char *from =
                m->bytes[b] + GUARD + i * (!a->words && is_f64 ? 8 : 4);
            if (a->words) {
                uint32_t got;
                memcpy(&got, from, 4);
                cr_assert_eq(got, a->word[i], "%s binding %u word %zu: %u, not %u", text,
                             (unsigned)b, i, (unsigned)got, (unsigned)a->word[i]);
                continue;
            }
            double got;
            if (is_f64) {
                memcpy(&got, from, 8);
            } else {
                float f;
                memcpy(&f, from, 4);
                got = (double)f;
            }
            // twice: the reference rounds too where both are double
            const double bound = 2 * u * a->slack[i] + least;
            cr_assert(fabs(got - a->value[i]) <= bound,
                      "%s binding %u element %zu: %.9g, not %.9g (%.2g allowed)", text,
                      (unsigned)b, i, got, a->value[i], bound);
        }
    }
}

static void check_build(const zm_cpu_isa *isa)
{
    const bool is_f64 = isa->real == ZM_F64;
    for (uint32_t index = 0; index < kernel_case_count(); index++)
        for (uint32_t variant = 0; variant < KERNEL_VARIANTS; variant++)
            for (size_t g = 0; g < ZM_COUNT_OF(magnitudes); g++) {
                kernel_case k;
                char name[128], text[160];
                kernel_case_init(&k, index, variant, magnitudes[g]);
                kernel_case_name(&k, variant, magnitudes[g], name);
                snprintf(text, sizeof text, "%s %s", isa->name, name);
                memory once = memory_of(&k, is_f64), pieces = memory_of(&k, is_f64);
                const uint32_t cut[2] = {k.extent / 3, k.extent / 3 * 2 + k.extent % 3};
                run(&k, isa->kernels[k.kernel], &once, NULL, 0);
                run(&k, isa->kernels[k.kernel], &pieces, cut, 2);
                expect_guards(&k, &once, text);
                for (uint32_t b = 0; b < k.bindings; b++)
                    cr_assert_arr_eq(once.bytes[b], pieces.bytes[b], once.size[b],
                                     "%s depends on how the work is cut", text);
                kernel_reference(&k);
                expect_close(&k, &once, is_f64, text);
                memory_finish(&once);
                memory_finish(&pieces);
                kernel_case_finish(&k);
            }
}

static void check_named(const char *name)
{
    const zm_cpu_isa *isa;
    for (uint32_t i = 0; (isa = zm_cpu_isa_get(i)); i++)
        if (strcmp(isa->name, name) == 0)
            check_build(isa);
}

Test(kernels, double_precision_agrees_with_the_formulas)
{
    check_named("f64");
}

Test(kernels, portable_build_agrees_with_the_formulas)
{
    check_named("base");
}

Test(kernels, avx2_agrees_with_the_formulas)
{
    check_named("avx2");
}

Test(kernels, avx512_agrees_with_the_formulas)
{
    check_named("avx512");
}

Test(kernels, every_kernel_has_a_case)
{
    bool has[ZM_KERNEL_COUNT] = {false};
    for (uint32_t index = 0; index < kernel_case_count(); index++) {
        kernel_case k;
        kernel_case_init(&k, index, 0, 1);
        has[k.kernel] = true;
        cr_expect_eq(k.bindings, zm_kernel_get(k.kernel)->bindings, "%s",
                     zm_kernel_get(k.kernel)->name);
        kernel_case_finish(&k);
    }
    for (int i = 0; i < ZM_KERNEL_COUNT; i++) // matrix products: test_gemm.c
        cr_expect(has[i] || strncmp(zm_kernel_get((zm_kernel)i)->name, "linear", 6) == 0,
                  "%s has no case", zm_kernel_get((zm_kernel)i)->name);
}
