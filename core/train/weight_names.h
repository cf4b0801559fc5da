// What other libraries call the tensors of a vision transformer. Our own names are those
// of timm and Meta's MAE, and of the released AstroMAE; Hugging Face has others, and
// keeps query, key and value apart.
//
// Hugging Face has no pcm blocks. In its layout their convolutions are called
// "vit.encoder.layer.N.pcm.*", and as its key has a bias and ours has none, that is zero.
#ifndef ZM_WEIGHT_NAMES_H
#define ZM_WEIGHT_NAMES_H

#include "core/nn/params.h"

typedef enum zm_layout { ZM_LAYOUT_TIMM, ZM_LAYOUT_HF } zm_layout;

// Our attn.qkv is three tensors there: query, key and value, each a third of the rows.
enum { ZM_MAX_PARTS = 3 };

// The names there of one of our tensors; returns how many (1 or 3), 0 where Hugging Face
// has no name for it.
//   zero_key   out: true where a key bias of zeros goes with it, by the name of `zeros`
uint32_t zm_names_to_hf(const char *own, char out[ZM_MAX_PARTS][ZM_PARAM_NAME],
                        bool *zero_key, char zeros[ZM_PARAM_NAME]);

// Our name of a tensor there, and which of how many parts of it that tensor is. A key
// bias of pcm blocks becomes "blocks.N.attn.k_bias", which we do not have. False: no such
// name.
//   pcm        whether the encoder's blocks are pcm blocks
bool zm_names_from_hf(const char *hf, bool pcm, char out[ZM_PARAM_NAME], uint32_t *part,
                      uint32_t *parts);

#endif
