// Named tensors of a file, whatever its format: safetensors, or a state dict that PyTorch
// wrote (.pt, .pth). Recognised by content.
#ifndef ZM_STATE_DICT_H
#define ZM_STATE_DICT_H

#include "core/io/safetensors.h"

typedef struct zm_state_dict zm_state_dict;

// Whether a file's first bytes, and of a zip archive its entries, are those of one of the
// formats. False for folders. Errors: ZM_ERR_IO; those of zm_zip_open.
zm_status zm_state_dict_is(const char *path, bool *out);

// Errors: those of zm_safetensors_open and zm_torch_file_open.
zm_status zm_state_dict_open(const char *path, zm_state_dict **out);
void zm_state_dict_close(zm_state_dict **dict);

const char *zm_state_dict_format(const zm_state_dict *dict); // "safetensors", "PyTorch"
const char *zm_state_dict_path(const zm_state_dict *dict);
const char *zm_state_dict_meta(const zm_state_dict *dict, const char *key); // or NULL

uint64_t zm_state_dict_count(const zm_state_dict *dict);
const zm_st_entry *zm_state_dict_at(const zm_state_dict *dict, uint64_t i);
const zm_st_entry *zm_state_dict_find(const zm_state_dict *dict, const char *name);

// All elements of a tensor as floats, row by row, into out (entry->count). ZM_ERR_FORMAT
// where it holds no real numbers, or is damaged.
zm_status zm_state_dict_read_f32(zm_state_dict *dict, const zm_st_entry *entry,
                                 float *out);

#endif
