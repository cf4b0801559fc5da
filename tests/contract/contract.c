// Order of work, tickets, programs, sizes. contract_errors.c has the refusals.
#include "tests/contract/contract.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/rng.h"
#include "tests/contract/contract_tools.h"

zm_status zm_contract_buffers_begin_as_zeros(zm_gpu *gpu)
{
    const uint64_t sizes[] = {4, 260, 4096, (1 << 20) + 4};
    for (int round = 0; round < 3; round++) // later rounds may get used memory
        for (size_t s = 0; s < ZM_COUNT_OF(sizes); s++) {
            const uint64_t size = sizes[s];
            zm_buf *buf = NULL;
            ZM_TRY(zm_buf_create(gpu, size, &buf));
            EXPECT(zm_buf_size(buf) == size, "size of a buffer");
            unsigned char *bytes = malloc((size_t)size);
            EXPECT(bytes, "memory");
            memset(bytes, 0xff, (size_t)size);
            ZM_TRY(zm_gpu_fetch(gpu, zm_buf_whole(buf), bytes));
            for (uint64_t i = 0; i < size; i++)
                EXPECT(bytes[i] == 0, "byte %llu of a new buffer is %u",
                       (unsigned long long)i, bytes[i]);
            memset(bytes, 0xff, (size_t)size);
            ZM_TRY(zm_gpu_upload(gpu, zm_buf_whole(buf), bytes));
            free(bytes);
            zm_buf_destroy(&buf);
            EXPECT(!buf, "destroy sets the handle to NULL");
        }
    return ZM_OK;
}

zm_status zm_contract_a_run_sees_the_upload_before_it_and_none_after(zm_gpu *gpu)
{
    enum { N = 3000, ROUNDS = 50 };
    zm_buf *x = NULL, *y[ROUNDS] = {0};
    ZM_TRY(make_reals(gpu, N, &x));
    for (int r = 0; r < ROUNDS; r++)
        ZM_TRY(make_reals(gpu, N, &y[r]));
    double values[N];
    for (int r = 0; r < ROUNDS; r++) {
        for (int i = 0; i < N; i++)
            values[i] = r + i;
        ZM_TRY(put_reals(gpu, x, N, values));
        const zm_dispatch twice =
            add(zm_buf_whole(x), zm_buf_whole(x), zm_buf_whole(y[r]), N);
        ZM_TRY(zm_gpu_run(gpu, &twice));
    }
    for (int r = 0; r < ROUNDS; r++) {
        ZM_TRY(get_reals(gpu, y[r], N, values));
        for (int i = 0; i < N; i++)
            EXPECT(values[i] == 2.0 * (r + i), "run %d, element %d: %g", r, i, values[i]);
        zm_buf_destroy(&y[r]);
    }
    zm_buf_destroy(&x);
    return ZM_OK;
}

zm_status zm_contract_tickets_give_the_bytes_of_their_time(zm_gpu *gpu)
{
    enum { N = 64, READS = 40 };
    zm_buf *buf = NULL;
    ZM_TRY(zm_buf_create(gpu, N * 4, &buf));
    zm_ticket tickets[READS];
    uint32_t words[N];
    for (uint32_t r = 0; r < READS; r++) {
        for (uint32_t i = 0; i < N; i++)
            words[i] = r * 1000 + i;
        ZM_TRY(zm_gpu_upload(gpu, zm_buf_whole(buf), words));
        ZM_TRY(zm_gpu_read(gpu, zm_buf_whole(buf), &tickets[r]));
        EXPECT(tickets[r] != 0, "a ticket is not 0");
    }
    zm_buf_destroy(&buf); // a ticket outlives the buffer
    ZM_TRY(zm_gpu_wait(gpu));
    for (uint32_t k = 0; k < READS; k++) {
        const uint32_t r = k * 7 % READS; // in another order than they were given
        ZM_TRY(zm_gpu_ready(gpu, tickets[r], words));
        for (uint32_t i = 0; i < N; i++)
            EXPECT(words[i] == r * 1000 + i, "read %u, word %u: %u", (unsigned)r,
                   (unsigned)i, (unsigned)words[i]);
        EXPECT(zm_gpu_ready(gpu, tickets[r], words) == ZM_ERR_USAGE,
               "a used ticket is refused");
    }
    return ZM_OK;
}

zm_status zm_contract_tickets_become_ready_without_a_wait(zm_gpu *gpu)
{
    enum { LIMIT_S = 60 };
    zm_buf *buf = NULL;
    ZM_TRY(zm_buf_create(gpu, 4, &buf));
    const uint32_t sent = 0xdecade;
    uint32_t got = 0;
    ZM_TRY(zm_gpu_upload(gpu, zm_buf_whole(buf), &sent));
    zm_ticket ticket = 0;
    ZM_TRY(zm_gpu_read(gpu, zm_buf_whole(buf), &ticket));
    const time_t start = time(NULL);
    zm_status st;
    while ((st = zm_gpu_ready(gpu, ticket, &got)) == ZM_PENDING)
        EXPECT(time(NULL) - start < LIMIT_S, "not ready after %d s", (int)LIMIT_S);
    ZM_TRY(st);
    EXPECT(got == sent, "read %x, sent %x", (unsigned)got, (unsigned)sent);
    zm_buf_destroy(&buf);
    return ZM_OK;
}

zm_status zm_contract_a_program_replays_many_times(zm_gpu *gpu)
{
    enum { N = 1000, REPLAYS = 500 };
    zm_buf *count = NULL, *next = NULL, *one = NULL;
    ZM_TRY(make_reals(gpu, N, &count));
    ZM_TRY(make_reals(gpu, N, &next));
    ZM_TRY(make_reals(gpu, N, &one));
    double values[N];
    for (int i = 0; i < N; i++)
        values[i] = 1;
    ZM_TRY(put_reals(gpu, one, N, values));
    zm_dispatch list[2] = {
        add(zm_buf_whole(count), zm_buf_whole(one), zm_buf_whole(next), N),
        copy(zm_buf_whole(next), zm_buf_whole(count), N)};
    zm_program *program = NULL;
    ZM_TRY(zm_gpu_compile(gpu, list, 2, &program));
    memset(list, 0xff, sizeof list); // the dispatches were copied
    for (int r = 0; r < REPLAYS; r++)
        ZM_TRY(zm_gpu_replay(gpu, program));
    ZM_TRY(get_reals(gpu, count, N, values));
    for (int i = 0; i < N; i++)
        EXPECT(values[i] == REPLAYS, "element %d counted %g replays", i, values[i]);
    zm_program_destroy(&program);
    EXPECT(!program, "destroy sets the handle to NULL");
    zm_buf_destroy(&count);
    zm_buf_destroy(&next);
    zm_buf_destroy(&one);
    return ZM_OK;
}

// One buffer of cells; every dispatch of the chain works on windows of whole cells that
// overlap those of others in all ways. The host does the same in order.
enum { CELL = 4096, CELLS = 10, CHAIN = 120 };

static void host_step(double *cells, const zm_dispatch *d, size_t real_bytes)
{
    const size_t n = d->extent[0];
    const double *x = cells + d->bind[0].offset / real_bytes;
    if (d->kernel == ZM_KERNEL_add) {
        const double *y = cells + d->bind[1].offset / real_bytes;
        double *z = cells + d->bind[2].offset / real_bytes;
        for (size_t i = 0; i < n; i++)
            z[i] = x[i] + y[i];
    } else {
        memcpy(cells + d->bind[1].offset / real_bytes, x, n * sizeof *cells);
    }
}

static double largest(const double *x, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = ZM_MAX(most, x[i]);
    return most;
}

// A random dispatch on windows of 1..3 cells; the written one is apart from the others.
static zm_dispatch random_step(zm_rng *rng, zm_buf *buf, size_t real_bytes, bool small)
{
    const uint32_t width = 1 + zm_rng_below(rng, 3);
    const uint32_t out = zm_rng_below(rng, CELLS - width + 1);
    uint32_t in[2];
    for (int i = 0; i < 2; i++)
        do
            in[i] = zm_rng_below(rng, CELLS - width + 1);
        while (in[i] + width > out && out + width > in[i]);
    zm_slice s[3];
    for (int i = 0; i < 3; i++)
        s[i] = (zm_slice){buf, (i < 2 ? in[i] : out) * (uint64_t)(CELL * real_bytes),
                          width * (uint64_t)(CELL * real_bytes)};
    if (small && zm_rng_below(rng, 3) != 0)
        return add(s[0], s[1], s[2], width * CELL);
    return copy(s[0], s[2], width * CELL);
}

static zm_status compare_chain(zm_gpu *gpu, zm_buf *buf, const double *want, int seed)
{
    static const size_t n = CELL * CELLS;
    double *got = zm_calloc(n, sizeof *got);
    EXPECT(got, "memory");
    ZM_TRY(get_reals(gpu, buf, n, got));
    for (size_t i = 0; i < n; i++)
        EXPECT(got[i] == want[i], "chain %d, element %zu: %.17g, in order it is %.17g",
               seed, i, got[i], want[i]);
    free(got);
    return ZM_OK;
}

zm_status zm_contract_hazards_between_dispatches_are_kept(zm_gpu *gpu)
{
    const size_t n = CELL * CELLS, real_bytes = zm_dtype_size(zm_gpu_caps(gpu)->real);
    double *cells = zm_calloc(n, sizeof *cells);
    zm_dispatch *list = zm_calloc(CHAIN, sizeof *list);
    zm_buf *buf = NULL;
    EXPECT(cells && list, "memory");
    ZM_TRY(make_reals(gpu, n, &buf));
    for (int seed = 0; seed < 8; seed++) {
        zm_rng rng = zm_rng_init((uint64_t)seed, ZM_RNG_TEST, 0, 0);
        for (size_t i = 0; i < n; i++)
            cells[i] = (double)zm_rng_below(&rng, 9);
        ZM_TRY(put_reals(gpu, buf, n, cells));
        for (int i = 0; i < CHAIN; i++) { // sums stay exact in single precision
            list[i] = random_step(&rng, buf, real_bytes, largest(cells, n) < 4e6);
            host_step(cells, &list[i], real_bytes);
        }
        if (seed % 2 == 0) {
            zm_program *program = NULL;
            ZM_TRY(zm_gpu_compile(gpu, list, CHAIN, &program));
            ZM_TRY(zm_gpu_replay(gpu, program));
            zm_program_destroy(&program);
        } else {
            for (int i = 0; i < CHAIN; i++)
                ZM_TRY(zm_gpu_run(gpu, &list[i]));
        }
        ZM_TRY(compare_chain(gpu, buf, cells, seed));
    }
    free(cells);
    free(list);
    zm_buf_destroy(&buf);
    return ZM_OK;
}

zm_status zm_contract_elements_beyond_one_grid_are_computed(zm_gpu *gpu)
{
    const size_t n = (size_t)ZM_MAX_GROUPS * 64 + 12345;
    zm_buf *x = NULL, *y = NULL;
    double *values = zm_calloc(n, sizeof *values);
    EXPECT(values, "memory");
    ZM_TRY(make_reals(gpu, n, &x));
    ZM_TRY(make_reals(gpu, n, &y));
    for (size_t i = 0; i < n; i++)
        values[i] = (double)(i % 1009);
    ZM_TRY(put_reals(gpu, x, n, values));
    const zm_dispatch d =
        add(zm_buf_whole(x), zm_buf_whole(x), zm_buf_whole(y), (uint32_t)n);
    ZM_TRY(zm_gpu_run(gpu, &d));
    ZM_TRY(get_reals(gpu, y, n, values));
    for (size_t i = 0; i < n; i++)
        EXPECT(values[i] == 2.0 * (double)(i % 1009), "element %zu: %g", i, values[i]);
    free(values);
    zm_buf_destroy(&x);
    zm_buf_destroy(&y);
    return ZM_OK;
}

static zm_status check_product(zm_gpu *gpu, uint32_t m, uint32_t n, uint32_t k)
{
    const size_t counts[4] = {(size_t)m * k, (size_t)n * k, n, (size_t)m * n};
    zm_buf *bufs[4] = {0};
    double *values[4];
    zm_dispatch d = {.kernel = ZM_KERNEL_linear_fwd, .extent = {m, n}};
    const struct zm_params_linear_fwd p = {m, n, k, 1, ZM_ACT_NONE};
    memcpy(d.params, &p, sizeof p);
    for (size_t b = 0; b < 4; b++) {
        values[b] = zm_calloc(counts[b], sizeof(double));
        EXPECT(values[b], "memory");
        ZM_TRY(make_reals(gpu, counts[b], &bufs[b]));
        for (size_t i = 0; i < counts[b]; i++) // small integers: sums are exact
            values[b][i] = (double)(i * (b + 3) % 7) - 3;
        ZM_TRY(put_reals(gpu, bufs[b], counts[b], values[b]));
        d.bind[b] = zm_buf_whole(bufs[b]);
    }
    ZM_TRY(zm_gpu_run(gpu, &d));
    ZM_TRY(get_reals(gpu, bufs[3], counts[3], values[3]));
    for (uint32_t i = 0; i < m; i++)
        for (uint32_t j = 0; j < n; j++) {
            double want = values[2][j];
            for (uint32_t q = 0; q < k; q++)
                want += values[0][(size_t)i * k + q] * values[1][(size_t)j * k + q];
            EXPECT(values[3][(size_t)i * n + j] == want,
                   "(%u, %u, %u) at (%u, %u): %g, want %g", m, n, k, i, j,
                   values[3][(size_t)i * n + j], want);
        }
    for (size_t b = 0; b < 4; b++) {
        free(values[b]);
        zm_buf_destroy(&bufs[b]);
    }
    return ZM_OK;
}

zm_status zm_contract_tiles_at_the_edges_are_computed(zm_gpu *gpu)
{
    const uint32_t sizes[] = {1, 63, 64, 65, 130};
    for (size_t i = 0; i < ZM_COUNT_OF(sizes); i++)
        for (size_t j = 0; j < ZM_COUNT_OF(sizes); j++)
            ZM_TRY(check_product(gpu, sizes[i], sizes[j], 17 + (uint32_t)(5 * i)));
    return ZM_OK;
}

zm_status zm_contract_every_aligned_slice_works(zm_gpu *gpu)
{
    const zm_caps *caps = zm_gpu_caps(gpu);
    EXPECT(caps->align > 0 && caps->align <= 256, "align is %llu",
           (unsigned long long)caps->align);
    const size_t real_bytes = zm_dtype_size(caps->real), step = (size_t)caps->align;
    enum { SLICES = 9 };
    zm_buf *x = NULL, *y = NULL;
    ZM_TRY(zm_buf_create(gpu, SLICES * step, &x));
    ZM_TRY(zm_buf_create(gpu, SLICES * step, &y));
    const size_t n = SLICES * step / real_bytes, each = step / real_bytes;
    double values[SLICES * 256 / 4];
    for (size_t i = 0; i < n; i++)
        values[i] = (double)i;
    ZM_TRY(put_reals(gpu, x, n, values));
    for (size_t s = 0; s < SLICES; s++) { // y's slices in the opposite order
        const zm_slice in = {x, s * step, step}, out = {y, (SLICES - 1 - s) * step, step};
        const zm_dispatch d = copy(in, out, (uint32_t)each);
        ZM_TRY(zm_gpu_run(gpu, &d));
    }
    ZM_TRY(get_reals(gpu, y, n, values));
    for (size_t i = 0; i < n; i++) {
        const size_t from = (SLICES - 1 - i / each) * each + i % each;
        EXPECT(values[i] == (double)from, "element %zu: %g", i, values[i]);
    }
    zm_buf_destroy(&x);
    zm_buf_destroy(&y);
    return ZM_OK;
}

zm_status zm_contract_large_buffers_work_to_the_end(zm_gpu *gpu)
{
    enum { N = 1000 };
    const zm_caps *caps = zm_gpu_caps(gpu);
    const uint64_t real_bytes = zm_dtype_size(caps->real);
    const uint64_t most = ZM_MIN(caps->max_binding, caps->max_buffer);
    const uint64_t size = ZM_MIN(most, (uint64_t)192 << 20) / 4096 * 4096;
    zm_buf *large = NULL, *small = NULL;
    ZM_TRY(zm_buf_create(gpu, size, &large));
    ZM_TRY(make_reals(gpu, N, &small));
    double values[N];
    for (int i = 0; i < N; i++)
        values[i] = i + 1;
    ZM_TRY(put_reals(gpu, small, N, values));
    const uint32_t last = (uint32_t)(size / real_bytes) - N;
    zm_dispatch out = copy(zm_buf_whole(small), zm_buf_whole(large), N);
    ((struct zm_params_copy *)(void *)out.params)->yo = last;
    ZM_TRY(zm_gpu_run(gpu, &out));
    memset(values, 0, sizeof values);
    ZM_TRY(put_reals(gpu, small, N, values));
    zm_dispatch back = copy(zm_buf_whole(large), zm_buf_whole(small), N);
    ((struct zm_params_copy *)(void *)back.params)->xo = last;
    ZM_TRY(zm_gpu_run(gpu, &back));
    ZM_TRY(get_reals(gpu, small, N, values));
    for (int i = 0; i < N; i++)
        EXPECT(values[i] == i + 1, "element %d from the end: %g", N - i, values[i]);
    zm_buf_destroy(&large);
    zm_buf_destroy(&small);
    return ZM_OK;
}

zm_status zm_contract_buffers_and_programs_go_while_work_is_in_flight(zm_gpu *gpu)
{
    enum { N = 1 << 18, REPLAYS = 20 };
    for (int round = 0; round < 5; round++) {
        zm_buf *x = NULL, *y = NULL;
        zm_program *program = NULL;
        ZM_TRY(make_reals(gpu, N, &x));
        ZM_TRY(make_reals(gpu, N, &y));
        const zm_dispatch list[2] = {
            add(zm_buf_whole(x), zm_buf_whole(x), zm_buf_whole(y), N),
            add(zm_buf_whole(y), zm_buf_whole(y), zm_buf_whole(x), N)};
        ZM_TRY(zm_gpu_compile(gpu, list, 2, &program));
        for (int r = 0; r < REPLAYS; r++)
            ZM_TRY(zm_gpu_replay(gpu, program));
        zm_ticket never_fetched = 0; // goes with the device
        ZM_TRY(zm_gpu_read(gpu, zm_buf_whole(x), &never_fetched));
        zm_program_destroy(&program);
        zm_buf_destroy(&x);
        zm_buf_destroy(&y);
    }
    return still_works(gpu);
}
