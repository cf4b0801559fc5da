// Speed of the linear kernels through the GPU surface: GFLOP/s for the shapes of the
// models. Usage: bench_gemm [device] [threads]
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/gpu_impl.h"
#include "core/kernel_structs.h"

typedef struct shape {
    zm_kernel kernel;
    uint32_t m, n, k; // as in the parameters: x (m, k), w (n, k), y (m, n)
} shape;

static const shape shapes[] = {
    {ZM_KERNEL_linear_fwd, 1088, 576, 192},
    {ZM_KERNEL_linear_fwd, 1088, 192, 192},
    {ZM_KERNEL_linear_fwd, 1088, 768, 192},
    {ZM_KERNEL_linear_fwd, 1088, 192, 768},
    {ZM_KERNEL_linear_fwd, 65536, 16, 800},
    {ZM_KERNEL_linear_fwd, 64, 1024, 3216},
    {ZM_KERNEL_linear_fwd, 17, 576, 192},
    {ZM_KERNEL_linear_fwd, 17, 192, 768},
    {ZM_KERNEL_linear_fwd, 1, 1024, 3216},
    {ZM_KERNEL_linear_fwd, 1024, 1024, 1024},
    {ZM_KERNEL_linear_bwd_input, 1088, 576, 192},
    {ZM_KERNEL_linear_bwd_input, 1088, 192, 768},
    {ZM_KERNEL_linear_bwd_input, 65536, 16, 800},
    {ZM_KERNEL_linear_bwd_weight, 1088, 576, 192},
    {ZM_KERNEL_linear_bwd_weight, 1088, 192, 768},
    {ZM_KERNEL_linear_bwd_weight, 65536, 16, 800},
    {ZM_KERNEL_linear_bwd_weight, 64, 1024, 3216},
};

static double now_s(void)
{
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static zm_status make_buffer(zm_gpu *gpu, uint64_t count, zm_buf **out)
{
    const uint64_t bytes = count * zm_dtype_size(zm_gpu_caps(gpu)->real);
    ZM_TRY(zm_buf_create(gpu, bytes, out));
    void *zeros = zm_calloc(1, bytes); // writing makes the pages real
    if (!zeros)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory");
    const zm_status st = zm_gpu_upload(gpu, zm_buf_whole(*out), zeros);
    free(zeros);
    return st;
}

// Best of several rounds, in seconds for one product.
static zm_status time_dispatch(zm_gpu *gpu, const zm_dispatch *d, double flops,
                               double *best_s)
{
    const int repeats = 1 + (int)(2e9 / flops);
    *best_s = 1e30;
    for (int round = 0; round < 10; round++) {
        const double start_s = now_s();
        for (int i = 0; i < repeats; i++)
            ZM_TRY(zm_gpu_run(gpu, d));
        ZM_TRY(zm_gpu_wait(gpu));
        const double each_s = (now_s() - start_s) / repeats;
        *best_s = ZM_MIN(*best_s, each_s);
    }
    return ZM_OK;
}

static zm_status bench(zm_gpu *gpu, const shape *s)
{
    const uint64_t x = (uint64_t)s->m * s->k, w = (uint64_t)s->n * s->k,
                   y = (uint64_t)s->m * s->n;
    const uint64_t counts[3][4] = {{x, w, s->n, y}, {y, w, x, 0}, {y, x, w, 0}};
    const uint32_t extents[3][2] = {{s->m, s->n}, {s->m, s->k}, {s->n, s->k}};
    const uint32_t which = s->kernel == ZM_KERNEL_linear_fwd         ? 0
                           : s->kernel == ZM_KERNEL_linear_bwd_input ? 1
                                                                     : 2;
    const uint32_t bindings = zm_kernel_get(s->kernel)->bindings;
    zm_dispatch d = {.kernel = s->kernel,
                     .extent = {extents[which][0], extents[which][1]}};
    struct zm_params_linear_fwd *p = (void *)d.params; // the others begin alike
    *p = (struct zm_params_linear_fwd){.m = s->m, .n = s->n, .k = s->k};
    zm_buf *bufs[4] = {0};
    zm_status st = ZM_OK;
    for (uint32_t i = 0; i < bindings && st == ZM_OK; i++) {
        st = make_buffer(gpu, counts[which][i], &bufs[i]);
        if (st == ZM_OK)
            d.bind[i] = zm_buf_whole(bufs[i]);
    }
    const double flops = 2.0 * (double)s->m * (double)s->n * (double)s->k;
    double each_s = 0;
    if (st == ZM_OK)
        st = time_dispatch(gpu, &d, flops, &each_s);
    if (st == ZM_OK)
        printf("%-20s %6u %6u %6u %9.2f us %8.1f GFLOP/s\n",
               zm_kernel_get(s->kernel)->name, s->m, s->n, s->k, 1e6 * each_s,
               1e-9 * flops / each_s);
    for (uint32_t i = 0; i < bindings; i++)
        zm_buf_destroy(&bufs[i]);
    return st;
}

int main(int argc, char **argv)
{
    const zm_gpu_params params = {
        .threads = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0};
    zm_gpu *gpu = NULL;
    zm_status st = zm_gpu_open(argc > 1 ? argv[1] : "cpu", &params, &gpu);
    if (st == ZM_OK)
        printf("%s, %s %s, %u threads\n", zm_gpu_caps(gpu)->name,
               zm_gpu_caps(gpu)->backend, zm_gpu_caps(gpu)->isa,
               zm_gpu_caps(gpu)->threads);
    for (size_t i = 0; i < ZM_COUNT_OF(shapes) && st == ZM_OK; i++)
        st = bench(gpu, &shapes[i]);
    if (st != ZM_OK)
        fprintf(stderr, "bench_gemm: %s: %s\n", zm_status_name(st), zm_error_detail());
    zm_gpu_destroy(&gpu);
    return zm_status_exit(st);
}
