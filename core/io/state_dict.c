#include "core/io/state_dict.h"

#include <stdlib.h>

struct zm_state_dict {
    zm_safetensors *st;
};

zm_status zm_state_dict_open(const char *path, zm_state_dict **out)
{
    zm_state_dict *dict = zm_calloc(1, sizeof *dict);
    if (!dict)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: out of memory", path);
    const zm_status st = zm_safetensors_open(path, &dict->st);
    if (st != ZM_OK)
        zm_state_dict_close(&dict);
    *out = dict;
    return st;
}

void zm_state_dict_close(zm_state_dict **dict)
{
    if (!*dict)
        return;
    zm_safetensors_close(&(*dict)->st);
    free(*dict);
    *dict = NULL;
}

const char *zm_state_dict_format(const zm_state_dict *dict)
{
    (void)dict;
    return "safetensors";
}

const char *zm_state_dict_path(const zm_state_dict *dict)
{
    return zm_safetensors_path(dict->st);
}

const char *zm_state_dict_meta(const zm_state_dict *dict, const char *key)
{
    return zm_safetensors_meta(dict->st, key);
}

uint64_t zm_state_dict_count(const zm_state_dict *dict)
{
    return zm_safetensors_count(dict->st);
}

const zm_st_entry *zm_state_dict_at(const zm_state_dict *dict, uint64_t i)
{
    return zm_safetensors_at(dict->st, i);
}

const zm_st_entry *zm_state_dict_find(const zm_state_dict *dict, const char *name)
{
    return zm_safetensors_find(dict->st, name);
}

zm_status zm_state_dict_read_f32(zm_state_dict *dict, const zm_st_entry *entry,
                                 float *out)
{
    return zm_safetensors_read_f32(dict->st, entry, 0, entry->count, out);
}
