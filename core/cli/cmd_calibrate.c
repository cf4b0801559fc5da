#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cli/progress.h"
#include "core/cli/session.h"
#include "core/train/calibrate.h"

typedef struct calibrate_args {
    const char *model, *data, *out, *method;
    uint32_t batch, heads;
} calibrate_args;

// What the model says of the objects with a redshift and an image.
typedef struct held_out {
    float *outputs; // (count, outputs of the head)
    float *z;       // (count)
    uint64_t count;
} held_out;

static zm_status load_model(const calibrate_args *args, zm_session *s)
{
    ZM_TRY(zm_model_load(args->model, args->heads, 0, &s->model));
    const zm_head *head = zm_model_head(s->model);
    if (!head || head->kind == ZM_HEAD_POINT)
        return ZM_FAIL(ZM_ERR_SHAPE,
                       "%s: is a%s, expected a redshift model with a pdf or gauss head: "
                       "only a distribution can be calibrated",
                       args->model, head ? " regression model" : "n autoencoder");
    return ZM_OK;
}

// Before the long work, which would find out as well.
static zm_status check_labels(const zm_session *s)
{
    uint64_t labelled = 0;
    for (uint64_t i = 0; i < s->ds->count; i++)
        labelled += isfinite(s->ds->rows[i].z) ? 1 : 0;
    if (labelled >= ZM_CALIBRATE_MIN_OBJECTS)
        return ZM_OK;
    return ZM_FAIL(ZM_ERR_FORMAT,
                   "%s: expected at least %d objects of known redshift to calibrate on, "
                   "found %llu",
                   s->ds->path, ZM_CALIBRATE_MIN_OBJECTS, (unsigned long long)labelled);
}

// Keeps the labelled ones of a batch.
static void keep(held_out *held, const zm_session *s, uint32_t first, uint32_t n,
                 const float *values, const uint32_t *flags)
{
    const size_t width = zm_head_outputs(zm_model_head(s->model));
    for (uint32_t i = 0; i < n; i++) {
        const float z = s->ds->rows[first + i].z;
        if (!isfinite(z) || flags[i] & (ZM_FLAG_NO_IMAGE | ZM_FLAG_BAD_ROW))
            continue;
        for (size_t k = 0; k < width; k++)
            held->outputs[held->count * width + k] = values[i * width + k];
        held->z[held->count++] = z;
    }
}

static zm_status predict_into(zm_session *s, bool quiet, float *values, uint32_t *flags,
                              held_out *held)
{
    const uint32_t count = (uint32_t)s->ds->count;
    const uint32_t batch = zm_predictor_batch(s->predictor);
    zm_progress progress = zm_progress_init("calibrate", "cutouts", 0, count, quiet);
    for (uint32_t at = 0; at < count; at += batch) {
        const uint32_t n = ZM_MIN(batch, count - at);
        ZM_TRY(zm_session_predict(s, at, n, values, flags));
        keep(held, s, at, n, values, flags);
        zm_progress_set(&progress, at + n, NULL);
    }
    zm_progress_finish(&progress);
    return ZM_OK;
}

static zm_status predict_held_out(zm_session *s, bool quiet, held_out *held)
{
    const uint64_t width = zm_head_outputs(zm_model_head(s->model));
    const uint64_t batch = zm_predictor_batch(s->predictor);
    held->outputs = zm_calloc(s->ds->count * width, sizeof *held->outputs);
    held->z = zm_calloc(s->ds->count, sizeof *held->z);
    float *values = zm_calloc(batch * width, sizeof *values);
    uint32_t *flags = zm_calloc(batch, sizeof *flags);
    zm_status st = held->outputs && held->z && values && flags
                       ? predict_into(s, quiet, values, flags, held)
                       : ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for %llu predictions",
                                 s->ds->path, (unsigned long long)s->ds->count);
    free(values);
    free(flags);
    return st;
}

static void report(const zm_calibration *c, const zm_calibrate_report *r)
{
    const unsigned long long objects = c->objects;
    if (c->kind == ZM_CALIBRATION_NONE) {
        printf("no calibration; KS of the PIT of %llu objects to the uniform law: %.4f\n",
               objects, r->before);
        return;
    }
    printf("%s calibration on %llu objects, temperature %.4f\n"
           "KS of the PIT to the uniform law, 0 = calibrated\n"
           "%.4f before\n"
           "%.4f after, in-sample: on the objects that it was learnt on\n",
           zm_calibration_name(c->kind), objects, c->temperature, r->before, r->after);
    if (!isnan(r->crossed))
        printf("%.4f after, not in-sample: each half under a calibration learnt on the "
               "other, mean of both (chance alone gives %.4f on average)\n",
               r->crossed, r->chance);
}

static zm_status fit_and_save(const calibrate_args *args, zm_session *s,
                              const held_out *held)
{
    zm_calibration_kind kind;
    zm_calibration calibration;
    zm_calibrate_report r;
    const zm_calibrate_sample sample = {.head = zm_model_head(s->model),
                                        .outputs = held->outputs,
                                        .z = held->z,
                                        .count = held->count};
    ZM_TRY(zm_calibration_parse(args->method, &kind));
    ZM_TRY(zm_error_context(zm_calibrate_fit(&sample, kind, &calibration), "%s",
                            args->data));
    ZM_TRY(zm_calibrate_assess(&sample, &calibration, &r));
    s->model->calibration = calibration;
    ZM_TRY(zm_model_save(s->model, args->out));
    report(&calibration, &r);
    return ZM_OK;
}

static zm_status calibrate(const calibrate_args *args, const zm_common *common)
{
    zm_session s = {.log = zm_cli_log(common)};
    held_out held = {0};
    zm_status st = load_model(args, &s);
    if (st == ZM_OK)
        st = zm_session_open(&s, args->data, common, args->batch);
    if (st == ZM_OK)
        st = strcmp(args->method, "none") == 0 ? ZM_OK : check_labels(&s);
    if (st == ZM_OK)
        st = predict_held_out(&s, common->quiet, &held);
    if (st == ZM_OK)
        st = fit_and_save(args, &s, &held);
    if (st == ZM_OK)
        st = zm_session_skipped(&s, args->out);
    free(held.outputs);
    free(held.z);
    zm_session_close(&s);
    return st;
}

// The manual page beyond the options.
static const zm_detail details[] = {
    {NULL, "A distribution is calibrated where the true redshift lies below its q-th "
           "quantile for a part q of all objects. temperature divides the logits of a "
           "histogram by one number, or multiplies the width of a normal law by it; "
           "quantile does this and maps the cumulative distribution so that the values "
           "F(z_spec) of the held-out objects are uniform. The calibration is stored in "
           "the model, and predict applies it."},
    {NULL,
     "At least 100 objects with redshifts are needed; thousands are better. They "
     "must not be those that the model was trained on, nor those that it is judged "
     "by. What is printed is the largest distance of F(z_spec) from the uniform law: "
     "before, after on the same objects, and after with each half judged under a "
     "calibration that was learnt on the other, which is the one to believe."},
    {0}};

static int run(int argc, const char *const *argv)
{
    calibrate_args a = {.batch = 128, .method = "quantile"};
    const zm_option table[] = {
        {"model", ZM_OPT_STRING(&a.model), "FILE",
         "redshift model with a pdf or gauss head", .required = true},
        {"data", ZM_OPT_STRING(&a.data), "FILE",
         "cutouts with redshifts that the model was not trained on", .required = true},
        {"out", ZM_OPT_STRING(&a.out), "FILE", "the calibrated model", .required = true},
        {"method", ZM_OPT_CHOICE(&a.method, "temperature|quantile|none"), "NAME",
         "temperature: widen or narrow all alike; quantile: that, and a map of the "
         "cumulative distribution; none: take a calibration away"},
        {"batch", ZM_OPT_U32(&a.batch, 1, 1 << 16), "N",
         "cutouts at a time; results do not depend on it"},
        {"heads", ZM_OPT_U32(&a.heads, 0, 256), "N", "attention heads of the encoder",
         .shown = "the model's"},
        {0},
    };
    static const char *const examples[] = {
        "Calibrate on galaxies that took no part in the training",
        "zmae calibrate --model run2/model.safetensors --data held-out.fits "
        "--out calibrated.safetensors",
        NULL};
    zm_options options = {.verb = argv[0],
                          .summary = "Makes redshift distributions mean what they say, "
                                     "from objects held out of the training.",
                          .table = table,
                          .details = details,
                          .examples = examples};
    zm_status st = zm_options_parse(&options, argc, argv);
    if (st == ZM_OK)
        st = calibrate(&a, &options.common);
    zm_options_finish(&options);
    return zm_cli_exit(st);
}

const zm_verb zm_verb_calibrate = {"calibrate", "calibrate redshift distributions", run};
