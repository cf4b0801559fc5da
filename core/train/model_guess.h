// Which model a file holds: from names and shapes, and what its metadata add.
#ifndef ZM_MODEL_GUESS_H
#define ZM_MODEL_GUESS_H

#include "core/train/model.h"
#include "core/train/weights.h"

// A fresh model of the file's architecture; its weights are not read.
//   heads, dec_heads  override what the metadata say, where not 0
//   meta              of the file, or NULL
// Without metadata: width / 64 heads, at least 1; of the last layer's outputs 1 is a
// redshift, 2 are a normal law, more are bins of [0, 0.4].
zm_status zm_model_guess(const zm_weights *st, uint32_t heads, uint32_t dec_heads,
                         const json_t *meta, zm_model **out);

#endif
