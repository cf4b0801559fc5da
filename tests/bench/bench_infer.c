// Inference throughput of AstroMAE pcm, for interleaved comparison with a peer.
//
//   bench_infer [--batch B] [--samples N] [--device SPEC] [--threads T]
//
// For every newline on standard input takes N samples [1], each answered by a line
// "images_per_s X"; a sample lasts at least half a second. Weights, images and magnitudes
// are random.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/ops/ops.h"
#include "core/rng.h"
#include "core/train/model.h"

typedef struct bench {
    zm_gpu *gpu;
    zm_model *model;
    zm_tape *tape;
    zm_tensor *image, *mags, *all, *out;
    uint32_t batch;
} bench;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static zm_status upload_random(const bench *b, zm_tensor *to)
{
    const uint64_t n = zm_tensor_count(to);
    float *values = zm_calloc(n, sizeof *values);
    if (!values)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for inputs");
    zm_rng rng = zm_rng_init(1, ZM_RNG_TEST, (uint32_t)n, 0);
    for (uint64_t i = 0; i < n; i++)
        values[i] = 2.0f * zm_rng_float(&rng) - 1.0f;
    const zm_status st = zm_gpu_upload(b->gpu, zm_tape_slice(b->tape, to), values);
    free(values);
    return st;
}

static zm_status upload_numbers(const bench *b)
{
    const uint64_t n = zm_tensor_count(b->all);
    uint32_t *values = zm_calloc(n, sizeof *values);
    if (!values)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for inputs");
    for (uint64_t i = 0; i < n; i++)
        values[i] = (uint32_t)(i % b->all->dim[1]);
    const zm_status st = zm_gpu_upload(b->gpu, zm_tape_slice(b->tape, b->all), values);
    free(values);
    return st;
}

static zm_status prepare(bench *b, const char *device, uint32_t threads)
{
    const zm_gpu_params params = {.threads = threads};
    const zm_mae_config config = zm_mae_default(true);
    const uint32_t patches = zm_vit_patches(&config.vit), size = config.vit.image;
    ZM_TRY(zm_gpu_open(device, &params, &b->gpu));
    const zm_astromae_config redshift = zm_astromae_default(&config.vit);
    ZM_TRY(zm_model_create_astromae(&redshift, 1, &b->model));
    ZM_TRY(zm_params_allocate(&b->model->params, b->gpu, false));
    ZM_TRY(zm_params_upload(&b->model->params, b->model->host));
    ZM_TRY(zm_tape_create(b->gpu, false, &b->tape));
    b->image =
        zm_tape_input(b->tape, ZM_F32, 4, (uint32_t[]){b->batch, size, size, ZM_BANDS});
    b->mags = zm_tape_input(b->tape, ZM_F32, 2, (uint32_t[]){b->batch, ZM_BANDS});
    b->all = zm_tape_input(b->tape, ZM_U32, 2, (uint32_t[]){b->batch, patches});
    b->out = zm_astromae_forward(b->tape, &b->model->params, &b->model->astromae,
                                 b->image, b->mags, b->all, false);
    zm_tape_keep(b->tape, b->out);
    ZM_TRY(zm_tape_compile(b->tape));
    ZM_TRY(upload_random(b, b->image));
    ZM_TRY(upload_random(b, b->mags));
    return upload_numbers(b);
}

static zm_status sample(const bench *b, double *images_per_s)
{
    enum { LEAST_MS = 500 };
    const double start = now_s();
    double end = start;
    uint64_t images = 0;
    while (end - start < LEAST_MS / 1000.0) {
        ZM_TRY(zm_tape_replay(b->tape));
        ZM_TRY(zm_gpu_wait(b->gpu));
        images += b->batch;
        end = now_s();
    }
    *images_per_s = (double)images / (end - start);
    return ZM_OK;
}

int main(int argc, char **argv)
{
    bench b = {.batch = 64};
    const char *device = "cpu";
    uint32_t samples = 1, threads = 0;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--batch") == 0)
            b.batch = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--samples") == 0)
            samples = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--device") == 0)
            device = argv[i + 1];
        else if (strcmp(argv[i], "--threads") == 0)
            threads = (uint32_t)strtoul(argv[i + 1], NULL, 10);
    }
    zm_status st = prepare(&b, device, threads);
    double speed;
    if (st == ZM_OK)
        st = sample(&b, &speed); // warm-up
    while (st == ZM_OK && getchar() != EOF)
        for (uint32_t i = 0; i < samples && st == ZM_OK; i++) {
            st = sample(&b, &speed);
            printf("images_per_s %.3f\n", speed);
            fflush(stdout);
        }
    if (st != ZM_OK)
        fprintf(stderr, "bench_infer: %s\n", zm_error_detail());
    zm_tape_destroy(&b.tape);
    zm_model_destroy(&b.model);
    zm_gpu_destroy(&b.gpu);
    return zm_status_exit(st);
}
