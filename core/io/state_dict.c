#include "core/io/state_dict.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/io/path.h"
#include "core/io/torch_file.h"
#include "core/io/zip.h"

struct zm_state_dict { // one of the two
    zm_safetensors *st;
    zm_torch_file *torch;
};

enum { HEAD = 16 };

static zm_status read_head(const char *path, uint8_t head[HEAD], size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", path, strerror(errno));
    *size = fread(head, 1, HEAD, f); // 0 for a folder
    fclose(f);
    return ZM_OK;
}

// npz is a zip archive as well; PyTorch's has a pickle.
static zm_status has_pickle(const char *path, bool *found)
{
    zm_zip *zip = NULL;
    ZM_TRY(zm_zip_open(path, &zip));
    *found = false;
    for (uint64_t i = 0; i < zm_zip_count(zip) && !*found; i++)
        *found = zm_has_suffix(zm_zip_at(zip, i)->name, "data.pkl");
    zm_zip_close(&zip);
    return ZM_OK;
}

zm_status zm_state_dict_is(const char *path, bool *out)
{
    uint8_t head[HEAD] = {0};
    size_t size = 0;
    ZM_TRY(read_head(path, head, &size));
    if (zm_zip_is_zip(head, size))
        return has_pickle(path, out);
    *out = zm_torch_file_is(head, size) || (size > 8 && head[8] == '{');
    return ZM_OK;
}

zm_status zm_state_dict_open(const char *path, zm_state_dict **out)
{
    uint8_t head[HEAD] = {0};
    size_t size = 0;
    ZM_TRY(read_head(path, head, &size));
    const bool torch = zm_torch_file_is(head, size);
    zm_state_dict *dict = zm_calloc(1, sizeof *dict);
    if (!dict)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: out of memory", path);
    const zm_status st = torch ? zm_torch_file_open(path, &dict->torch)
                               : zm_safetensors_open(path, &dict->st);
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
    zm_torch_file_close(&(*dict)->torch);
    free(*dict);
    *dict = NULL;
}

const char *zm_state_dict_format(const zm_state_dict *dict)
{
    return dict->torch ? "PyTorch" : "safetensors";
}

const char *zm_state_dict_path(const zm_state_dict *dict)
{
    return dict->torch ? zm_torch_file_path(dict->torch) : zm_safetensors_path(dict->st);
}

const char *zm_state_dict_meta(const zm_state_dict *dict, const char *key)
{
    return dict->torch ? zm_torch_file_meta(dict->torch, key)
                       : zm_safetensors_meta(dict->st, key);
}

uint64_t zm_state_dict_count(const zm_state_dict *dict)
{
    return dict->torch ? zm_torch_file_count(dict->torch)
                       : zm_safetensors_count(dict->st);
}

const zm_st_entry *zm_state_dict_at(const zm_state_dict *dict, uint64_t i)
{
    return dict->torch ? zm_torch_file_at(dict->torch, i)
                       : zm_safetensors_at(dict->st, i);
}

const zm_st_entry *zm_state_dict_find(const zm_state_dict *dict, const char *name)
{
    return dict->torch ? zm_torch_file_find(dict->torch, name)
                       : zm_safetensors_find(dict->st, name);
}

zm_status zm_state_dict_read_f32(zm_state_dict *dict, const zm_st_entry *entry,
                                 float *out)
{
    return dict->torch ? zm_torch_file_read_f32(dict->torch, entry, out)
                       : zm_safetensors_read_f32(dict->st, entry, 0, entry->count, out);
}
