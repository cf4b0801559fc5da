// The tensors of a model file under our own names, whatever format and layout the file
// has: safetensors or PyTorch, names of timm or of Hugging Face, "module." in front of
// every name (DataParallel).
#ifndef ZM_WEIGHTS_H
#define ZM_WEIGHTS_H

#include "core/io/state_dict.h"
#include "core/train/weight_names.h"

typedef struct zm_weights zm_weights;

// Errors: those of zm_state_dict_open; ZM_ERR_FORMAT and ZM_ERR_SHAPE where query, key
// and value do not make one tensor, or the key of pcm blocks has a bias.
zm_status zm_weights_open(const char *path, zm_weights **out);
void zm_weights_close(zm_weights **weights);

const char *zm_weights_path(const zm_weights *weights);
const char *zm_weights_format(const zm_weights *weights); // see zm_state_dict_format
zm_layout zm_weights_layout(const zm_weights *weights);
const char *zm_weights_meta(const zm_weights *weights, const char *key); // or NULL

// Sorted by name. Of an entry only name, dtype, rank, shape and count mean something.
uint64_t zm_weights_count(const zm_weights *weights);
const zm_st_entry *zm_weights_at(const zm_weights *weights, uint64_t i);
const zm_st_entry *zm_weights_find(const zm_weights *weights, const char *name);

// All elements of a tensor as floats into out (entry->count).
zm_status zm_weights_read_f32(zm_weights *weights, const zm_st_entry *entry, float *out);

#endif
