// Pictures of what a masked autoencoder sees, hides and paints.
#ifndef ZM_PAINT_H
#define ZM_PAINT_H

#include "core/cli/reconstruction.h"

enum { ZM_PAINT_MAX_OBJECTS = 256 };

typedef struct zm_painting {
    const zm_reconstruction *pixels;
    uint32_t grid;       // patches along a side
    const float *hidden; // (count, grid^2), 1 = hidden
    const float *errors; // (count) the model's mean squared error
    const zm_row *rows;  // (count) for the headings
} zm_painting;

// Writes a PNG. Each object is a block of three rows, original, what is visible (hidden
// patches grey) and reconstruction (visible patches as they are, hidden ones painted),
// with the five bands and a colour composite side by side.
//
// The scale is the same for all objects and rows: of a band, asinh(x / 3 sigma) from
// -3 sigma (black) to 250 sigma (white), sigma the noise of a pixel. Colour: bands i, r,
// g as red, green, blue, their ratios kept while the mean intensity is stretched by
// asinh. Source: Lupton et al. 2004 (PASP 116, 133).
zm_status zm_paint_png(const char *path, const zm_painting *painting);

// The composite's colour of a pixel: 0 to 1 in red, green, blue.
void zm_paint_colour(const float flux_nmgy[ZM_BANDS], const double sigma[ZM_BANDS],
                     double rgb[3]);

#endif
