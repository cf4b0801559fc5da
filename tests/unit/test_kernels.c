// The C twins, called directly: each instruction set that this machine has and the
// double-precision build, against the naive formulas of kernel_reference.c.
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "backends/cpu/cpu_isa.h"
#include "tests/unit/kernel_memory.h"

enum { GUARD = 64 };

// Runs the outputs in the pieces that cuts name: [0, cut[0]), [cut[0], cut[1]), ...
static void run(const kernel_case *k, zm_cpu_kernel *kernel, const kernel_memory *m,
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

static void check_build(const zm_cpu_isa *isa)
{
    const bool is_f64 = isa->real == ZM_F64;
    for (uint32_t index = 0; index < kernel_case_count(); index++)
        for (uint32_t variant = 0; variant < KERNEL_VARIANTS; variant++)
            for (size_t g = 0; g < ZM_COUNT_OF(kernel_magnitudes); g++) {
                kernel_case k;
                char name[128], text[160];
                kernel_case_init(&k, index, variant, kernel_magnitudes[g]);
                kernel_case_name(&k, variant, kernel_magnitudes[g], name);
                snprintf(text, sizeof text, "%s %s", isa->name, name);
                kernel_memory once, pieces;
                kernel_memory_init(&once, &k, is_f64, GUARD);
                kernel_memory_init(&pieces, &k, is_f64, GUARD);
                const uint32_t cut[2] = {k.extent / 3, k.extent / 3 * 2 + k.extent % 3};
                run(&k, isa->kernels[k.kernel], &once, NULL, 0);
                run(&k, isa->kernels[k.kernel], &pieces, cut, 2);
                kernel_memory_check_guards(&once, &k, text);
                for (uint32_t b = 0; b < k.bindings; b++)
                    cr_assert_arr_eq(once.bytes[b], pieces.bytes[b],
                                     once.size[b] + 2 * GUARD,
                                     "%s depends on how the work is cut", text);
                kernel_reference(&k);
                kernel_memory_check(&once, &k, text);
                kernel_memory_finish(&once);
                kernel_memory_finish(&pieces);
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
