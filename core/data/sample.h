// From rows of a data set to the arrays that a model is fed.
#ifndef ZM_SAMPLE_H
#define ZM_SAMPLE_H

#include "core/data/dataset.h"

// The symmetries of the square, as a number below ZM_SYMMETRIES whose bits say what is
// done to a cutout, in this order; 0 leaves it as it is.
enum {
    ZM_SYMMETRY_FLIP_X = 1,
    ZM_SYMMETRY_FLIP_Y = 2,
    ZM_SYMMETRY_TRANSPOSE = 4,
    ZM_SYMMETRIES = 8,
};

// Reads rows one by one; holds the memory of one cutout. init, then finish.
typedef struct zm_sampler {
    zm_dataset *ds;
    uint32_t size;     // side of the square that is cut from the centre
    uint32_t symmetry; // done to that square [0]; may be changed between reads
    float *image;      // (ZM_BANDS, height, width)
} zm_sampler;

// size: at most the cutouts' height and width, else ZM_ERR_SHAPE names the file.
zm_status zm_sampler_init(zm_sampler *sampler, zm_dataset *ds, uint32_t size);
void zm_sampler_finish(zm_sampler *sampler);

// One row as (size, size, ZM_BANDS) nanomaggies, cut from the centre.
//   mags   where not NULL: the file's magnitudes, else aperture magnitudes of the cutout;
//          no symmetry changes them
//   flags  where not NULL: ZM_FLAG_*, those of the row too
zm_status zm_sampler_read(zm_sampler *sampler, uint64_t row, float *out,
                          float mags[ZM_BANDS], uint32_t *flags);

// Robust pixel noise per band: 1.4826 times the median absolute deviation of the pixels
// of at most limit of the given rows, evenly spread.
zm_status zm_sampler_sigma(zm_sampler *sampler, const uint32_t *rows, uint64_t count,
                           uint64_t limit, float sigma[ZM_BANDS]);

#endif
