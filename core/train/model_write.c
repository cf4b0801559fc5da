// Models written as safetensors files, under our names or those of Hugging Face.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/io/bytes.h"
#include "core/io/safetensors.h"
#include "core/train/model.h"
#include "core/train/weight_names.h"

// One tensor of the file: a name of ours, a third of its rows, or zeros.
typedef struct piece {
    char name[ZM_PARAM_NAME];
    uint32_t rank;
    uint64_t shape[ZM_MAX_DIMS];
    uint64_t count;
    const float *values; // NULL: zeros
} piece;

typedef struct piece_list {
    piece *items;
    uint32_t count;
} piece_list;

static piece *add_piece(piece_list *list, const zm_param_name *n, const char *name,
                        const float *values, uint32_t parts)
{
    piece *p = &list->items[list->count++];
    *p = (piece){.rank = n->rank, .count = n->count / parts, .values = values};
    memcpy(p->name, name, strlen(name) + 1);
    for (uint32_t d = 0; d < ZM_MAX_DIMS; d++)
        p->shape[d] = n->dim[d];
    p->shape[0] /= parts;
    return p;
}

static zm_status add_hf(piece_list *list, const zm_param_name *n, const float *values)
{
    char names[ZM_MAX_PARTS][ZM_PARAM_NAME], zeros[ZM_PARAM_NAME];
    bool zero_key = false;
    const uint32_t parts = zm_names_to_hf(n->name, names, &zero_key, zeros);
    if (parts == 0)
        return ZM_FAIL(ZM_ERR_USAGE,
                       "Hugging Face has no name for %s: its layout is for autoencoders",
                       n->name);
    for (uint32_t i = 0; i < parts; i++)
        add_piece(list, n, names[i], values + i * (n->count / parts), parts);
    if (zero_key)
        add_piece(list, n, zeros, NULL, 1);
    return ZM_OK;
}

static zm_status list_pieces(const zm_model *model, zm_layout layout, piece_list *list)
{
    const zm_params *ps = &model->params;
    for (uint32_t i = 0; i < ps->name_count; i++) {
        const zm_param_name *n = &ps->names[i];
        const float *values = zm_params_host_at(ps, n, model->host);
        if (layout == ZM_LAYOUT_TIMM)
            add_piece(list, n, n->name, values, 1);
        else
            ZM_TRY(add_hf(list, n, values));
    }
    return ZM_OK;
}

static zm_status write_halves(zm_st_writer *w, const piece *p)
{
    enum { CHUNK = 4096 };
    uint16_t half[CHUNK];
    for (uint64_t done = 0; done < p->count;) {
        const uint64_t n = ZM_MIN(p->count - done, (uint64_t)CHUNK);
        for (uint64_t i = 0; i < n; i++) {
            const float value = p->values ? p->values[done + i] : 0.0f;
            half[i] = zm_f32_to_f16(value);
            if (isinf(zm_f16_to_f32(half[i])))
                return ZM_FAIL(ZM_ERR_FORMAT,
                               "tensor %s: %g is beyond half precision (65504)", p->name,
                               (double)value);
        }
        ZM_TRY(zm_st_writer_data(w, half, n * sizeof *half));
        done += n;
    }
    return ZM_OK;
}

static zm_status write_values(zm_st_writer *w, const piece *p)
{
    static const float zeros[256] = {0};
    if (p->values)
        return zm_st_writer_data(w, p->values, p->count * sizeof *p->values);
    for (uint64_t done = 0; done < p->count;) {
        const uint64_t n = ZM_MIN(p->count - done, (uint64_t)ZM_COUNT_OF(zeros));
        ZM_TRY(zm_st_writer_data(w, zeros, n * sizeof *zeros));
        done += n;
    }
    return ZM_OK;
}

static zm_status write_metadata(const zm_model *model, zm_st_writer *w)
{
    json_t *meta = zm_model_metadata(model);
    char *text = meta ? json_dumps(meta, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(meta);
    if (!text)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for the model's metadata");
    const zm_status st = zm_st_writer_meta(w, "zmae", text);
    free(text);
    ZM_TRY(st);
    return zm_st_writer_meta(w, "format", "pt");
}

static zm_status write_all(const zm_model *model, const zm_model_form *form,
                           piece_list *list, zm_st_writer *w)
{
    ZM_TRY(list_pieces(model, form->layout, list));
    ZM_TRY(write_metadata(model, w));
    for (uint32_t i = 0; i < list->count; i++) {
        const piece *p = &list->items[i];
        ZM_TRY(zm_st_writer_declare(w, p->name, form->half ? ZM_ST_F16 : ZM_ST_F32,
                                    p->rank, p->shape));
    }
    for (uint32_t i = 0; i < list->count; i++)
        ZM_TRY(form->half ? write_halves(w, &list->items[i])
                          : write_values(w, &list->items[i]));
    return ZM_OK;
}

zm_status zm_model_write(const zm_model *model, const zm_model_form *form,
                         const char *path)
{
    zm_st_writer *w = NULL;
    piece_list list = {0};
    list.items = // the most that a name becomes is query, key and value
        zm_calloc((uint64_t)model->params.name_count * ZM_MAX_PARTS, sizeof *list.items);
    if (!list.items)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: out of memory", path);
    zm_status st = zm_st_writer_create(path, &w);
    if (st == ZM_OK)
        st = write_all(model, form, &list, w);
    free(list.items);
    if (st == ZM_OK)
        return zm_st_writer_finish(&w);
    zm_st_writer_abort(&w);
    return zm_error_context(st, "%s", path);
}

zm_status zm_model_save(const zm_model *model, const char *path)
{
    return zm_model_write(model, &(zm_model_form){0}, path);
}
