#include "core/train/weights.h"

#include <stdlib.h>
#include <string.h>

typedef struct weight {
    zm_st_entry entry; // under our name; first, so that an entry leads to its weight
    const zm_st_entry *parts[ZM_MAX_PARTS];
    uint32_t part_count;
} weight;

struct zm_weights {
    zm_state_dict *dict;
    zm_layout layout;
    weight *list; // sorted by name
    uint64_t count;
    char (*names)[ZM_PARAM_NAME]; // of a file with foreign names
};

// A tensor of the file and what of ours it is.
typedef struct source {
    const char *name;
    const zm_st_entry *entry;
    uint32_t part, parts;
} source;

static int compare_sources(const void *a, const void *b)
{
    const source *x = a, *y = b;
    const int order = strcmp(x->name, y->name);
    return order ? order : (x->part > y->part) - (x->part < y->part);
}

// "module." in front of every name, which DataParallel leaves, is no part of them.
static size_t common_prefix(const zm_state_dict *dict)
{
    static const char prefix[] = "module.";
    const uint64_t n = zm_state_dict_count(dict);
    for (uint64_t i = 0; i < n; i++)
        if (strncmp(zm_state_dict_at(dict, i)->name, prefix, strlen(prefix)) != 0)
            return 0;
    return n ? strlen(prefix) : 0;
}

static bool any_name_has(const zm_state_dict *dict, const char *text)
{
    for (uint64_t i = 0; i < zm_state_dict_count(dict); i++)
        if (strstr(zm_state_dict_at(dict, i)->name, text))
            return true;
    return false;
}

static void name_sources(zm_weights *w, source *sources)
{
    const size_t skip = common_prefix(w->dict);
    const bool pcm = any_name_has(w->dict, "vit.encoder.layer.0.pcm.");
    for (uint64_t i = 0; i < zm_state_dict_count(w->dict); i++) {
        const zm_st_entry *e = zm_state_dict_at(w->dict, i);
        source s = {e->name + skip, e, 0, 1};
        if (w->layout == ZM_LAYOUT_HF &&
            zm_names_from_hf(s.name, pcm, w->names[i], &s.part, &s.parts))
            s.name = w->names[i];
        sources[i] = s;
    }
}

// One tensor of ours from the first of its sources; all of its parts are there and alike.
static zm_status join_parts(const zm_weights *w, const source *s, uint64_t left,
                            weight *out)
{
    const char *path = zm_state_dict_path(w->dict);
    out->entry = *s->entry;
    out->entry.name = s->name;
    out->part_count = s->parts;
    for (uint32_t i = 0; i < s->parts; i++) {
        if (i >= left || strcmp(s[i].name, s->name) != 0 || s[i].part != i ||
            s[i].parts != s->parts)
            return ZM_FAIL(ZM_ERR_SHAPE,
                           "%s: %s: expected query, key and value, found %u of them",
                           path, s->entry->name, i);
        const zm_st_entry *e = s[i].entry;
        if (e->dtype != s->entry->dtype || e->rank != s->entry->rank ||
            memcmp(e->shape, s->entry->shape, sizeof e->shape) != 0 || e->rank == 0)
            if (s->parts > 1)
                return ZM_FAIL(ZM_ERR_SHAPE, "%s: %s and %s are of unlike shape or dtype",
                               path, s->entry->name, e->name);
        out->parts[i] = e;
    }
    if (s->parts > 1 && (!zm_mul_u64(out->entry.shape[0], s->parts, out->entry.shape) ||
                         !zm_mul_u64(out->entry.count, s->parts, &out->entry.count)))
        return ZM_FAIL(ZM_ERR_SHAPE, "%s: %s: its shape overflows", path, s->entry->name);
    return ZM_OK;
}

// The key of a pcm block has no bias: what stands there must be zero.
static zm_status check_key_bias(zm_weights *w, const zm_st_entry *e)
{
    float *values = zm_calloc(e->count, sizeof *values);
    if (!values)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for %s", zm_weights_path(w),
                       e->name);
    zm_status st = zm_state_dict_read_f32(w->dict, e, values);
    for (uint64_t i = 0; i < e->count && st == ZM_OK; i++)
        if (values[i] != 0.0f)
            st = ZM_FAIL(ZM_ERR_FORMAT,
                         "%s: %s: the key of a pcm block has no bias: expected zeros, "
                         "found %g",
                         zm_weights_path(w), e->name, (double)values[i]);
    free(values);
    return st;
}

static zm_status list_weights(zm_weights *w, const source *sources, uint64_t n)
{
    for (uint64_t i = 0; i < n;) {
        const source *s = &sources[i];
        if (w->layout == ZM_LAYOUT_HF && strstr(s->name, ".attn.k_bias")) {
            ZM_TRY(check_key_bias(w, s->entry));
            i++;
            continue;
        }
        ZM_TRY(join_parts(w, s, n - i, &w->list[w->count]));
        i += s->parts;
        if (w->count > 0 && strcmp(w->list[w->count - 1].entry.name, s->name) == 0)
            return ZM_FAIL(ZM_ERR_FORMAT, "%s: %s: two tensors are called that",
                           zm_weights_path(w), s->name);
        w->count++;
    }
    return ZM_OK;
}

static zm_status build(zm_weights *w)
{
    const uint64_t n = zm_state_dict_count(w->dict);
    w->layout = any_name_has(w->dict, "vit.embeddings.") ? ZM_LAYOUT_HF : ZM_LAYOUT_TIMM;
    source *sources = zm_calloc(n + 1, sizeof *sources);
    w->list = zm_calloc(n + 1, sizeof *w->list);
    w->names = zm_calloc(w->layout == ZM_LAYOUT_HF ? n + 1 : 1, sizeof *w->names);
    zm_status st = ZM_OK;
    if (sources && w->list && w->names) {
        name_sources(w, sources);
        qsort(sources, n, sizeof *sources, compare_sources);
        st = list_weights(w, sources, n);
    } else {
        st = ZM_FAIL(ZM_ERR_MEMORY, "%s: out of memory", zm_weights_path(w));
    }
    free(sources);
    return st;
}

zm_status zm_weights_open(const char *path, zm_weights **out)
{
    zm_weights *w = zm_calloc(1, sizeof *w);
    if (!w)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: out of memory", path);
    zm_status st = zm_state_dict_open(path, &w->dict);
    if (st == ZM_OK)
        st = build(w);
    if (st != ZM_OK)
        zm_weights_close(&w);
    *out = w;
    return st;
}

void zm_weights_close(zm_weights **weights)
{
    if (!*weights)
        return;
    zm_state_dict_close(&(*weights)->dict);
    free((*weights)->list);
    free((*weights)->names);
    free(*weights);
    *weights = NULL;
}

const char *zm_weights_path(const zm_weights *weights)
{
    return zm_state_dict_path(weights->dict);
}

const char *zm_weights_format(const zm_weights *weights)
{
    return zm_state_dict_format(weights->dict);
}

zm_layout zm_weights_layout(const zm_weights *weights)
{
    return weights->layout;
}

const char *zm_weights_meta(const zm_weights *weights, const char *key)
{
    return zm_state_dict_meta(weights->dict, key);
}

uint64_t zm_weights_count(const zm_weights *weights)
{
    return weights->count;
}

const zm_st_entry *zm_weights_at(const zm_weights *weights, uint64_t i)
{
    return &weights->list[i].entry;
}

static int compare_name(const void *name, const void *item)
{
    return strcmp(name, ((const weight *)item)->entry.name);
}

const zm_st_entry *zm_weights_find(const zm_weights *weights, const char *name)
{
    const weight *found =
        bsearch(name, weights->list, weights->count, sizeof *weights->list, compare_name);
    return found ? &found->entry : NULL;
}

zm_status zm_weights_read_f32(zm_weights *weights, const zm_st_entry *entry, float *out)
{
    const weight *w = (const weight *)(const void *)entry;
    for (uint32_t i = 0; i < w->part_count; i++) {
        ZM_TRY(zm_state_dict_read_f32(weights->dict, w->parts[i], out));
        out += w->parts[i]->count;
    }
    return ZM_OK;
}
