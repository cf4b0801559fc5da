// Models read from any file of named tensors.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/io/path.h"
#include "core/train/model.h"
#include "core/train/model_guess.h"
#include "core/train/model_meta.h"
#include "core/train/weights.h"

static const char *shape_text(const zm_st_entry *e, char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "(");
    for (uint32_t i = 0; i < e->rank && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%llu", i ? ", " : "",
                                 (unsigned long long)e->shape[i]);
    if (used < size)
        snprintf(out + used, size - used, ")");
    return out;
}

// The numbers in memory of a slot's name agree with the file, or the name is an alias
// whose values were read before: unlike values are an error.
static zm_status read_name(zm_weights *st, zm_model *model, const zm_param_name *name,
                           bool *seen)
{
    const char *path = zm_weights_path(st);
    const zm_st_entry *e = zm_weights_find(st, name->name);
    if (!e) // check_names has found the values under another name
        return ZM_OK;
    bool fits = e->rank == name->rank;
    for (uint32_t i = 0; fits && i < e->rank; i++)
        fits = e->shape[i] == name->dim[i];
    if (!fits) {
        zm_tensor want = {.rank = name->rank};
        memcpy(want.dim, name->dim, sizeof want.dim);
        char expected[64], found[ZM_ST_MAX_RANK * 22 + 3];
        return ZM_FAIL(ZM_ERR_SHAPE, "%s: tensor %s: expected shape %s, found %s", path,
                       name->name, zm_tensor_shape_text(&want, expected),
                       shape_text(e, found, sizeof found));
    }
    float *values = zm_calloc(e->count, sizeof *values);
    if (!values)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for tensor %s", path, name->name);
    zm_status status = zm_weights_read_f32(st, e, values);
    float *at = zm_params_host_at(&model->params, name, model->host);
    for (uint64_t i = 0; i < e->count && status == ZM_OK; i++)
        if (!isfinite(values[i]))
            status = ZM_FAIL(ZM_ERR_FORMAT, "%s: tensor %s: value %llu is not finite",
                             path, name->name, (unsigned long long)i);
    if (status == ZM_OK && *seen && memcmp(at, values, e->count * sizeof *values) != 0)
        status =
            ZM_FAIL(ZM_ERR_FORMAT, "%s: %s differs from the tensor it is an alias of",
                    path, name->name);
    if (status == ZM_OK)
        memcpy(at, values, e->count * sizeof *values);
    *seen = true;
    free(values);
    return status;
}

// A list of names for a message: "a, b, c and 3 more".
typedef struct name_list {
    char text[440];
    uint32_t shown, count;
} name_list;

static void list_name(name_list *list, const char *name)
{
    enum { MAX_SHOWN = 10, MORE = 24 }; // room for " and N more"
    const size_t used = strlen(list->text);
    list->count++;
    if (list->shown == MAX_SHOWN || list->shown + 1 < list->count ||
        used + strlen(name) + MORE >= sizeof list->text)
        return;
    snprintf(list->text + used, sizeof list->text - used, "%s%s", used ? ", " : "", name);
    list->shown++;
}

static const char *list_end(name_list *list)
{
    const size_t used = strlen(list->text);
    if (list->shown < list->count)
        snprintf(list->text + used, sizeof list->text - used, " and %u more",
                 list->count - list->shown);
    return list->count ? list->text : "none";
}

// Whether the file has the values of a name, under it or under an alias.
static bool is_there(const zm_weights *st, const zm_params *ps, const zm_param_name *name)
{
    bool found = zm_weights_find(st, name->name) != NULL;
    for (uint32_t j = 0; j < ps->name_count && !found; j++)
        found = ps->names[j].alias && ps->names[j].slot == name->slot &&
                zm_weights_find(st, ps->names[j].name);
    return found;
}

// The file has every tensor of the model and no other, as load_state_dict(strict=True).
static zm_status check_names(const zm_weights *st, const zm_params *ps)
{
    name_list missing = {0}, unexpected = {0};
    for (uint32_t i = 0; i < ps->name_count; i++)
        if (!ps->names[i].alias && !is_there(st, ps, &ps->names[i]))
            list_name(&missing, ps->names[i].name);
    for (uint64_t i = 0; i < zm_weights_count(st); i++) {
        const char *name = zm_weights_at(st, i)->name;
        if (!zm_params_find(ps, name) && !zm_has_suffix(name, "num_batches_tracked"))
            list_name(&unexpected, name);
    }
    if (missing.count == 0 && unexpected.count == 0)
        return ZM_OK;
    return ZM_FAIL(ZM_ERR_SHAPE, "%s: missing tensors: %s; unexpected tensors: %s",
                   zm_weights_path(st), list_end(&missing), list_end(&unexpected));
}

static zm_status read_weights(zm_weights *st, zm_model *model)
{
    const zm_params *ps = &model->params;
    ZM_TRY(check_names(st, ps));
    for (uint32_t i = 0; i < ps->name_count; i++) {
        bool seen = false;
        if (ps->names[i].alias)
            continue;
        for (uint32_t j = i + 1; j < ps->name_count && !seen; j++)
            if (ps->names[j].alias && ps->names[j].slot == ps->names[i].slot)
                ZM_TRY(read_name(st, model, &ps->names[j], &seen));
        ZM_TRY(read_name(st, model, &ps->names[i], &seen));
    }
    return ZM_OK;
}

zm_status zm_model_load(const char *path, uint32_t heads, uint32_t dec_heads,
                        zm_model **out)
{
    zm_weights *st = NULL;
    zm_model *model = NULL;
    json_t *meta = NULL;
    struct stat info;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return ZM_FAIL(ZM_ERR_IO,
                       "%s: is a folder, expected a model such as %s/model.safetensors",
                       path, path);
    ZM_TRY(zm_weights_open(path, &st));
    const char *text = zm_weights_meta(st, "zmae");
    zm_status status = text ? zm_meta_parse(text, path, &meta) : ZM_OK;
    if (status == ZM_OK)
        status = zm_error_context(zm_model_guess(st, heads, dec_heads, meta, &model),
                                  "%s", path);
    if (status == ZM_OK)
        status = read_weights(st, model);
    if (status == ZM_OK && meta)
        status = zm_meta_apply(meta, path, model);
    if (status == ZM_OK && !(model->path = zm_strdup(path)))
        status = ZM_FAIL(ZM_ERR_MEMORY, "%s: out of memory", path);
    json_decref(meta);
    zm_weights_close(&st);
    if (status != ZM_OK)
        zm_model_destroy(&model);
    *out = model;
    return status;
}
