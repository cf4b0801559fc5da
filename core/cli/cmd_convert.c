#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cli/cli.h"
#include "core/cli/progress.h"
#include "core/io/state_dict.h"
#include "core/io/zip.h"
#include "core/survey/cube_import.h"
#include "core/train/model.h"

typedef struct convert_args {
    const char *in, *out;
    const char *names, *dtype;
    uint32_t heads, dec_heads, image;
} convert_args;

static zm_status check_names(const convert_args *a, const zm_model *model)
{
    if (strcmp(a->names, "astromae") == 0 && model->kind != ZM_MODEL_ASTROMAE)
        return ZM_FAIL(ZM_ERR_USAGE,
                       "%s: --names astromae is for redshift models, this is a %s: "
                       "expected timm or hf",
                       a->in, zm_model_kind_name(model->kind));
    return ZM_OK;
}

static zm_status convert_model(const convert_args *a)
{
    zm_model *model = NULL;
    ZM_TRY(
        zm_model_load(a->in, a->heads, a->dec_heads ? a->dec_heads : a->heads, &model));
    zm_status st = check_names(a, model);
    if (st == ZM_OK && a->image && a->image != zm_model_vit(model)->image) {
        zm_model *resized = NULL;
        st = zm_error_context(zm_model_resize_positions(model, a->image, &resized), "%s",
                              a->in);
        if (st == ZM_OK) {
            zm_model_destroy(&model);
            model = resized;
        }
    }
    const zm_model_form form = {.layout = strcmp(a->names, "hf") == 0 ? ZM_LAYOUT_HF
                                                                      : ZM_LAYOUT_TIMM,
                                .half = strcmp(a->dtype, "f16") == 0};
    if (st == ZM_OK)
        st = zm_model_write(model, &form, a->out);
    zm_model_destroy(&model);
    return st;
}

static void show_progress(void *user, uint64_t done, uint64_t count)
{
    zm_progress *progress = user;
    progress->total = count;
    zm_progress_set(progress, done, NULL);
}

static zm_status copy_rows(zm_dataset *ds, zm_dataset_writer *w, zm_progress *progress)
{
    zm_status st = ZM_OK;
    float *image = zm_calloc((uint64_t)ds->height * ds->width * ZM_BANDS, sizeof *image);
    if (!image)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for a cutout", ds->path);
    for (uint64_t i = 0; i < ds->count && st == ZM_OK; i++) {
        st = zm_dataset_pixels(ds, i, image);
        if (st == ZM_OK)
            st = zm_dataset_writer_row(w, &ds->rows[i], image);
        zm_progress_set(progress, i + 1, NULL);
    }
    free(image);
    return st;
}

// Whether a row says what the two optional columns hold.
static bool has_flags(const zm_dataset *ds)
{
    for (uint64_t i = 0; i < ds->count; i++)
        if (ds->rows[i].flags || ds->rows[i].coverage == ds->rows[i].coverage) // no NaN
            return true;
    return false;
}

static zm_status copy_dataset(const convert_args *a, zm_dataset *ds,
                              zm_progress *progress, const zm_log *log)
{
    const zm_dataset_info info = {.count = ds->count,
                                  .height = ds->height,
                                  .width = ds->width,
                                  .simulated = ds->simulated,
                                  .records_flags = has_flags(ds),
                                  .mag_kind = ds->mag_kind};
    zm_dataset_writer *w = NULL;
    if (ds->has_mask_noise)
        zm_log_write(log, ZM_LOG_WARN, "%s: mask_noise is left behind", a->in);
    progress->total = ds->count;
    ZM_TRY(zm_dataset_writer_create(a->out, &info, &w));
    const zm_status st = copy_rows(ds, w, progress);
    if (st != ZM_OK) {
        zm_dataset_writer_abort(&w);
        return st;
    }
    ZM_TRY(zm_dataset_writer_finish(&w));
    if (ds->skipped)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: %llu inputs could not be read; %s has the rest", a->in,
                       (unsigned long long)ds->skipped, a->out);
    return ZM_OK;
}

static bool is_archive(const char *path)
{
    uint8_t head[4];
    FILE *f = fopen(path, "rb");
    const bool zip =
        f && fread(head, sizeof head, 1, f) == 1 && zm_zip_is_zip(head, sizeof head);
    if (f)
        fclose(f);
    return zip;
}

static zm_status convert_dataset(const convert_args *a, const zm_common *common)
{
    const zm_log log = zm_cli_log(common);
    zm_progress progress = zm_progress_init("convert", "cutouts", 0, 0, common->quiet);
    zm_dataset *ds = NULL;
    zm_status st;
    zm_cli_check_dataset_name(&log, a->out);
    if (is_archive(a->in)) { // also deflated, which cannot be read at random
        const zm_cube_import_params params = {.cube = a->in, .out = a->out};
        st = zm_cube_import(&params, show_progress, &progress, &log);
    } else {
        st = zm_dataset_open(a->in, zm_cli_helper(), &log, &ds);
        if (st == ZM_OK)
            st = copy_dataset(a, ds, &progress, &log);
        zm_dataset_close(&ds);
    }
    if (st == ZM_OK) {
        progress.done = progress.total;
        zm_progress_finish(&progress);
    }
    return st;
}

// A safetensors file is either; only a data set has images.
static zm_status is_model(const char *path, bool *model)
{
    zm_state_dict *dict = NULL;
    ZM_TRY(zm_state_dict_is(path, model));
    if (!*model)
        return ZM_OK;
    ZM_TRY(zm_state_dict_open(path, &dict));
    *model = !zm_state_dict_find(dict, "images");
    zm_state_dict_close(&dict);
    return ZM_OK;
}

static zm_status convert(const convert_args *a, const zm_options *options)
{
    static const char *const of_models[] = {"names", "dtype", "heads", "decoder-heads",
                                            "image"};
    bool model = false;
    ZM_TRY(is_model(a->in, &model));
    if (model)
        return convert_model(a);
    for (size_t i = 0; i < ZM_COUNT_OF(of_models); i++)
        if (zm_options_given(options, of_models[i]))
            return ZM_FAIL(ZM_ERR_USAGE, "%s: --%s is for models, this is a data set",
                           a->in, of_models[i]);
    return convert_dataset(a, &options->common);
}

// The manual page beyond the options.
static const zm_detail details[] = {
    {"Models", NULL},
    {"timm", "names of timm and of the autoencoder of Meta; the default"},
    {"astromae", "the same, with those of the released AstroMAE for its other branches"},
    {"hf", "names of ViTMAEForPreTraining of Hugging Face; autoencoders only"},
    {NULL, "IN is safetensors or a state dict that torch.save wrote, alone or as the "
           "member model, state_dict or model_state_dict of a checkpoint. It is read "
           "without running anything: a file that holds a whole module is refused. "
           "Metadata of zmae are kept. Names from anywhere are recognised, so that one "
           "command goes both ways."},
    {"Data sets", NULL},
    {NULL,
     "Any data set becomes a FITS table where OUT ends in .fits, else safetensors. "
     "An npz archive may be compressed here; elsewhere it is read at random and may "
     "not be."},
    {0}};

static int run(int argc, const char *const *argv)
{
    convert_args a = {.names = "timm", .dtype = "f32"};
    const zm_option table[] = {
        {"names", ZM_OPT_CHOICE(&a.names, "timm|hf|astromae"), "LAYOUT",
         "tensor names to write: timm and Meta's MAE, Hugging Face's ViTMAE, the "
         "released "
         "AstroMAE (which are timm's)"},
        {"dtype", ZM_OPT_CHOICE(&a.dtype, "f32|f16"), "TYPE", "numbers to write"},
        {"heads", ZM_OPT_U32(&a.heads, 0, 256), "N",
         "attention heads, where the model does not record them",
         .shown = "the model's, else width / 64"},
        {"decoder-heads", ZM_OPT_U32(&a.dec_heads, 0, 256), "N",
         "attention heads of the decoder", .shown = "--heads"},
        {"image", ZM_OPT_U32(&a.image, 0, 8192), "PIXELS",
         "make the model one for cutouts of this side: its positions are interpolated",
         .shown = "the model's"},
        {0},
    };
    static const char *const examples[] = {
        "A checkpoint of PyTorch as safetensors",
        "zmae convert mae.pth mae.safetensors",
        "For Hugging Face's ViTMAEForPreTraining",
        "zmae convert mae.safetensors hf.safetensors --names hf",
        "For larger cutouts",
        "zmae convert mae.safetensors mae64.safetensors --image 64",
        "The public SDSS cube as a data set that is read at random",
        "zmae convert cube.npz cube.safetensors",
        NULL};
    zm_options options = {
        .verb = argv[0],
        .summary =
            "Converts models (safetensors or PyTorch state dicts, names of timm or "
            "Hugging Face) to safetensors, and data sets to safetensors or, for "
            "*.fits, a FITS table.",
        .arguments = "IN OUT",
        .min_args = 2,
        .max_args = 2,
        .table = table,
        .details = details,
        .examples = examples};
    zm_status st = zm_options_parse(&options, argc, argv);
    if (st == ZM_OK) {
        a.in = options.args[0];
        a.out = options.args[1];
        st = convert(&a, &options);
    }
    zm_options_finish(&options);
    return zm_cli_exit(st);
}

const zm_verb zm_verb_convert = {"convert", "model and data formats", run};
