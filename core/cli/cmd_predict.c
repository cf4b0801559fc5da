#include <stdio.h>
#include <stdlib.h>

#include "core/cli/cli.h"
#include "core/cli/predictions.h"
#include "core/cli/progress.h"
#include "core/train/predictor.h"

typedef struct predict_args {
    const char *model, *data, *out;
    uint32_t batch, heads;
} predict_args;

typedef struct job {
    const predict_args *args;
    const zm_options *options;
    zm_log log;
    zm_model *model;
    zm_dataset *ds;
    zm_gpu *gpu;
    zm_predictor *predictor;
    float *z;
    uint32_t *flags;
} job;

static zm_status open_all(job *j)
{
    const zm_common *common = &j->options->common;
    ZM_TRY(zm_model_load(j->args->model, j->args->heads, 0, &j->model));
    if (j->model->kind != ZM_MODEL_ASTROMAE)
        return ZM_FAIL(
            ZM_ERR_SHAPE,
            "%s: is a masked autoencoder, expected a fine-tuned redshift model",
            j->args->model);
    ZM_TRY(zm_dataset_open(j->args->data, zm_cli_helper(), &j->log, &j->ds));
    if (j->ds->count == 0 || j->ds->count > UINT32_MAX)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: %llu readable cutouts", j->ds->path,
                       (unsigned long long)j->ds->count);
    if (j->model->pre.recorded && j->model->pre.mag_kind != j->ds->mag_kind)
        zm_log_write(&j->log, ZM_LOG_WARN,
                     "%s: trained on %s magnitudes, the data have %s", j->args->model,
                     zm_mag_kind_name(j->model->pre.mag_kind),
                     zm_mag_kind_name(j->ds->mag_kind));
    if (j->model->simulated && !j->ds->simulated)
        zm_log_write(&j->log, ZM_LOG_WARN, "%s: was trained on a simulated sky",
                     j->args->model);
    ZM_TRY(zm_cli_open_gpu(common, &j->gpu));
    ZM_TRY(zm_params_allocate(&j->model->params, j->gpu, false));
    ZM_TRY(zm_params_upload(&j->model->params, j->model->host));
    const uint32_t batch = (uint32_t)ZM_MIN((uint64_t)j->args->batch, j->ds->count);
    ZM_TRY(
        zm_predictor_create(j->gpu, j->model, j->ds, batch, common->seed, &j->predictor));
    zm_log_write(&j->log, ZM_LOG_DEBUG, "%s: batch %u, %.1f MiB",
                 zm_gpu_caps(j->gpu)->name, zm_predictor_batch(j->predictor),
                 (double)zm_predictor_memory(j->predictor) / 1048576.0);
    j->z = zm_calloc(j->ds->count, sizeof *j->z);
    j->flags = zm_calloc(j->ds->count, sizeof *j->flags);
    return j->z && j->flags ? ZM_OK : ZM_FAIL(ZM_ERR_MEMORY, "no memory for the results");
}

static zm_status predict_all(job *j)
{
    const uint32_t count = (uint32_t)j->ds->count,
                   batch = zm_predictor_batch(j->predictor);
    uint32_t *rows = zm_calloc(batch, sizeof *rows);
    if (!rows)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for a batch");
    zm_progress progress =
        zm_progress_init("predict", "cutouts", 0, count, j->options->common.quiet);
    zm_status st = ZM_OK;
    for (uint32_t at = 0; at < count && st == ZM_OK; at += batch) {
        const uint32_t n = ZM_MIN(batch, count - at);
        for (uint32_t i = 0; i < n; i++)
            rows[i] = at + i;
        st = zm_predictor_submit(j->predictor, rows, n);
        if (st == ZM_OK)
            st = zm_gpu_wait(j->gpu);
        if (st == ZM_OK)
            st = zm_predictor_result(j->predictor, j->z + at, j->flags + at);
        zm_progress_set(&progress, at + n, NULL);
    }
    if (st == ZM_OK)
        zm_progress_finish(&progress);
    free(rows);
    return st;
}

static zm_status predict(const predict_args *args, const zm_options *options)
{
    job j = {.args = args, .options = options, .log = zm_cli_log(&options->common)};
    zm_status st = open_all(&j);
    if (st == ZM_OK)
        st = predict_all(&j);
    if (st == ZM_OK) {
        const zm_predictions table = {.ds = j.ds,
                                      .z_phot = j.z,
                                      .flags = j.flags,
                                      .model = args->model,
                                      .device = zm_gpu_caps(j.gpu),
                                      .simulated = j.model->simulated};
        st = zm_predictions_write(args->out, &table);
    }
    if (st == ZM_OK && j.ds->skipped > 0)
        st = ZM_FAIL(ZM_ERR_FORMAT, "%s: %llu inputs were skipped, %s holds the rest",
                     j.ds->path, (unsigned long long)j.ds->skipped, args->out);
    free(j.z);
    free(j.flags);
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
    predict_args a = {.batch = 128};
    const zm_option table[] = {
        {"model", ZM_OPT_STRING(&a.model), "FILE", "fine-tuned model", .required = true},
        {"data", ZM_OPT_STRING(&a.data), "FILE",
         "data set, cutout or directory of cutouts", .required = true},
        {"out", ZM_OPT_STRING(&a.out), "FILE",
         "table to write: FITS for *.fits, else CSV", .required = true},
        {"batch", ZM_OPT_U32(&a.batch, 1, 1 << 16), "N",
         "cutouts at a time; results do not depend on it"},
        {"heads", ZM_OPT_U32(&a.heads, 0, 256), "N", "encoder heads",
         .shown = "the model's"},
        {0},
    };
    zm_options options = {.verb = argv[0],
                          .summary = "Predicts redshifts of cutouts, in input order.",
                          .table = table};
    zm_status st = zm_options_parse(&options, argc, argv);
    if (st == ZM_OK)
        st = predict(&a, &options);
    zm_options_finish(&options);
    return zm_cli_exit(st);
}

const zm_verb zm_verb_predict = {"predict", "predict redshifts of cutouts", run};
