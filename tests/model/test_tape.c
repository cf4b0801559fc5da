// The tape: memory is shared only where it may be, failures stay.
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "core/ops/ops.h"
#include "core/rng.h"
#include "tests/unit/io_helpers.h"

enum { MAX_NODES = 60, CASES = 150 };

static zm_gpu *open_cpu(void)
{
    zm_gpu *gpu = NULL;
    expect_ok(zm_gpu_open("cpu", &(zm_gpu_params){.threads = 1}, &gpu));
    return gpu;
}

// A random graph of additions, activations and products on tensors of (n, n), gradients
// included, with one input.
typedef struct graph {
    zm_tape *tape;
    zm_tensor *input, *all[MAX_NODES];
    uint32_t n, count;
    zm_tensor *loss, *dinput;
} graph;

static graph record(zm_gpu *gpu, uint32_t seed, bool keep)
{
    zm_rng rng = zm_rng_init(seed, ZM_RNG_TEST, 77, 0);
    graph g = {.n = 1 + zm_rng_below(&rng, 40)};
    const uint32_t nodes = 2 + zm_rng_below(&rng, MAX_NODES - 2), dims[] = {g.n, g.n};
    expect_ok(zm_tape_create(gpu, true, &g.tape));
    g.input = zm_tape_input(g.tape, ZM_F32, 2, dims);
    zm_tape_want_grad(g.tape, g.input);
    g.all[g.count++] = g.input;
    while (g.count < nodes) {
        zm_tensor *a = g.all[zm_rng_below(&rng, g.count)];
        zm_tensor *b = g.all[zm_rng_below(&rng, g.count)], *y = NULL;
        switch (zm_rng_below(&rng, 4)) {
        case 0:
            y = zm_add(g.tape, a, b);
            break;
        case 1:
            y = zm_activation(g.tape, a, ZM_SILU);
            break;
        case 2:
            y = zm_linear(g.tape, zm_activation(g.tape, a, ZM_SILU), b, NULL, ZM_NONE);
            break;
        default:
            y = zm_reshape(g.tape, a, 2, dims);
        }
        cr_assert(y, "%s", zm_error_detail());
        if (keep)
            zm_tape_keep(g.tape, y);
        g.all[g.count++] = y;
    }
    zm_tensor *weight = zm_tape_input(g.tape, ZM_F32, 1, dims); // zeros would do nothing
    zm_tensor *last = g.all[g.count - 1];
    zm_tensor *scaled = zm_activation(g.tape, last, ZM_SILU);
    g.loss = zm_squared_error(g.tape, scaled, g.input, weight, 1.0f, 1.0f, NULL);
    zm_tape_backward(g.tape);
    g.dinput = g.input->grad;
    zm_tape_keep(g.tape, g.dinput);
    expect_ok(zm_tape_compile(g.tape));
    float *values = zm_calloc((uint64_t)g.n * g.n, sizeof *values);
    for (uint32_t i = 0; i < g.n * g.n; i++)
        values[i] = (2 * zm_rng_float(&rng) - 1) / (float)g.n;
    expect_ok(zm_gpu_upload(gpu, zm_tape_slice(g.tape, g.input), values));
    for (uint32_t i = 0; i < g.n; i++)
        values[i] = 1.0f;
    expect_ok(zm_gpu_upload(gpu, zm_tape_slice(g.tape, weight), values));
    free(values);
    return g;
}

static float *fetch(zm_gpu *gpu, const graph *g, const zm_tensor *t)
{
    float *values = zm_calloc(zm_tensor_count(t), sizeof *values);
    cr_assert(values);
    expect_ok(zm_gpu_fetch(gpu, zm_tape_slice(g->tape, t), values));
    return values;
}

static bool same_bytes(zm_gpu *gpu, const graph *a, const zm_tensor *x, const graph *b,
                       const zm_tensor *y)
{
    float *p = fetch(gpu, a, x), *q = fetch(gpu, b, y);
    const bool same = memcmp(p, q, zm_tensor_bytes(x)) == 0;
    free(p);
    free(q);
    return same;
}

// A value that another one overwrote while it was needed would change the result: every
// tensor with memory of its own gives the bits that must come out.
Test(tape, sharing_memory_changes_no_bit)
{
    zm_gpu *gpu = open_cpu();
    uint32_t smaller = 0, compared = 0;
    for (uint32_t seed = 0; seed < CASES; seed++) {
        graph shared = record(gpu, seed, false), apart = record(gpu, seed, true);
        for (int replay = 0; replay < 2; replay++) { // the second finds used memory
            expect_ok(zm_tape_replay(shared.tape));
            expect_ok(zm_tape_replay(apart.tape));
            cr_assert(same_bytes(gpu, &shared, shared.loss, &apart, apart.loss),
                      "graph %u", seed);
            if (shared.dinput && apart.dinput) {
                cr_assert(same_bytes(gpu, &shared, shared.dinput, &apart, apart.dinput),
                          "graph %u: gradient", seed);
                compared++;
            }
        }
        const uint64_t a = zm_tape_memory(shared.tape), b = zm_tape_memory(apart.tape);
        cr_expect_leq(a, b, "graph %u", seed);
        smaller += a < b;
        zm_tape_destroy(&shared.tape);
        zm_tape_destroy(&apart.tape);
    }
    cr_expect_gt(smaller, CASES / 2, "memory is shared in %u graphs only", smaller);
    cr_expect_gt(compared, CASES, "%u gradients compared", compared);
    zm_gpu_destroy(&gpu);
}

Test(tape, inference_takes_less_memory_than_training)
{
    zm_gpu *gpu = open_cpu();
    uint64_t bytes[2];
    for (int grads = 0; grads < 2; grads++) {
        zm_tape *tape = NULL;
        expect_ok(zm_tape_create(gpu, grads, &tape));
        zm_tensor *x = zm_tape_input(tape, ZM_F32, 2, (uint32_t[]){64, 64});
        zm_tensor *weight = zm_tape_input(tape, ZM_F32, 1, (uint32_t[]){64}), *h = x;
        zm_tape_want_grad(tape, x);
        for (int i = 0; i < 50; i++)
            h = zm_activation(tape, h, ZM_SILU);
        zm_squared_error(tape, h, x, weight, 1, 1, NULL);
        zm_tape_backward(tape);
        bytes[grads] = zm_tape_memory(tape);
        expect_ok(zm_tape_compile(tape));
        cr_expect_eq(zm_tape_memory(tape), bytes[grads], "the plan is what is allocated");
        zm_tape_destroy(&tape);
    }
    const uint64_t map = 64 * 64 * sizeof(float); // input, two maps, a few scalars
    cr_expect_leq(bytes[0], 3 * map + 4096, "%llu bytes", (unsigned long long)bytes[0]);
    cr_expect_geq(bytes[1], 50 * map, "every activation is needed again");
    zm_gpu_destroy(&gpu);
}

// Distinct places of everything that is kept, within what the plan says it takes.
Test(tape, kept_tensors_do_not_overlap_and_fit_the_plan)
{
    zm_gpu *gpu = open_cpu();
    for (uint32_t seed = 0; seed < 20; seed++) {
        graph g = record(gpu, seed, true);
        const uint64_t align = zm_gpu_caps(gpu)->align;
        uint64_t sum = 0;
        for (uint32_t i = 0; i < g.count; i++) {
            const zm_slice a = zm_tape_slice(g.tape, g.all[i]);
            bool view = false;
            cr_expect_eq(a.offset % align, 0);
            cr_expect_leq(a.offset + a.size, zm_buf_size(a.buf));
            for (uint32_t j = 0; j < i; j++) {
                const zm_slice b = zm_tape_slice(g.tape, g.all[j]);
                view = view || g.all[i]->value == g.all[j]->value;
                cr_expect(g.all[i]->value == g.all[j]->value || a.buf != b.buf ||
                              a.offset >= b.offset + b.size ||
                              b.offset >= a.offset + a.size,
                          "graph %u: tensors %u and %u", seed, i, j);
            }
            sum += view ? 0 : a.size;
        }
        cr_expect_geq(zm_tape_memory(g.tape), sum);
        zm_tape_destroy(&g.tape);
    }
    zm_gpu_destroy(&gpu);
}

Test(tape, the_first_failure_stays)
{
    zm_gpu *gpu = open_cpu();
    zm_tape *tape = NULL;
    expect_ok(zm_tape_create(gpu, true, &tape));
    zm_tensor *x = zm_tape_input(tape, ZM_F32, 2, (uint32_t[]){3, 4});
    zm_tensor *w = zm_tape_input(tape, ZM_F32, 2, (uint32_t[]){5, 6});
    cr_expect(zm_tape_ok(tape));
    cr_expect_null(zm_linear(tape, x, w, NULL, ZM_NONE));
    cr_expect_not(zm_tape_ok(tape));
    const size_t kernels = zm_tape_dispatches(tape);
    cr_expect_null(zm_add(tape, x, x), "NULL after a failure");
    cr_expect_null(zm_reshape(tape, x, 1, (uint32_t[]){11}));
    cr_expect_null(zm_tape_input(tape, ZM_F32, 1, (uint32_t[]){1}));
    cr_expect_null(zm_layernorm(tape, NULL, NULL, NULL, 1));
    zm_tape_backward(tape);
    cr_expect_eq(zm_tape_dispatches(tape), kernels, "nothing more is recorded");
    cr_expect_eq(zm_tape_memory(tape), 0);
    expect_status(zm_tape_compile(tape), ZM_ERR_SHAPE);
    expect_detail("linear");
    expect_detail("(5, 6)");
    expect_status(zm_tape_replay(tape), ZM_ERR_USAGE);
    zm_tape_destroy(&tape);
    cr_expect_null(tape);
    zm_tape_destroy(&tape);
    zm_gpu_destroy(&gpu);
}

// What each op says of shapes that do not fit; none of them crashes on NULL.
Test(tape, shapes_that_do_not_fit_are_refused)
{
    zm_gpu *gpu = open_cpu();
    for (int op = 0; op < 12; op++) {
        zm_tape *tape = NULL;
        expect_ok(zm_tape_create(gpu, true, &tape));
        zm_tensor *a = zm_tape_input(tape, ZM_F32, 2, (uint32_t[]){3, 4});
        zm_tensor *b = zm_tape_input(tape, ZM_F32, 2, (uint32_t[]){4, 3});
        zm_tensor *t = zm_tape_input(tape, ZM_F32, 3, (uint32_t[]){2, 3, 5});
        zm_tensor *m = zm_tape_input(tape, ZM_F32, 4, (uint32_t[]){1, 3, 3, 2});
        zm_tensor *const parts[] = {a, b};
        zm_tensor *y = a;
        switch (op) {
        case 0:
            y = zm_add(tape, a, b);
            break;
        case 1:
            y = zm_attention(tape, t, 1);
            break;
        case 2:
            y = zm_layernorm(tape, a, b, b, 1e-6f);
            break;
        case 3:
            y = zm_tokens_drop(tape, t, 3);
            break;
        case 4:
            y = zm_tokens_add(tape, t, a, 1);
            break;
        case 5:
            y = zm_concat(tape, parts, 2);
            break;
        case 6:
            y = zm_flatten_channels(tape, t);
            break;
        case 7:
            y = zm_conv2d(tape, m, m, a);
            break;
        case 8:
            y = zm_avgpool2(tape, m);
            break;
        case 9:
            y = zm_maxpool3(tape, a);
            break;
        case 10:
            y = zm_squared_error(tape, a, t, a, 1, 1, NULL);
            break;
        default:
            y = zm_grouped_linear(tape, a, b, b, 3);
            break;
        }
        cr_expect_null(y, "op %d", op);
        expect_status(zm_tape_compile(tape), ZM_ERR_SHAPE);
        zm_tape_destroy(&tape);
    }
    zm_gpu_destroy(&gpu);
}

Test(tape, sizes_that_overflow_are_refused)
{
    zm_gpu *gpu = open_cpu();
    static const struct {
        uint32_t dims[4];
        zm_status expected;
    } bad[] = {{{0, 4, 4, 4}, ZM_ERR_SHAPE},
               {{65536, 65536, 1, 1}, ZM_ERR_MEMORY},
               {{UINT32_MAX, 2, 1, 1}, ZM_ERR_MEMORY},
               {{UINT32_MAX, 2, 1, 0}, ZM_ERR_SHAPE},
               {{1, 1, 1, 0}, ZM_ERR_SHAPE}};
    for (size_t i = 0; i < ZM_COUNT_OF(bad); i++) {
        zm_tape *tape = NULL;
        expect_ok(zm_tape_create(gpu, false, &tape));
        cr_expect_null(zm_tape_input(tape, ZM_F32, 4, bad[i].dims));
        expect_status(zm_tape_compile(tape), bad[i].expected);
        zm_tape_destroy(&tape);
    }
    zm_tape *empty = NULL;
    expect_ok(zm_tape_create(gpu, false, &empty));
    expect_status(zm_tape_compile(empty), ZM_ERR_USAGE);
    zm_tape_destroy(&empty);
    zm_gpu_destroy(&gpu);
}

// A batch that one dispatch cannot hold is a want of memory: callers halve it.
Test(tape, too_many_outputs_of_a_kernel_ask_for_a_smaller_batch)
{
    zm_gpu *gpu = open_cpu();
    const uint32_t most = 65535 * 64; // rows of a linear layer, in tiles of 64
    for (uint32_t more = 0; more < 2; more++) {
        zm_tape *tape = NULL;
        expect_ok(zm_tape_create(gpu, false, &tape));
        zm_tensor *x = zm_tape_input(tape, ZM_F32, 2, (uint32_t[]){most + more, 1});
        zm_tensor *w = zm_tape_input(tape, ZM_F32, 2, (uint32_t[]){1, 1});
        zm_linear(tape, x, w, NULL, ZM_NONE);
        expect_status(zm_tape_compile(tape), more ? ZM_ERR_MEMORY : ZM_OK);
        zm_tape_destroy(&tape);
    }
    zm_gpu_destroy(&gpu);
}
