// Fresh values of parameters.
#ifndef ZM_PARAM_INIT_H
#define ZM_PARAM_INIT_H

#include "core/nn/params.h"

// Draws the values of one name from (seed, name).
//   out  (name->count), written whole
void zm_param_draw(const zm_param_name *name, uint64_t seed, float *out);

// Fixed 2-d sine-cosine positions: (1 + grid^2, width), the first row (class token) zero.
// The first half of a row encodes the column, the second half the row; each half is sines
// then cosines. Source: Meta's MAE, util/pos_embed.py.
void zm_sincos_positions(uint32_t grid, uint32_t width, float *out);

#endif
