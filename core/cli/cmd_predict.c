#include <stdlib.h>

#include "core/cli/predictions.h"
#include "core/cli/progress.h"
#include "core/cli/session.h"

typedef struct predict_args {
    const char *model, *data, *out;
    uint32_t batch, heads;
} predict_args;

// The model, and what a user should know of it before trusting a redshift.
static zm_status load_model(const predict_args *args, zm_session *s)
{
    ZM_TRY(zm_model_load(args->model, args->heads, 0, &s->model));
    if (s->model->kind != ZM_MODEL_ASTROMAE)
        return ZM_FAIL(
            ZM_ERR_SHAPE,
            "%s: is a masked autoencoder, expected a fine-tuned redshift model",
            args->model);
    return ZM_OK;
}

static void warn_of_differences(const predict_args *args, const zm_session *s)
{
    const zm_preprocess *pre = &s->model->pre;
    if (pre->recorded && pre->mag_kind != s->ds->mag_kind)
        zm_log_write(&s->log, ZM_LOG_WARN,
                     "%s: trained on %s magnitudes, the data have %s", args->model,
                     zm_mag_kind_name(pre->mag_kind), zm_mag_kind_name(s->ds->mag_kind));
    if (s->model->simulated && !s->ds->simulated)
        zm_log_write(&s->log, ZM_LOG_WARN, "%s: was trained on a simulated sky",
                     args->model);
}

static zm_status predict_all(zm_session *s, bool quiet, float *z, uint32_t *flags)
{
    const uint32_t count = (uint32_t)s->ds->count;
    const uint32_t batch = zm_predictor_batch(s->predictor);
    zm_progress progress = zm_progress_init("predict", "cutouts", 0, count, quiet);
    for (uint32_t at = 0; at < count; at += batch) {
        const uint32_t n = ZM_MIN(batch, count - at);
        ZM_TRY(zm_session_predict(s, at, n, z + at, flags + at));
        zm_progress_set(&progress, at + n, NULL);
    }
    zm_progress_finish(&progress);
    return ZM_OK;
}

static zm_status predict_and_write(const predict_args *args, zm_session *s, bool quiet)
{
    float *z = zm_calloc(s->ds->count, sizeof *z);
    uint32_t *flags = zm_calloc(s->ds->count, sizeof *flags);
    zm_status st = z && flags ? predict_all(s, quiet, z, flags)
                              : ZM_FAIL(ZM_ERR_MEMORY, "no memory for the results");
    if (st == ZM_OK) {
        const zm_predictions table = {.ds = s->ds,
                                      .z_phot = z,
                                      .flags = flags,
                                      .model = args->model,
                                      .device = zm_gpu_caps(s->gpu),
                                      .simulated = s->model->simulated};
        st = zm_predictions_write(args->out, &table);
    }
    free(z);
    free(flags);
    return st == ZM_OK ? zm_session_skipped(s, args->out) : st;
}

static zm_status predict(const predict_args *args, const zm_common *common)
{
    zm_session s = {.log = zm_cli_log(common)};
    zm_status st = load_model(args, &s);
    if (st == ZM_OK)
        st = zm_session_open(&s, args->data, common, args->batch);
    if (st == ZM_OK) {
        warn_of_differences(args, &s);
        st = predict_and_write(args, &s, common->quiet);
    }
    zm_session_close(&s);
    return st;
}

static int run(int argc, const char *const *argv)
{
    predict_args a = {.batch = 128};
    const zm_option table[] = {
        {"model", ZM_OPT_STRING(&a.model), "FILE", "redshift model made by finetune",
         .required = true},
        {"data", ZM_OPT_STRING(&a.data), "FILE",
         "data set, cutout or directory of cutouts", .required = true},
        {"out", ZM_OPT_STRING(&a.out), "FILE",
         "table to write: FITS for *.fits, else CSV", .required = true},
        {"batch", ZM_OPT_U32(&a.batch, 1, 1 << 16), "N",
         "cutouts at a time; results do not depend on it"},
        {"heads", ZM_OPT_U32(&a.heads, 0, 256), "N", "attention heads of the encoder",
         .shown = "the model's"},
        {0},
    };
    static const char *const examples[] = {
        "Redshifts of a data set as CSV",
        "zmae predict --model run2/model.safetensors --data new.fits --out z.csv",
        "Of a directory of cutouts as a FITS table, on the second Vulkan device",
        "zmae predict --model run2/model.safetensors --data cutouts --out z.fits "
        "--device vulkan:1",
        NULL};
    zm_options options = {.verb = argv[0],
                          .summary = "Predicts redshifts of cutouts, in input order.",
                          .table = table,
                          .examples = examples};
    zm_status st = zm_options_parse(&options, argc, argv);
    if (st == ZM_OK)
        st = predict(&a, &options.common);
    zm_options_finish(&options);
    return zm_cli_exit(st);
}

const zm_verb zm_verb_predict = {"predict", "predict redshifts of cutouts", run};
