#include <stdio.h>
#include <stdlib.h>

#include "core/cli/paint.h"
#include "core/cli/session.h"
#include "core/io/path.h"
#include "core/io/safetensors.h"

typedef struct reconstruct_args {
    const char *model, *data, *out;
    uint32_t count, batch, heads, dec_heads;
    bool norm_pix;
} reconstruct_args;

// What was painted of the first count objects.
typedef struct job {
    const reconstruct_args *args;
    zm_session session;
    uint32_t count, patches, values; // values of one patch
    float *errors, *pred, *hidden;
    bool picture;
} job;

static zm_status load_model(job *j)
{
    const reconstruct_args *a = j->args;
    zm_model **model = &j->session.model;
    ZM_TRY(
        zm_model_load(a->model, a->heads, a->dec_heads ? a->dec_heads : a->heads, model));
    if ((*model)->kind != ZM_MODEL_MAE)
        return ZM_FAIL(ZM_ERR_SHAPE,
                       "%s: is a redshift model (%s), expected a masked autoencoder",
                       a->model, zm_model_kind_name((*model)->kind));
    if (j->picture && a->count > ZM_PAINT_MAX_OBJECTS)
        return ZM_FAIL(ZM_ERR_USAGE, "--count %u: a picture holds at most %d objects",
                       (unsigned)a->count, ZM_PAINT_MAX_OBJECTS);
    if (a->norm_pix)
        (*model)->mae.config.norm_pix = true;
    return ZM_OK;
}

static zm_status allocate(job *j)
{
    const zm_vit_config *vit = zm_model_vit(j->session.model);
    const uint64_t wanted = j->args->count ? j->args->count : j->picture ? 8 : UINT32_MAX;
    j->count = (uint32_t)ZM_MIN(wanted, j->session.ds->count);
    j->patches = zm_vit_patches(vit);
    j->values = vit->patch * vit->patch * vit->bands;
    const uint64_t all = (uint64_t)j->count * j->patches;
    j->errors = zm_calloc(j->count, sizeof *j->errors);
    j->pred = zm_calloc(all, j->values * sizeof *j->pred);
    j->hidden = zm_calloc(all, sizeof *j->hidden);
    if (!j->errors || !j->pred || !j->hidden)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for %u reconstructions", j->count);
    return ZM_OK;
}

static zm_status paint_all(job *j)
{
    const uint32_t batch = zm_predictor_batch(j->session.predictor);
    for (uint32_t at = 0; at < j->count; at += batch) {
        const uint32_t n = ZM_MIN(batch, j->count - at);
        const size_t first = (size_t)at * j->patches;
        ZM_TRY(zm_session_predict(&j->session, at, n, j->errors + at, NULL));
        ZM_TRY(zm_predictor_paint(j->session.predictor, j->pred + first * j->values, NULL,
                                  j->hidden + first));
    }
    return ZM_OK;
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

static zm_status write_picture(const job *j)
{
    const zm_vit_config *vit = zm_model_vit(j->session.model);
    zm_reconstruction pixels;
    ZM_TRY(zm_reconstruction_make(j->session.model, j->session.ds, j->count, j->pred,
                                  &pixels));
    const zm_painting painting = {.pixels = &pixels,
                                  .grid = vit->image / vit->patch,
                                  .hidden = j->hidden,
                                  .errors = j->errors,
                                  .rows = j->session.ds->rows};
    const zm_status st = zm_paint_png(j->args->out, &painting);
    zm_reconstruction_finish(&pixels);
    return st;
}

static zm_status reconstruct(const reconstruct_args *args, const zm_common *common)
{
    job j = {.args = args,
             .session = {.log = zm_cli_log(common)},
             .picture = zm_has_extension(args->out, ".png")};
    static const char *const names[] = {".png", ".safetensors", NULL};
    zm_cli_check_name(&j.session.log, args->out, names, "safetensors");
    zm_status st = load_model(&j);
    if (st == ZM_OK)
        st = zm_session_open(&j.session, args->data, common, args->batch);
    if (st == ZM_OK)
        st = allocate(&j);
    if (st == ZM_OK)
        st = paint_all(&j);
    if (st == ZM_OK)
        st = j.picture ? write_picture(&j) : write_tensors(&j);
    if (st == ZM_OK)
        printf("loss %.9g\n", (double)mean_error(&j));
    if (st == ZM_OK)
        st = zm_session_skipped(&j.session, args->out);
    free(j.errors);
    free(j.pred);
    free(j.hidden);
    zm_session_close(&j.session);
    return st;
}

static int run(int argc, const char *const *argv)
{
    reconstruct_args a = {.batch = 64};
    const zm_option table[] = {
        {"model", ZM_OPT_STRING(&a.model), "FILE", "masked autoencoder made by pretrain",
         .required = true},
        {"data", ZM_OPT_STRING(&a.data), "FILE",
         "data set, cutout or directory of cutouts", .required = true},
        {"out", ZM_OPT_STRING(&a.out), "FILE",
         "a picture for *.png, else tensors (safetensors): loss, pred, mask",
         .required = true},
        {"count", ZM_OPT_U32(&a.count, 0, UINT32_MAX), "N", "objects to paint",
         .shown = "8 in a picture (at most 256), else all"},
        {"batch", ZM_OPT_U32(&a.batch, 1, 1 << 16), "N", "cutouts at a time"},
        {"norm-pix", ZM_OPT_FLAG(&a.norm_pix), NULL,
         "targets normalised patch by patch, where the model does not say"},
        {"heads", ZM_OPT_U32(&a.heads, 0, 256), "N", "heads of encoder and decoder",
         .shown = "the model's"},
        {"decoder-heads", ZM_OPT_U32(&a.dec_heads, 0, 256), "N", "decoder heads",
         .shown = "the model's"},
        {0},
    };
    static const char *const examples[] = {
        "A picture of eight objects",
        "zmae reconstruct --model run1/model.safetensors --data sky.safetensors --out "
        "painted.png",
        "Pixels, masks and the mean loss of all objects",
        "zmae reconstruct --model run1/model.safetensors --data sky.safetensors --out "
        "painted.safetensors",
        NULL};
    zm_options options = {.verb = argv[0],
                          .summary =
                              "Shows what a masked autoencoder sees, hides and paints.",
                          .table = table,
                          .examples = examples};
    zm_status st = zm_options_parse(&options, argc, argv);
    if (st == ZM_OK)
        st = reconstruct(&a, &options.common);
    zm_options_finish(&options);
    return zm_cli_exit(st);
}

const zm_verb zm_verb_reconstruct = {
    "reconstruct", "what a masked autoencoder sees, hides and paints", run};
