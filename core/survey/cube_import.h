// From the npz archive of the public SDSS cube to a data set that can be read at random.
#ifndef ZM_CUBE_IMPORT_H
#define ZM_CUBE_IMPORT_H

#include "core/data/dataset.h"

typedef struct zm_cube_import_params {
    const char *cube; // npz archive, stored or deflated
    const char *out;  // *.fits or safetensors
    bool mgs;         // only the main galaxy sample: zm_npz_label.mgs
    uint64_t count;   // at most so many rows, the first ones that pass [0 = all]
} zm_cube_import_params;

// Copies cutouts and labels row by row, in order; pixels are unchanged. Labels are read
// twice (the writer has to know the number of rows), the cube once and in sequence:
// memory holds one cutout, however large the archive is (a safetensors file keeps its
// columns, 96 bytes a row, until the end).
//   progress   told of rows written and to write; may be NULL
// Errors: ZM_ERR_FORMAT for a damaged archive, missing columns with mgs, or no row that
// passes; ZM_ERR_USAGE where out is the archive itself; ZM_ERR_IO, ZM_ERR_MEMORY.
zm_status zm_cube_import(const zm_cube_import_params *params,
                         void (*progress)(void *user, uint64_t done, uint64_t count),
                         void *user, const zm_log *log);

#endif
