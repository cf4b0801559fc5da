// Pictures of what a masked autoencoder sees, hides and paints.
#ifndef ZM_PAINT_H
#define ZM_PAINT_H

#include "core/base.h"

typedef struct zm_painting {
    uint32_t count;       // objects, one row of the picture each
    uint32_t grid, patch; // patches along a side, pixels along a patch
    const float *target;  // (count, grid^2, patch^2 * 5) stretched pixels
    const float *pred;    // the same
    const float *hidden;  // (count, grid^2)
} zm_painting;

// Writes a PNG: a row an object, each original, what is visible, reconstruction (visible
// patches as they are, hidden ones painted), as colour (i, r, g).
zm_status zm_paint_png(const char *path, const zm_painting *painting);

#endif
