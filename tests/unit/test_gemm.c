// The three linear kernels in every build of the CPU backend against a plain double sum.
#include <criterion/criterion.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backends/cpu/cpu_isa.h"
#include "core/rng.h"

enum { TILE = 64, GUARD = 64 };
static const double poison = 12345.5;

typedef struct problem {
    zm_kernel kernel;
    uint32_t m, n, k; // of the product: c (m, n) = a (m, k) b (k, n)
    uint32_t act;
    bool flag; // has_bias or accumulate
} problem;

// Arrays of the build's real type, with guards round c.
typedef struct arrays {
    const zm_cpu_isa *isa;
    void *a, *b, *bias, *c, *scratch_block;
    void *scratch;
} arrays;

static size_t real_size(const zm_cpu_isa *isa)
{
    return zm_dtype_size(isa->real);
}

static double get(const zm_cpu_isa *isa, const void *p, size_t i)
{
    return isa->real == ZM_F64 ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

static void set(const zm_cpu_isa *isa, void *p, size_t i, double x)
{
    if (isa->real == ZM_F64)
        ((double *)p)[i] = x;
    else
        ((float *)p)[i] = (float)x;
}

static void *draw(const zm_cpu_isa *isa, size_t count, uint32_t object)
{
    void *p = malloc(count * real_size(isa));
    cr_assert(p);
    zm_rng rng = zm_rng_init(1, ZM_RNG_TEST, object, 0);
    for (size_t i = 0; i < count; i++)
        set(isa, p, i, 2.0 * (double)zm_rng_float(&rng) - 1.0);
    return p;
}

static arrays arrays_init(const zm_cpu_isa *isa, const problem *p)
{
    arrays x = {.isa = isa};
    x.a = draw(isa, (size_t)p->m * p->k, 1);
    x.b = draw(isa, (size_t)p->k * p->n, 2);
    x.bias = draw(isa, p->n, 3);
    const size_t count = (size_t)p->m * p->n + 2 * GUARD;
    x.c = draw(isa, count, 4);
    for (size_t i = 0; i < GUARD; i++) {
        set(isa, x.c, i, poison);
        set(isa, x.c, count - 1 - i, poison);
    }
    x.scratch_block = malloc(ZM_CPU_SCRATCH + 64);
    cr_assert(x.scratch_block);
    const uintptr_t address = (uintptr_t)x.scratch_block;
    x.scratch = (unsigned char *)x.scratch_block + (64 - address % 64);
    memset(x.scratch, 0xff, ZM_CPU_SCRATCH); // NaN: stale contents must not matter
    return x;
}

static void arrays_finish(arrays *x)
{
    free(x->a);
    free(x->b);
    free(x->bias);
    free(x->c);
    free(x->scratch_block);
}

static uint32_t tiles(const problem *p)
{
    return ((p->m + TILE - 1) / TILE) * ((p->n + TILE - 1) / TILE);
}

// Runs the kernel in the given number of pieces, last piece first.
static void run(const problem *p, const arrays *x, uint32_t pieces)
{
    void *c = (unsigned char *)x->c + GUARD * real_size(x->isa);
    uint32_t words[5] = {p->m, p->n, p->k, p->flag, p->act}; // linear_fwd
    zm_cpu_call call = {.bind = {x->a, x->b, x->bias, c},
                        .params = words,
                        .extent = {p->m, p->n},
                        .scratch = x->scratch};
    if (p->kernel == ZM_KERNEL_linear_bwd_input) { // dx (m, k) = dy (m, n) w (n, k)
        words[1] = p->k;
        words[2] = p->n;
        call.bind[2] = c;
    } else if (p->kernel == ZM_KERNEL_linear_bwd_weight) { // dw (n, k) = dy^T x
        words[0] = p->k;
        words[1] = p->m;
        words[2] = p->n;
        call.bind[2] = c;
    }
    for (uint32_t i = pieces; i > 0; i--)
        x->isa->kernels[p->kernel](&call, tiles(p) * (i - 1) / pieces,
                                   tiles(p) * i / pieces);
}

static double activate(double x, uint32_t act)
{
    switch (act) {
    case ZM_ACT_RELU:
        return x > 0 ? x : 0;
    case ZM_ACT_GELU:
        return 0.5 * x * (1 + erf(x * 0.70710678118654752));
    case ZM_ACT_SILU:
        return x / (1 + exp(-x));
    default:
        return x;
    }
}

// The output (i, j), and the sum of the magnitudes of its terms.
static double expected(const problem *p, const arrays *x, double before, uint32_t i,
                       uint32_t j, double *magnitude)
{
    const bool forward = p->kernel == ZM_KERNEL_linear_fwd;
    double sum = 0, size = 0;
    for (uint32_t q = 0; q < p->k; q++) {
        const size_t ia = p->kernel == ZM_KERNEL_linear_bwd_weight ? (size_t)q * p->m + i
                                                                   : (size_t)i * p->k + q;
        const size_t ib = forward ? (size_t)j * p->k + q : (size_t)q * p->n + j;
        const double term = get(x->isa, x->a, ia) * get(x->isa, x->b, ib);
        sum += term;
        size += fabs(term);
    }
    const double added = !p->flag ? 0 : forward ? get(x->isa, x->bias, j) : before;
    *magnitude = size + fabs(added) + 1e-30;
    return activate(sum + added, forward ? p->act : ZM_ACT_NONE);
}

static void check(const zm_cpu_isa *isa, const problem *p)
{
    arrays x = arrays_init(isa, p), before = arrays_init(isa, p);
    run(p, &x, 1);
    const char *name = zm_kernel_get(p->kernel)->name;
    for (size_t i = 0; i < GUARD; i++)
        cr_assert(get(isa, x.c, i) == poison &&
                      get(isa, x.c, (size_t)p->m * p->n + GUARD + i) == poison,
                  "%s %s: wrote outside c", isa->name, name);
    // blocked sums: a few roundings more than the longest chain of one block; activations
    // have slopes below 1.13
    const double eps = isa->real == ZM_F64 ? DBL_EPSILON : (double)FLT_EPSILON;
    const double bound = eps * (ZM_MIN(p->k, 256u) + p->k / 256u + 8);
    for (uint32_t i = 0; i < p->m; i++)
        for (uint32_t j = 0; j < p->n; j++) {
            const size_t at = (size_t)i * p->n + j + GUARD;
            double magnitude;
            const double want = expected(p, &x, get(isa, before.c, at), i, j, &magnitude);
            const double got = get(isa, x.c, at);
            cr_assert(fabs(got - want) <= bound * magnitude,
                      "%s %s (%u, %u, %u) act %u flag %d at (%u, %u): %.9g, want %.9g",
                      isa->name, name, p->m, p->n, p->k, p->act, (int)p->flag, i, j, got,
                      want);
        }
    arrays_finish(&x);
    arrays_finish(&before);
}

static const zm_kernel linear[3] = {ZM_KERNEL_linear_fwd, ZM_KERNEL_linear_bwd_input,
                                    ZM_KERNEL_linear_bwd_weight};

Test(gemm, matches_a_double_sum_for_shapes_across_the_tiles)
{
    const uint32_t sizes[] = {1, 2, 3, 7, 13, 16, 17, 31, 33, 63, 64, 65, 97, 131, 257};
    const uint32_t depths[] = {1, 2, 3, 5, 64, 67, 255, 256, 257, 509, 800};
    zm_rng rng = zm_rng_init(2, ZM_RNG_TEST, 0, 0);
    for (uint32_t b = 0; zm_cpu_isa_get(b); b++)
        for (int i = 0; i < 240; i++) {
            const problem p = {
                .kernel = linear[zm_rng_below(&rng, 3)],
                .m = sizes[zm_rng_below(&rng, ZM_COUNT_OF(sizes))],
                .n = sizes[zm_rng_below(&rng, ZM_COUNT_OF(sizes))],
                .k = depths[zm_rng_below(&rng, ZM_COUNT_OF(depths))],
                .act = zm_rng_below(&rng, 4),
                .flag = zm_rng_below(&rng, 2) != 0,
            };
            check(zm_cpu_isa_get(b), &p);
        }
}

Test(gemm, activations_match_for_one_row)
{
    for (uint32_t b = 0; zm_cpu_isa_get(b); b++)
        for (uint32_t act = ZM_ACT_NONE; act <= ZM_ACT_SILU; act++) {
            const problem p = {ZM_KERNEL_linear_fwd, 1, 1000, 777, act, true};
            check(zm_cpu_isa_get(b), &p);
        }
}

Test(gemm, does_not_depend_on_how_tiles_are_shared_out)
{
    const problem shapes[] = {{ZM_KERNEL_linear_fwd, 300, 203, 301, ZM_ACT_GELU, true},
                              {ZM_KERNEL_linear_bwd_input, 203, 300, 301, 0, true},
                              {ZM_KERNEL_linear_bwd_weight, 130, 391, 700, 0, true}};
    for (uint32_t b = 0; zm_cpu_isa_get(b); b++)
        for (size_t s = 0; s < ZM_COUNT_OF(shapes); s++) {
            const zm_cpu_isa *isa = zm_cpu_isa_get(b);
            const problem *p = &shapes[s];
            arrays whole = arrays_init(isa, p);
            run(p, &whole, 1);
            for (uint32_t pieces = 2; pieces <= tiles(p); pieces++) {
                arrays split = arrays_init(isa, p);
                run(p, &split, pieces);
                cr_assert(memcmp(whole.c, split.c,
                                 ((size_t)p->m * p->n + 2 * GUARD) * real_size(isa)) == 0,
                          "%s %s in %u pieces", isa->name, zm_kernel_get(p->kernel)->name,
                          pieces);
                arrays_finish(&split);
            }
            arrays_finish(&whole);
        }
}

Test(gemm, forward_rows_do_not_depend_on_the_batch)
{
    for (uint32_t b = 0; zm_cpu_isa_get(b); b++) {
        const zm_cpu_isa *isa = zm_cpu_isa_get(b);
        const problem full = {ZM_KERNEL_linear_fwd, 1000, 70, 600, ZM_ACT_SILU, true};
        arrays all = arrays_init(isa, &full);
        run(&full, &all, 3);
        for (uint32_t m = 1; m < full.m; m += m < 40 ? 1 : 97) {
            problem p = full;
            p.m = m; // the first rows of the same input
            arrays some = arrays_init(isa, &p);
            run(&p, &some, 1);
            cr_assert(memcmp(all.c, some.c, ((size_t)m * p.n + GUARD) * real_size(isa)) ==
                          0,
                      "%s: batch of %u", isa->name, m);
            arrays_finish(&some);
        }
        arrays_finish(&all);
    }
}
