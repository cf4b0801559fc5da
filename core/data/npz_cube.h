// The images of the public SDSS cube: the array "cube" of an npz archive.
#ifndef ZM_NPZ_CUBE_H
#define ZM_NPZ_CUBE_H

#include "core/data/dataset.h"
#include "core/io/npz.h"

// (N, H, W, 5) with the bands u g r i z last, as published, or (N, 5, H, W); numbers of
// floating point.
typedef struct zm_npz_cube {
    zm_npz_array *array;
    uint64_t count;
    uint32_t height, width;
    bool bands_last;
    uint8_t *raw; // one cutout as it is stored
    float *values;
} zm_npz_cube;

// Errors: ZM_ERR_FORMAT says which shape or type was found, also where both the second
// and the last axis have length 5 and where a side exceeds ZM_DATASET_MAX_SIDE, and which
// entries there are where none is called cube.
zm_status zm_npz_cube_open(zm_zip *zip, const char *path, zm_npz_cube *out);
void zm_npz_cube_close(zm_npz_cube *cube);

// Reads one cutout as (ZM_BANDS, height, width), pixels unchanged. A deflated cube can
// only be read in ascending order.
zm_status zm_npz_cube_image(zm_npz_cube *cube, uint64_t row, float *image);

// Reads a cutout for the checksum only: zm_npz_array_verify wants every one in order.
zm_status zm_npz_cube_pass(zm_npz_cube *cube, uint64_t row);

#endif
