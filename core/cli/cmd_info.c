#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cli/cli.h"
#include "core/cli/report.h"
#include "core/data/dataset.h"
#include "core/io/fits.h"
#include "core/io/path.h"
#include "core/io/zip.h"
#include "core/train/checkpoint.h"
#include "core/train/weights.h"

// What a file is becomes one JSON object; text mode prints the same object line by line.

static json_t *axes_json(const uint64_t *axes, uint32_t count)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(list, json_integer((json_int_t)axes[i]));
    return list;
}

// ---- FITS ---------------------------------------------------------------------------

static json_t *hdu_json(const zm_fits_hdu *h)
{
    json_t *o = json_object();
    json_object_set_new(o, "kind", json_string(zm_fits_kind_name(h->kind)));
    if (h->name[0])
        json_object_set_new(o, "name", json_string(h->name));
    if (h->naxis > 0 && h->kind != ZM_FITS_TABLE && h->kind != ZM_FITS_ASCII) {
        json_object_set_new(o, "bitpix", json_integer(h->bitpix));
        json_object_set_new(o, "axes",
                            axes_json(h->axes, ZM_MIN(h->naxis, ZM_FITS_MAX_AXES)));
    }
    if (h->kind == ZM_FITS_TABLE || h->kind == ZM_FITS_ASCII) {
        json_object_set_new(o, "rows", json_integer((json_int_t)h->rows));
        json_object_set_new(o, "columns", json_integer((json_int_t)h->columns));
    }
    if (h->unit[0])
        json_object_set_new(o, "unit", json_string(h->unit));
    if (h->compression[0])
        json_object_set_new(o, "compression", json_string(h->compression));
    if (h->has_checksum)
        json_object_set_new(o, "checksum", json_true());
    if (h->truncated)
        json_object_set_new(o, "truncated", json_true());
    return o;
}

static zm_status fits_info(const char *path, json_t *root)
{
    zm_fits_list list = {0};
    ZM_TRY(zm_fits_describe(path, zm_cli_helper(), &list));
    json_object_set_new(root, "format", json_string("FITS"));
    if (list.pack)
        json_object_set_new(root, "packed", json_string(list.pack));
    json_t *hdus = json_array();
    for (uint32_t i = 0; i < list.count; i++)
        json_array_append_new(hdus, hdu_json(&list.hdus[i]));
    json_object_set_new(root, "hdus", hdus);
    if (list.note[0])
        json_object_set_new(root, "note", json_string(list.note));
    zm_fits_list_finish(&list);
    return ZM_OK;
}

// ---- named tensors: safetensors and PyTorch -----------------------------------------

static const char *dtype_name(zm_st_dtype dtype)
{
    static const char *const names[] = {
        [ZM_ST_F32] = "F32", [ZM_ST_F16] = "F16",  [ZM_ST_BF16] = "BF16",
        [ZM_ST_F64] = "F64", [ZM_ST_I64] = "I64",  [ZM_ST_I32] = "I32",
        [ZM_ST_U32] = "U32", [ZM_ST_U8] = "8-bit", [ZM_ST_OTHER] = "other"};
    return names[dtype];
}

// What the tensors make of the file, by the names that public models use.
static const char *guess_kind(const zm_weights *w)
{
    static const struct {
        const char *name, *kind;
    } signs[] = {
        {"mask_token", "masked autoencoder"},
        {"inception_model.conv2d_init.weight", "AstroMAE redshift model"},
        {"vit_block.0.weight", "AstroMAE redshift model"}, // without inception branch
        {"patch_embed.proj.weight", "vision transformer"},
        {"layer1.0.conv1.weight", "residual network"},
    };
    const zm_st_entry *images = zm_weights_find(w, "images");
    if (images && images->rank == 4)
        return "data set";
    if (zm_weights_meta(w, "zmae_checkpoint"))
        return "checkpoint";
    for (size_t i = 0; i < ZM_COUNT_OF(signs); i++)
        if (zm_weights_find(w, signs[i].name))
            return signs[i].kind;
    return "tensors";
}

// Reads the whole checkpoint: a damaged one is an error here too.
static zm_status checkpoint_info(const char *path, json_t *root)
{
    zm_checkpoint c = {0};
    ZM_TRY(zm_checkpoint_read(path, &c));
    json_t *o = json_object();
    json_object_set_new(o, "step", json_integer((json_int_t)c.state.step));
    json_object_set_new(o, "best_loss", zm_report_number(c.state.best_loss));
    json_object_set_new(o, "best_step", json_integer((json_int_t)c.state.best_step));
    json_object_set_new(o, "micro_batch", json_integer(c.state.micro_batch));
    json_object_set_new(o, "device", json_string(c.device));
    json_t *options = json_loads(c.config, JSON_REJECT_DUPLICATES, NULL);
    if (options)
        json_object_set_new(o, "options", options);
    json_object_set_new(root, "checkpoint", o);
    zm_checkpoint_finish(&c);
    return ZM_OK;
}

// Loads the model as predict would; one that cannot be used is described with the reason.
static void model_info(const char *path, json_t *root)
{
    zm_model *model = NULL;
    if (zm_model_load(path, 0, 0, &model) != ZM_OK) {
        json_object_set_new(root, "problem", json_string(zm_error_detail()));
        return;
    }
    const zm_params *ps = &model->params;
    json_object_set_new(root, "parameters",
                        json_pack("{s:I, s:I}", "total",
                                  (json_int_t)zm_params_count(ps, false), "trainable",
                                  (json_int_t)zm_params_count(ps, true)));
    json_t *meta = zm_model_metadata(model); // what was guessed, where the file is silent
    if (!json_object_get(root, "zmae"))
        json_object_set(root, "architecture", json_object_get(meta, "architecture"));
    json_decref(meta);
    zm_model_destroy(&model);
}

// Every tensor as the file calls it.
static zm_status list_tensors(const char *path, json_t *root)
{
    zm_state_dict *dict = NULL;
    ZM_TRY(zm_state_dict_open(path, &dict));
    uint64_t values = 0;
    json_t *tensors = json_array();
    for (uint64_t i = 0; i < zm_state_dict_count(dict); i++) {
        const zm_st_entry *e = zm_state_dict_at(dict, i);
        values += e->count;
        json_array_append_new(tensors, json_pack("{s:s, s:s, s:o}", "name", e->name,
                                                 "dtype", dtype_name(e->dtype), "shape",
                                                 axes_json(e->shape, e->rank)));
    }
    json_object_set_new(root, "tensor_count",
                        json_integer((json_int_t)zm_state_dict_count(dict)));
    json_object_set_new(root, "values", json_integer((json_int_t)values));
    json_object_set_new(root, "tensors", tensors);
    zm_state_dict_close(&dict);
    return ZM_OK;
}

static zm_status tensors_info(const char *path, json_t *root)
{
    zm_weights *w = NULL;
    ZM_TRY(zm_weights_open(path, &w));
    json_object_set_new(root, "format", json_string(zm_weights_format(w)));
    const char *kind = guess_kind(w);
    json_object_set_new(root, "kind", json_string(kind));
    if (zm_weights_layout(w) == ZM_LAYOUT_HF)
        json_object_set_new(root, "names", json_string("Hugging Face"));
    const char *meta = zm_weights_meta(w, "zmae");
    json_t *parsed = meta ? json_loads(meta, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (parsed)
        json_object_set_new(root, "zmae", parsed);
    zm_weights_close(&w);
    zm_status status = ZM_OK;
    if (strcmp(kind, "checkpoint") == 0)
        status = checkpoint_info(path, root);
    if (strstr(kind, "MAE") || strstr(kind, "autoencoder"))
        model_info(path, root);
    return status == ZM_OK ? list_tensors(path, root) : status;
}

// ---- data sets ----------------------------------------------------------------------

static void dataset_summary(const zm_dataset *ds, json_t *root)
{
    uint64_t labelled = 0;
    double low = INFINITY, high = -INFINITY;
    for (uint64_t i = 0; i < ds->count; i++) {
        const double z = (double)ds->rows[i].z;
        if (!isfinite(z))
            continue;
        labelled++;
        low = fmin(low, z);
        high = fmax(high, z);
    }
    json_t *o = json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:b, s:b, s:b, s:b, s:s, s:I}", "format", ds->format,
        "objects", (json_int_t)ds->count, "height", (json_int_t)ds->height, "width",
        (json_int_t)ds->width, "with_redshift", (json_int_t)labelled, "magnitudes",
        (int)ds->has_mags, "object_ids", (int)ds->has_ids, "mask_noise",
        (int)ds->has_mask_noise, "simulated", (int)ds->simulated, "magnitude_kind",
        zm_mag_kind_name(ds->mag_kind), "skipped", (json_int_t)ds->skipped);
    if (labelled > 0) {
        json_object_set_new(o, "z_min", zm_report_number(low));
        json_object_set_new(o, "z_max", zm_report_number(high));
    }
    json_object_set_new(root, "data_set", o);
}

// ---- the verb -----------------------------------------------------------------------

static void print_value(json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
    const char *plain = json_is_string(value) ? json_string_value(value) : text;
    fputs(plain ? plain : "", stdout);
    free(text);
}

// "name: OBJECTS, rows: 50"
static void print_line(json_t *object)
{
    const char *key, *separator = "";
    json_t *value;
    json_object_foreach(object, key, value)
    {
        printf("%s%s: ", separator, key);
        print_value(value);
        separator = ", ";
    }
}

// Prints an object as "key: value" lines; lists of objects one line each.
static void print_text(json_t *object, int indent)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        const bool nested =
            json_is_object(value) ||
            (json_is_array(value) && json_is_object(json_array_get(value, 0)));
        if (!nested) {
            printf("%*s%s: ", indent, "", key);
            print_value(value);
            putchar('\n');
            continue;
        }
        printf("%*s%s:\n", indent, "", key);
        if (json_is_object(value))
            print_text(value, indent + 2);
        size_t i;
        json_t *item;
        json_array_foreach(value, i, item)
        {
            printf("%*s%zu  ", indent + 2, "", i);
            print_line(item);
            putchar('\n');
        }
    }
}

static zm_status look_at(const char *path, bool *fits, bool *zip, bool *folder)
{
    uint8_t head[8] = {0};
    FILE *f = fopen(path, "rb");
    if (!f)
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", path, strerror(errno));
    const size_t n = fread(head, 1, sizeof head, f);
    *folder = ferror(f) && errno == EISDIR;
    *fits = zm_fits_is_fits(head, n);
    *zip = zm_zip_is_zip(head, n);
    fclose(f);
    return ZM_OK;
}

static zm_status describe(const char *path, const zm_common *common, json_t *root)
{
    bool fits = false, zip = false, folder = false;
    ZM_TRY(look_at(path, &fits, &zip, &folder));
    bool tensors = false; // of a PyTorch file, a zip archive, too
    if (!folder)
        ZM_TRY(zm_state_dict_is(path, &tensors));
    const bool known = fits || zip || folder || tensors;
    if (!known &&
        !zm_has_extension(path, ".safetensors")) // whose reader says what is wrong
        return ZM_FAIL(
            ZM_ERR_FORMAT,
            "%s: expected a safetensors, PyTorch, FITS or npz file or a folder "
            "of cutouts, found something else",
            path);
    const bool only_data = folder || (zip && !tensors); // can be nothing else
    json_object_set_new(root, "file", json_string(path));
    if (fits)
        ZM_TRY(fits_info(path, root));
    else if (!only_data)
        ZM_TRY(tensors_info(path, root));
    const zm_log log = zm_cli_log(common);
    zm_dataset *ds = NULL;
    const zm_status st =
        zm_dataset_open(path, zm_cli_helper(), only_data ? &log : NULL, &ds);
    if (st == ZM_OK)
        dataset_summary(ds, root);
    zm_dataset_close(&ds);
    if (zip && !tensors && st == ZM_OK)
        json_object_set_new(root, "format", json_string("npz"));
    return only_data ? st : ZM_OK; // not every file is a data set
}

static zm_status info(const char *path, const zm_common *common, bool json, bool tensors)
{
    json_t *root = json_object();
    if (!root)
        return ZM_FAIL(ZM_ERR_MEMORY, "info: out of memory");
    const zm_status st = describe(path, common, root);
    if (st == ZM_OK && json)
        return zm_report_json(root);
    if (!tensors)
        json_object_del(root, "tensors");
    if (st == ZM_OK)
        print_text(root, 0);
    json_decref(root);
    return st;
}

static int run(int argc, const char *const *argv)
{
    bool json = false, tensors = false;
    const zm_option table[] = {
        {"json", ZM_OPT_FLAG(&json), NULL, "print JSON, with all tensors"},
        {"tensors", ZM_OPT_FLAG(&tensors), NULL, "list all tensors"},
        {0}};
    static const char *const examples[] = {
        "What a file is",
        "zmae info run1/model.safetensors",
        "The names, types and shapes in a PyTorch file",
        "zmae info --tensors mae.pth",
        "The options that a checkpoint was made with",
        "zmae info --json run1/step-500.ckpt | jq .checkpoint.options",
        NULL};
    zm_options options = {
        .verb = argv[0],
        .summary = "Says what a model, data set, FITS file or checkpoint is.",
        .arguments = "FILE",
        .min_args = 1,
        .max_args = 1,
        .table = table,
        .examples = examples,
    };
    zm_status st = zm_options_parse(&options, argc, argv);
    if (st == ZM_OK)
        st = info(options.args[0], &options.common, json, tensors);
    zm_options_finish(&options);
    return zm_cli_exit(st);
}

const zm_verb zm_verb_info = {"info",
                              "what a model, data set, FITS file or checkpoint is", run};
