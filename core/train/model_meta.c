#include "core/train/model_meta.h"

#include <math.h>
#include <string.h>

zm_status zm_meta_parse(const char *text, const char *path, json_t **out)
{
    json_error_t error;
    json_t *meta = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(meta)) {
        json_decref(meta);
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: metadata \"zmae\" is not a JSON object: %s",
                       path, meta ? "another type" : error.text);
    }
    static const char *const parts[] = {"architecture", "preprocessing"};
    for (size_t i = 0; i < ZM_COUNT_OF(parts); i++) {
        const json_t *part = json_object_get(meta, parts[i]);
        if (part && !json_is_object(part)) {
            json_decref(meta);
            return ZM_FAIL(ZM_ERR_FORMAT, "%s: metadata: %s is not an object", path,
                           parts[i]);
        }
    }
    *out = meta;
    return ZM_OK;
}

// A whole number of an object, when it is there.
static zm_status get_u32(const json_t *object, const char *key, const char *path,
                         uint32_t *out)
{
    const json_t *value = json_object_get(object, key);
    if (!value)
        return ZM_OK;
    const json_int_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < 0 || n > 1 << 20)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: metadata: %s is not a small whole number",
                       path, key);
    *out = (uint32_t)n;
    return ZM_OK;
}

static zm_status get_f64(const json_t *object, const char *key, const char *path,
                         double *out)
{
    const json_t *value = json_object_get(object, key);
    if (!value)
        return ZM_OK;
    if (!json_is_number(value) || !isfinite((float)json_number_value(value)))
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: metadata: %s is not a number", path, key);
    *out = json_number_value(value);
    return ZM_OK;
}

static zm_status get_f32(const json_t *object, const char *key, const char *path,
                         float *out)
{
    double value = (double)*out;
    ZM_TRY(get_f64(object, key, path, &value));
    *out = (float)value;
    return ZM_OK;
}

static zm_status get_bands(const json_t *object, const char *key, const char *path,
                           float out[ZM_BANDS])
{
    const json_t *value = json_object_get(object, key);
    if (!value)
        return ZM_OK;
    if (!json_is_array(value) || json_array_size(value) != ZM_BANDS)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: metadata: %s is not an array of %d numbers",
                       path, key, ZM_BANDS);
    for (size_t b = 0; b < ZM_BANDS; b++) {
        const json_t *x = json_array_get(value, b);
        out[b] = (float)json_number_value(x);
        if (!json_is_number(x) || !isfinite(out[b]))
            return ZM_FAIL(ZM_ERR_FORMAT, "%s: metadata: %s[%zu] is not a number", path,
                           key, b);
    }
    return ZM_OK;
}

// Bands whose values divide or scale must be positive.
static zm_status get_scales(const json_t *object, const char *key, const char *path,
                            float out[ZM_BANDS])
{
    ZM_TRY(get_bands(object, key, path, out));
    for (size_t b = 0; b < ZM_BANDS; b++)
        if (!(out[b] > 0.0f))
            return ZM_FAIL(ZM_ERR_FORMAT,
                           "%s: metadata: %s[%zu]: expected more than 0, found %g", path,
                           key, b, (double)out[b]);
    return ZM_OK;
}

// The sizes of the metadata, where given, are those of the tensors.
zm_status zm_meta_vit(const json_t *meta, const char *path, zm_vit_config *vit)
{
    const json_t *a = json_object_get(meta, "architecture");
    const struct {
        const char *key;
        uint32_t size;
    } sizes[] = {{"image", vit->image},
                 {"patch", vit->patch},
                 {"bands", vit->bands},
                 {"width", vit->width},
                 {"depth", vit->depth}};
    for (size_t i = 0; i < ZM_COUNT_OF(sizes); i++) {
        uint32_t said = sizes[i].size;
        ZM_TRY(get_u32(a, sizes[i].key, path, &said));
        if (said != sizes[i].size)
            return ZM_FAIL(ZM_ERR_SHAPE, "%s: metadata: %s is %u, the tensors have %u",
                           path, sizes[i].key, said, sizes[i].size);
    }
    return get_u32(a, "heads", path, &vit->heads);
}

zm_status zm_meta_mae(const json_t *meta, const char *path, zm_mae_config *mae)
{
    const json_t *a = json_object_get(meta, "architecture");
    ZM_TRY(zm_meta_vit(meta, path, &mae->vit));
    ZM_TRY(get_u32(a, "decoder_heads", path, &mae->dec_heads));
    ZM_TRY(get_f64(a, "mask_ratio", path, &mae->mask_ratio));
    mae->norm_pix = json_is_true(json_object_get(a, "norm_pix"));
    return ZM_OK;
}

// "head": {"kind": ..., "bins": ..., "z_min": ..., "z_max": ...}
static zm_status get_head(const json_t *architecture, const char *path, zm_head *head)
{
    const json_t *h = json_object_get(architecture, "head");
    if (!h)
        return ZM_OK;
    const char *name = json_string_value(json_object_get(h, "kind"));
    zm_head said = {0};
    if (!name || zm_head_kind_parse(name, &said.kind) != ZM_OK)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: metadata: head: expected a kind regression, pdf or gauss",
                       path);
    said = zm_head_default(said.kind);
    ZM_TRY(get_u32(h, "bins", path, &said.bins));
    ZM_TRY(get_f64(h, "z_min", path, &said.z_min));
    ZM_TRY(get_f64(h, "z_max", path, &said.z_max));
    ZM_TRY(zm_head_check(&said));
    if (zm_head_outputs(&said) != zm_head_outputs(head))
        return ZM_FAIL(
            ZM_ERR_SHAPE,
            "%s: metadata: a head %s has %u outputs, the tensors of the last layer %u",
            path, name, zm_head_outputs(&said), zm_head_outputs(head));
    *head = said;
    return ZM_OK;
}

static json_t *head_json(const zm_head *head)
{
    json_t *h = json_pack("{s:s}", "kind", zm_head_kind_name(head->kind));
    if (h && head->kind != ZM_HEAD_POINT) {
        json_object_set_new(h, "bins", json_integer(head->bins));
        json_object_set_new(h, "z_min", json_real(head->z_min));
        json_object_set_new(h, "z_max", json_real(head->z_max));
    }
    return h;
}

static json_t *branches_json(uint32_t branches)
{
    json_t *list = json_array();
    for (uint32_t b = 1; b <= ZM_BRANCH_ALL; b <<= 1)
        if (branches & b)
            json_array_append_new(list, json_string(zm_branch_name(b)));
    return list;
}

zm_status zm_meta_astromae(const json_t *meta, const char *path,
                           zm_astromae_config *config)
{
    const json_t *a = json_object_get(meta, "architecture");
    const json_t *said = json_object_get(a, "branches");
    json_t *found = branches_json(config->branches);
    const bool agree = !said || json_equal(said, found);
    json_decref(found);
    if (!agree)
        return ZM_FAIL(ZM_ERR_SHAPE, "%s: metadata: other branches than the tensors have",
                       path);
    config->train_encoder = json_is_true(json_object_get(a, "train_encoder"));
    ZM_TRY(zm_meta_vit(meta, path, &config->vit));
    return get_head(a, path, &config->head);
}

zm_status zm_meta_apply(const json_t *meta, const char *path, zm_model *model)
{
    const json_t *p = json_object_get(meta, "preprocessing");
    zm_preprocess *pre = &model->pre;
    if (json_is_object(p)) {
        const char *stretch = json_string_value(json_object_get(p, "stretch"));
        if (!stretch || (strcmp(stretch, "asinh") != 0 && strcmp(stretch, "none") != 0))
            return ZM_FAIL(ZM_ERR_FORMAT, "%s: metadata: stretch is not asinh or none",
                           path);
        pre->stretch = strcmp(stretch, "asinh") == 0 ? ZM_STRETCH_ASINH : ZM_STRETCH_NONE;
        const char *order = json_string_value(json_object_get(p, "bands"));
        if (order && strcmp(order, "ugriz") != 0)
            return ZM_FAIL(ZM_ERR_FORMAT,
                           "%s: metadata: expected bands in the order ugriz, found %s",
                           path, order);
        ZM_TRY(get_scales(p, "scale", path, pre->scale));
        ZM_TRY(get_bands(p, "mag_mean", path, pre->mag_mean));
        ZM_TRY(get_scales(p, "mag_std", path, pre->mag_std));
        ZM_TRY(get_bands(p, "mag_min", path, pre->mag_min));
        ZM_TRY(get_bands(p, "mag_max", path, pre->mag_max));
        ZM_TRY(get_f32(p, "z_min", path, &pre->z_min));
        ZM_TRY(get_f32(p, "z_max", path, &pre->z_max));
        const char *kind = json_string_value(json_object_get(p, "magnitudes"));
        if (kind && zm_mag_kind_parse(kind, &pre->mag_kind) != ZM_OK)
            return ZM_FAIL(ZM_ERR_FORMAT, "%s: metadata: unknown magnitudes \"%s\"", path,
                           kind);
        pre->recorded = true;
    }
    ZM_TRY(zm_calibration_read(json_object_get(meta, "calibration"), path,
                               &model->calibration));
    model->simulated = json_is_true(json_object_get(meta, "simulated"));
    json_t *history = json_object_get(meta, "history");
    if (json_is_object(history))
        model->history = json_incref(history);
    return ZM_OK;
}

static json_t *bands(const float v[ZM_BANDS])
{
    json_t *array = json_array();
    for (int b = 0; b < ZM_BANDS; b++)
        json_array_append_new(array, json_real((double)v[b]));
    return array;
}

static void describe_encoder(json_t *a, const zm_vit_config *v)
{
    json_object_set_new(a, "blocks", json_string(v->pcm ? "pcm" : "plain"));
    json_object_set_new(a, "patch", json_integer(v->patch));
    json_object_set_new(a, "width", json_integer(v->width));
    json_object_set_new(a, "depth", json_integer(v->depth));
    json_object_set_new(a, "heads", json_integer(v->heads));
}

static json_t *architecture(const zm_model *model)
{
    const zm_vit_config *v = zm_model_vit(model);
    json_t *a = json_pack("{s:s, s:I, s:I}", "model", zm_model_kind_name(model->kind),
                          "image", (json_int_t)v->image, "bands", (json_int_t)v->bands);
    if (a && model->kind == ZM_MODEL_MAE) {
        const zm_mae_config *m = &model->mae.config;
        describe_encoder(a, v);
        json_object_set_new(a, "decoder_width", json_integer(m->dec_width));
        json_object_set_new(a, "decoder_depth", json_integer(m->dec_depth));
        json_object_set_new(a, "decoder_heads", json_integer(m->dec_heads));
        json_object_set_new(a, "mask_ratio", json_real(m->mask_ratio));
        json_object_set_new(a, "norm_pix", json_boolean(m->norm_pix));
    }
    if (a && model->kind == ZM_MODEL_ASTROMAE) {
        const zm_astromae_config *m = &model->astromae.config;
        if (m->branches & ZM_BRANCH_ENCODER) {
            describe_encoder(a, v);
            json_object_set_new(a, "train_encoder", json_boolean(m->train_encoder));
        }
        json_object_set_new(a, "branches", branches_json(m->branches));
        json_object_set_new(a, "head", head_json(&m->head));
    }
    return a;
}

json_t *zm_model_metadata(const zm_model *model)
{
    const zm_preprocess *p = &model->pre;
    json_t *meta = json_object();
    json_t *pre = json_object();
    if (!meta || !pre)
        return NULL;
    json_object_set_new(pre, "crop", json_integer(zm_model_vit(model)->image));
    json_object_set_new(pre, "stretch",
                        json_string(p->stretch == ZM_STRETCH_ASINH ? "asinh" : "none"));
    json_object_set_new(pre, "scale", bands(p->scale));
    json_object_set_new(pre, "bands", json_string("ugriz"));
    json_object_set_new(pre, "unit", json_string("nanomaggy/pixel"));
    if (model->kind == ZM_MODEL_ASTROMAE) {
        json_object_set_new(pre, "magnitudes",
                            json_string(zm_mag_kind_name(p->mag_kind)));
        json_object_set_new(pre, "mag_mean", bands(p->mag_mean));
        json_object_set_new(pre, "mag_std", bands(p->mag_std));
        json_object_set_new(pre, "mag_min", bands(p->mag_min));
        json_object_set_new(pre, "mag_max", bands(p->mag_max));
        json_object_set_new(pre, "z_min", json_real((double)p->z_min));
        json_object_set_new(pre, "z_max", json_real((double)p->z_max));
    }
    json_object_set_new(meta, "architecture", architecture(model));
    json_object_set_new(meta, "preprocessing", pre);
    if (model->calibration.kind != ZM_CALIBRATION_NONE)
        json_object_set_new(meta, "calibration",
                            zm_calibration_json(&model->calibration));
    json_object_set_new(meta, "simulated", json_boolean(model->simulated));
    json_object_set_new(meta, "version", json_string(ZM_VERSION));
    if (model->history)
        json_object_set(meta, "history", model->history);
    return meta;
}
