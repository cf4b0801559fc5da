#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cli/cli.h"
#include "core/cli/paint.h"
#include "core/io/safetensors.h"
#include "core/train/predictor.h"

typedef struct reconstruct_args {
    const char *model, *data, *out;
    uint32_t count, batch, heads, dec_heads;
    bool norm_pix;
} reconstruct_args;

typedef struct job {
    const reconstruct_args *args;
    const zm_options *options;
    zm_model *model;
    zm_dataset *ds;
    zm_gpu *gpu;
    zm_predictor *predictor;
    uint32_t count, patches, values; // values of one patch
    float *errors, *pred, *target, *hidden;
    bool picture;
} job;

static zm_status open_all(job *j)
{
    const reconstruct_args *a = j->args;
    const zm_log log = zm_cli_log(&j->options->common);
    ZM_TRY(zm_model_load(a->model, a->heads, a->dec_heads ? a->dec_heads : a->heads,
                         &j->model));
    if (j->model->kind != ZM_MODEL_MAE)
        return ZM_FAIL(ZM_ERR_SHAPE, "%s: is a %s model, expected a masked autoencoder",
                       a->model, zm_model_kind_name(j->model->kind));
    if (a->norm_pix)
        j->model->mae.config.norm_pix = true;
    ZM_TRY(zm_dataset_open(a->data, zm_cli_helper(), &log, &j->ds));
    if (j->ds->count == 0)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: no readable cutout", j->ds->path);
    const uint64_t wanted = a->count ? a->count : j->picture ? 8 : UINT32_MAX;
    j->count = (uint32_t)ZM_MIN(wanted, j->ds->count);
    ZM_TRY(zm_cli_open_gpu(&j->options->common, &j->gpu));
    ZM_TRY(zm_params_allocate(&j->model->params, j->gpu, false));
    ZM_TRY(zm_params_upload(&j->model->params, j->model->host));
    ZM_TRY(zm_predictor_create(j->gpu, j->model, j->ds, ZM_MIN(a->batch, j->count),
                               j->options->common.seed, &j->predictor));
    const zm_vit_config *vit = zm_model_vit(j->model);
    j->patches = zm_vit_patches(vit);
    j->values = vit->patch * vit->patch * vit->bands;
    const uint64_t all = (uint64_t)j->count * j->patches;
    j->errors = zm_calloc(j->count, sizeof *j->errors);
    j->pred = zm_calloc(all, j->values * sizeof *j->pred);
    j->target = zm_calloc(all, j->values * sizeof *j->target);
    j->hidden = zm_calloc(all, sizeof *j->hidden);
    if (!j->errors || !j->pred || !j->target || !j->hidden)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for %u reconstructions", j->count);
    return ZM_OK;
}

static zm_status paint_all(job *j)
{
    const uint32_t batch = zm_predictor_batch(j->predictor);
    uint32_t *rows = zm_calloc(batch, sizeof *rows);
    if (!rows)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for a batch");
    zm_status st = ZM_OK;
    for (uint32_t at = 0; at < j->count && st == ZM_OK; at += batch) {
        const uint32_t n = ZM_MIN(batch, j->count - at);
        const size_t first = (size_t)at * j->patches;
        for (uint32_t i = 0; i < n; i++)
            rows[i] = at + i;
        st = zm_predictor_submit(j->predictor, rows, n);
        if (st == ZM_OK)
            st = zm_gpu_wait(j->gpu);
        if (st == ZM_OK)
            st = zm_predictor_result(j->predictor, j->errors + at, NULL);
        if (st == ZM_OK)
            st = zm_predictor_paint(j->predictor, j->pred + first * j->values,
                                    j->target + first * j->values, j->hidden + first);
    }
    free(rows);
    return st;
}

static float mean_error(const job *j)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < j->count; i++)
        sum += (double)j->errors[i];
    return (float)(sum / j->count);
}

static zm_status write_tensors(const job *j)
{
    const float loss = mean_error(j);
    const uint64_t one[] = {1}, pixels[] = {j->count, j->patches, j->values};
    const uint64_t all = (uint64_t)j->count * j->patches * sizeof(float);
    zm_st_writer *w = NULL;
    ZM_TRY(zm_st_writer_create(j->args->out, &w));
    zm_status st = zm_st_writer_declare(w, "loss", ZM_ST_F32, 1, one);
    if (st == ZM_OK)
        st = zm_st_writer_declare(w, "pred", ZM_ST_F32, 3, pixels);
    if (st == ZM_OK)
        st = zm_st_writer_declare(w, "mask", ZM_ST_F32, 2, pixels);
    if (st == ZM_OK)
        st = zm_st_writer_data(w, &loss, sizeof loss);
    if (st == ZM_OK)
        st = zm_st_writer_data(w, j->pred, all * j->values);
    if (st == ZM_OK)
        st = zm_st_writer_data(w, j->hidden, all);
    if (st == ZM_OK)
        return zm_st_writer_finish(&w);
    zm_st_writer_abort(&w);
    return st;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static zm_status reconstruct(const reconstruct_args *args, const zm_options *options)
{
    job j = {.args = args, .options = options, .picture = ends_with(args->out, ".png")};
    zm_status st = open_all(&j);
    if (st == ZM_OK)
        st = paint_all(&j);
    if (st == ZM_OK && j.picture) {
        const zm_vit_config *vit = zm_model_vit(j.model);
        const zm_painting painting = {.count = j.count,
                                      .grid = vit->image / vit->patch,
                                      .patch = vit->patch,
                                      .target = j.target,
                                      .pred = j.pred,
                                      .hidden = j.hidden};
        st = zm_paint_png(args->out, &painting);
    } else if (st == ZM_OK) {
        st = write_tensors(&j);
    }
    if (st == ZM_OK)
        printf("loss %.9g\n", (double)mean_error(&j));
    free(j.errors);
    free(j.pred);
    free(j.target);
    free(j.hidden);
    zm_predictor_destroy(&j.predictor);
    if (j.model)
        zm_params_finish_device(&j.model->params);
    zm_gpu_destroy(&j.gpu);
    zm_model_destroy(&j.model);
    zm_dataset_close(&j.ds);
    return st;
}

static int run(int argc, const char *const *argv)
{
    reconstruct_args a = {.batch = 64};
    const zm_option table[] = {
        {"model", ZM_OPT_STRING(&a.model), "FILE", "masked autoencoder",
         .required = true},
        {"data", ZM_OPT_STRING(&a.data), "FILE",
         "data set, cutout or directory of cutouts", .required = true},
        {"out", ZM_OPT_STRING(&a.out), "FILE",
         "a picture for *.png, else tensors (safetensors): loss, pred, mask",
         .required = true},
        {"count", ZM_OPT_U32(&a.count, 0, UINT32_MAX), "N", "objects",
         .shown = "8 in a picture, else all"},
        {"batch", ZM_OPT_U32(&a.batch, 1, 1 << 16), "N", "cutouts at a time"},
        {"norm-pix", ZM_OPT_FLAG(&a.norm_pix), NULL,
         "targets normalised patch by patch, where the model does not say"},
        {"heads", ZM_OPT_U32(&a.heads, 0, 256), "N", "heads of encoder and decoder",
         .shown = "the model's"},
        {"decoder-heads", ZM_OPT_U32(&a.dec_heads, 0, 256), "N", "decoder heads",
         .shown = "the model's"},
        {0},
    };
    zm_options options = {.verb = argv[0],
                          .summary =
                              "Shows what a masked autoencoder sees, hides and paints.",
                          .table = table};
    zm_status st = zm_options_parse(&options, argc, argv);
    if (st == ZM_OK)
        st = reconstruct(&a, &options);
    zm_options_finish(&options);
    return zm_cli_exit(st);
}

const zm_verb zm_verb_reconstruct = {
    "reconstruct", "what a masked autoencoder sees, hides and paints", run};
