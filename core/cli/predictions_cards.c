// Where the numbers come from, as cards of a FITS header.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cli/predictions_impl.h"
#include "core/io/bytes.h"

// A comment only where it fits beside the value: FITS would cut it.
static zm_status text(zm_fits_writer *w, const char *key, const char *value,
                      const char *comment)
{
    enum { ROOM = 80 - 10 - 2 - 3 }; // a card without key, quotes and separator
    const size_t value_length = ZM_MAX(strlen(value), (size_t)8);
    const bool fits = value_length + strlen(comment) <= ROOM;
    return zm_fits_writer_string(w, key, value, fits ? comment : NULL);
}

// KEY of the first model, KEYn of the n-th; all fit into eight letters below 100.
static const char *numbered(const char *key, uint32_t model, char out[16])
{
    if (model == 0)
        snprintf(out, 16, "%s", key);
    else
        snprintf(out, 16, "%s%u", strcmp(key, "MODELSHA") == 0 ? "MODSHA" : key,
                 model + 1);
    return out;
}

static zm_status metrics_card(zm_fits_writer *w, const zm_model *model, uint32_t number)
{
    char key[16];
    const json_t *metrics = json_object_get(model->history, "metrics");
    if (json_object_size(metrics) == 0)
        return ZM_OK;
    char *json = json_dumps(metrics, JSON_COMPACT | JSON_SORT_KEYS);
    if (!json)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for the metrics of a model");
    const zm_status st =
        text(w, numbered("METRIC", number, key), json, "of the model's training");
    free(json);
    return st;
}

static zm_status model_cards(zm_fits_writer *w, const zm_model *model, uint32_t number)
{
    char key[16], sha[65];
    const zm_calibration *c = &model->calibration;
    const zm_head *head = zm_model_head(model);
    const char *name = strrchr(model->path, '/');
    ZM_TRY(zm_file_sha256(model->path, sha));
    ZM_TRY(text(w, numbered("MODEL", number, key), name ? name + 1 : model->path,
                "model file"));
    ZM_TRY(text(w, numbered("MODELSHA", number, key), sha, "SHA-256"));
    ZM_TRY(text(w, numbered("HEAD", number, key), zm_head_kind_name(head->kind),
                "what the model says"));
    if (head->kind != ZM_HEAD_POINT)
        ZM_TRY(text(w, numbered("CALIB", number, key), zm_calibration_name(c->kind),
                    "calibration"));
    if (head->kind != ZM_HEAD_POINT && c->kind != ZM_CALIBRATION_NONE)
        ZM_TRY(zm_fits_writer_u64(w, numbered("CALIBN", number, key), c->objects,
                                  "objects calibrated on"));
    return metrics_card(w, model, number);
}

zm_status zm_predictions_cards(zm_fits_writer *w, const zm_predictions_info *info)
{
    static const char *const points[] = {"mean", "median", "mode"};
    bool simulated = false;
    for (uint32_t i = 0; i < info->model_count; i++) {
        ZM_TRY(model_cards(w, info->models[i], i));
        simulated = simulated || info->models[i]->simulated;
    }
    ZM_TRY(zm_fits_writer_u64(w, "NMODELS", info->model_count, "models averaged"));
    ZM_TRY(zm_fits_writer_bool(w, "TTA", info->all_symmetries,
                               "averaged over flips and rotations"));
    if (info->grid)
        ZM_TRY(text(w, "ZPOINT", points[info->point], "what z_phot is of the pdf"));
    ZM_TRY(zm_fits_writer_bool(w, "SIMSKY", simulated, "trained on a simulated sky"));
    ZM_TRY(text(w, "CREATOR", "zmae " ZM_VERSION, "program"));
    ZM_TRY(text(w, "DEVICE", info->device->name, "computed on"));
    ZM_TRY(text(w, "DRIVER", info->device->driver, "driver"));
    return text(w, "PRECISN", info->precision, "arithmetic");
}
