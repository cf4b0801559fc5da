#include "core/train/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *zm_model_kind_name(zm_model_kind kind)
{
    return kind == ZM_MODEL_MAE ? "mae" : "astromae";
}

const zm_vit_config *zm_model_vit(const zm_model *model)
{
    return model->kind == ZM_MODEL_MAE ? &model->mae.config.vit
                                       : &model->astromae.config.vit;
}

const zm_head *zm_model_head(const zm_model *model)
{
    return model->kind == ZM_MODEL_MAE ? NULL : &model->astromae.config.head;
}

// Host memory and fresh values, once the parameters are known.
static zm_status draw(zm_model *model, uint64_t seed)
{
    ZM_TRY(model->params.status);
    model->host = zm_calloc(zm_params_host_count(&model->params), sizeof *model->host);
    if (!model->host)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for %llu parameters",
                       (unsigned long long)zm_params_host_count(&model->params));
    zm_params_draw(&model->params, seed, model->host);
    for (int b = 0; b < ZM_BANDS; b++) {
        model->pre.scale[b] = 1.0f;
        model->pre.mag_std[b] = 1.0f;
        model->pre.mag_min[b] = 1.0f; // min > max: no range known
    }
    model->pre.z_min = 1.0f;
    return ZM_OK;
}

static zm_status create(zm_model_kind kind, zm_model **out)
{
    *out = zm_calloc(1, sizeof **out);
    if (!*out)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for a model");
    (*out)->kind = kind;
    zm_params_init(&(*out)->params);
    return ZM_OK;
}

zm_status zm_model_create_mae(const zm_mae_config *config, uint64_t seed, zm_model **out)
{
    zm_model *model = NULL;
    ZM_TRY(zm_mae_check(config));
    ZM_TRY(create(ZM_MODEL_MAE, &model));
    zm_mae_add(&model->params, &model->mae, config);
    const zm_status st = draw(model, seed);
    if (st != ZM_OK)
        zm_model_destroy(&model);
    *out = model;
    return st;
}

zm_status zm_model_create_astromae(const zm_astromae_config *config, uint64_t seed,
                                   zm_model **out)
{
    zm_model *model = NULL;
    ZM_TRY(zm_astromae_check(config));
    ZM_TRY(create(ZM_MODEL_ASTROMAE, &model));
    zm_astromae_add(&model->params, &model->astromae, config);
    const zm_status st = draw(model, seed);
    if (st != ZM_OK)
        zm_model_destroy(&model);
    *out = model;
    return st;
}

void zm_model_destroy(zm_model **handle)
{
    zm_model *model = *handle;
    if (!model)
        return;
    zm_params_finish(&model->params);
    json_decref(model->history);
    free(model->host);
    free(model->path);
    free(model);
    *handle = NULL;
}

static bool is_encoder(const char *name)
{
    static const char *const prefixes[] = {"cls_token", "pos_embed", "patch_embed.",
                                           "blocks."};
    for (size_t i = 0; i < ZM_COUNT_OF(prefixes); i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

zm_status zm_model_copy_encoder(zm_model *to, const zm_model *from)
{
    for (uint32_t i = 0; i < to->params.name_count; i++) {
        const zm_param_name *name = &to->params.names[i];
        if (!is_encoder(name->name))
            continue;
        const zm_param_name *source = zm_params_find(&from->params, name->name);
        if (!source || source->count != name->count)
            return ZM_FAIL(ZM_ERR_SHAPE, "%s: tensor %s is missing or of another size",
                           from->path ? from->path : "encoder", name->name);
        memcpy(zm_params_host_at(&to->params, name, to->host),
               zm_params_host_at(&from->params, source, from->host),
               (size_t)name->count * sizeof(float));
    }
    return ZM_OK;
}

static bool is_last_layer(const zm_model *model, const char *name)
{
    const char *last = zm_astromae_last_name(model->astromae.config.branches);
    const size_t n = strlen(last);
    return strncmp(name, last, n) == 0 && name[n] == '.';
}

uint32_t zm_model_copy_shared(zm_model *to, const zm_model *from)
{
    const bool same_head = zm_head_equal(zm_model_head(to), zm_model_head(from));
    uint32_t left = 0;
    for (uint32_t i = 0; i < to->params.name_count; i++) {
        const zm_param_name *name = &to->params.names[i];
        const zm_param_name *source = zm_params_find(&from->params, name->name);
        if (!source || source->rank != name->rank ||
            memcmp(source->dim, name->dim, sizeof name->dim) != 0 ||
            (!same_head && is_last_layer(to, name->name))) {
            left++;
            continue;
        }
        memcpy(zm_params_host_at(&to->params, name, to->host),
               zm_params_host_at(&from->params, source, from->host),
               (size_t)name->count * sizeof(float));
    }
    return left;
}

void zm_model_set_last_bias(zm_model *model, const float *bias)
{
    char name[ZM_PARAM_NAME];
    snprintf(name, sizeof name, "%s.bias",
             zm_astromae_last_name(model->astromae.config.branches));
    const zm_param_name *n = zm_params_find(&model->params, name);
    memcpy(zm_params_host_at(&model->params, n, model->host), bias,
           (size_t)n->count * sizeof *bias);
}
