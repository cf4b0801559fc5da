#include "tests/model/train_tools.h"

#include <math.h>
#include <stdlib.h>

zm_model *zm_training_mae(bool pcm)
{
    zm_model *m = NULL;
    const zm_mae_config config = {.vit = {.image = 16,
                                          .patch = 4,
                                          .bands = ZM_BANDS,
                                          .width = 32,
                                          .depth = 2,
                                          .heads = 2,
                                          .pcm = pcm},
                                  .dec_width = 32,
                                  .dec_depth = 1,
                                  .dec_heads = 2,
                                  .mask_ratio = 0.5};
    expect_ok(zm_model_create_mae(&config, 21, &m));
    return m;
}

zm_model *zm_training_astromae(void)
{
    zm_model *m = NULL;
    const zm_vit_config config = {.image = 16,
                                  .patch = 4,
                                  .bands = ZM_BANDS,
                                  .width = 32,
                                  .depth = 1,
                                  .heads = 2,
                                  .pcm = true};
    const zm_astromae_config redshift = zm_astromae_default(&config);
    expect_ok(zm_model_create_astromae(&redshift, 22, &m));
    return m;
}

static void write_blobs(const char *path, uint32_t objects)
{
    enum { SIDE = 20 };
    static float image[ZM_BANDS * SIDE * SIDE];
    const zm_dataset_info info = {
        .count = objects, .height = SIDE, .width = SIDE, .origin = "blobs"};
    zm_dataset_writer *w = NULL;
    expect_ok(zm_dataset_writer_create(path, &info, &w));
    for (uint32_t i = 0; i < objects; i++) {
        const double x0 = 7 + i % 5 * 1.3, y0 = 8 + i % 3 * 1.7, r = 1.5 + i % 4 * 0.8;
        zm_row row = {
            .object_id = i, .z = 0.02f * (float)(i % 16), .ebv = 0, .label = -1};
        for (int b = 0; b < ZM_BANDS; b++) {
            row.mags[b] = 18.0f + (float)(i % 7) / 3 - (float)b / 4;
            for (int p = 0; p < SIDE * SIDE; p++) {
                const double dx = p % SIDE - x0, dy = p / SIDE - y0;
                image[b * SIDE * SIDE + p] = (float)((1.0 + 0.3 * b + i % 6 * 0.2) *
                                                     exp(-(dx * dx + dy * dy) / (r * r)));
            }
        }
        expect_ok(zm_dataset_writer_row(w, &row, image));
    }
    expect_ok(zm_dataset_writer_finish(&w));
}

void zm_training_begin(zm_training *t, zm_model *model, const zm_training_options *o)
{
    char path[TEST_PATH];
    *t = (zm_training){.model = model};
    zm_train_config config = o->train;
    const uint32_t threads = o->threads ? o->threads : 2;
    config.beta1 = config.beta1 > 0 ? config.beta1 : 0.9f;
    config.beta2 = config.beta2 > 0 ? config.beta2 : 0.95f;
    config.eps = 1e-8f;
    test_dir_create(t->dir);
    test_join(t->dir, "blobs.safetensors", path);
    write_blobs(path, o->objects ? o->objects : 16);
    for (int b = 0; b < ZM_BANDS; b++) { // magnitudes about 0, as a run would have them
        model->pre.mag_mean[b] = 18.0f;
        model->pre.mag_std[b] = 2.0f;
    }
    expect_ok(zm_gpu_open("cpu", &(zm_gpu_params){.threads = threads}, &t->gpu));
    expect_ok(zm_dataset_open(path, NULL, NULL, &t->ds));
    expect_ok(zm_order_init(&t->order, t->ds, model->kind == ZM_MODEL_ASTROMAE, 0,
                            o->shuffle, config.seed));
    expect_ok(
        zm_trainer_create(t->gpu, model, t->ds, &t->order, &config, NULL, &t->trainer));
}

void zm_training_end(zm_training *t)
{
    zm_trainer_destroy(&t->trainer);
    zm_model_destroy(&t->model);
    zm_order_finish(&t->order);
    zm_dataset_close(&t->ds);
    zm_gpu_destroy(&t->gpu);
    test_dir_remove(t->dir);
}

zm_step_result zm_training_step(zm_training *t)
{
    zm_step_result result;
    expect_ok(zm_trainer_step(t->trainer));
    expect_ok(zm_gpu_wait(t->gpu));
    expect_ok(zm_trainer_result(t->trainer, &result));
    return result;
}

float *zm_training_weights(zm_training *t)
{
    float *host = zm_calloc(zm_params_host_count(&t->model->params), sizeof *host);
    cr_assert(host);
    expect_ok(zm_params_download(&t->model->params, host));
    return host;
}
