// One simulated cutout: a galaxy, its neighbours, the sky.
#ifndef ZM_CUTOUT_H
#define ZM_CUTOUT_H

#include "core/data/dataset.h"
#include "core/sky/population.h"

// Sides of cutouts that can be simulated; the magnitude aperture must fit in.
#define ZM_CUTOUT_MIN_PX 16
#define ZM_CUTOUT_MAX_PX 2048

// Memory that one thread needs to render; create once, use for many cutouts.
typedef struct zm_cutout_scratch zm_cutout_scratch;
zm_status zm_cutout_scratch_create(uint32_t size, zm_cutout_scratch **out);
void zm_cutout_scratch_destroy(zm_cutout_scratch **scratch);

// Renders the cutout of a row; depends on row, size and the population only.
//   image   out, (ZM_BANDS, size, size) nanomaggies, galaxy within 0.5 pixel of the
//           middle, not dereddened
//   row     out: redshift, E(B-V), position, aperture magnitudes of the noisy image
void zm_cutout_render(const zm_population *population, uint32_t index,
                      zm_cutout_scratch *scratch, float *image, zm_row *row);

#endif
