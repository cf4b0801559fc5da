// The catalogue that comes with the public SDSS cube: the record array "labels" of an
// npz archive, read row by row. Names are taken in any case.
#ifndef ZM_NPZ_LABELS_H
#define ZM_NPZ_LABELS_H

#include "core/data/dataset.h"
#include "core/io/npz.h"

// What one row says; NaN where a column is absent.
typedef struct zm_npz_label {
    zm_row row; // magnitudes are dereddened
    bool mgs;   // passes the cuts of the main galaxy sample
} zm_npz_label;

// The columns: z, EBV, ra, dec, an object id, five magnitudes modelMag_* (else
// cModelMag_*), extinction_*, and what the published cuts need.
typedef struct zm_npz_labels {
    zm_npz_array *array; // NULL: the archive has no labels
    const zm_npy_field *z, *ebv, *ra, *dec, *id, *dered_petro_r, *primtarget;
    const zm_npy_field *mags[ZM_BANDS], *extinction[ZM_BANDS]; // all five or none
    zm_mag_kind mag_kind;
    uint8_t *chunk; // rows [chunk_first, chunk_first + chunk_rows)
    uint64_t chunk_first, chunk_rows, chunk_capacity;
} zm_npz_labels;

// ZM_ERR_FORMAT names the columns that the cuts of the main galaxy sample need and that
// are not there.
zm_status zm_npz_labels_need_mgs(const zm_npz_labels *labels, const char *path);

// Opens the labels of an archive; absent ones are no error.
//   rows   cutouts of the cube: there must be as many labels
//   log    told of an id column that cannot hold 64-bit numbers
// Errors: ZM_ERR_FORMAT names the column and its type; those of zm_npz_array_open.
zm_status zm_npz_labels_open(zm_zip *zip, const char *path, uint64_t rows,
                             const zm_log *log, zm_npz_labels *out);
void zm_npz_labels_close(zm_npz_labels *labels);

// Reads one row; rows must be asked for in ascending order. Magnitudes, E(B-V) and
// redshifts that SDSS marks as missing (-9999) are NaN. Magnitudes are dereddened by
// zm_extinction_mag of extinction_* and EBV; where neither is known
// ZM_FLAG_NOT_DEREDDENED is set. object_id is the row number where there is no usable id.
// The main galaxy sample is dered_petro_r <= 17.8, z <= 0.4, primtarget >= 64, compared
// as numpy does: in the precision of the column. Source of the cuts: Pasquet et al. 2019
// (arXiv:1806.06607) section 2 and their code.
zm_status zm_npz_labels_row(zm_npz_labels *labels, uint64_t row, zm_npz_label *out);

#endif
