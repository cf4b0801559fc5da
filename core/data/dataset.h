// Data sets of cutouts, recognised by content: safetensors, FITS table OBJECTS, FITS
// cube, directory of cubes with labels.csv, npz of the public SDSS cube. Bands u g r i z,
// nanomaggies per pixel, never dereddened in the file. Metadata are in memory, images are
// read row by row.
#ifndef ZM_DATASET_H
#define ZM_DATASET_H

#include "core/base.h"

// Bits of zm_row.flags and of the flags column of predictions.
enum {
    ZM_FLAG_MASKED = 1u << 0,         // some pixels were not finite; they were set to 0
    ZM_FLAG_CENTRE_MASKED = 1u << 1,  // a masked pixel lies in the aperture
    ZM_FLAG_NOT_DEREDDENED = 1u << 2, // no E(B-V): magnitudes are not corrected
    ZM_FLAG_BAD_MAGS = 1u << 3, // magnitudes given were not finite: replaced by aperture
    ZM_FLAG_FAINT = 1u << 4,    // a measured flux was <= 0
    ZM_FLAG_OUTSIDE_TRAINING = 1u << 5, // magnitudes outside the range trained on
    ZM_FLAG_OFF_FRAME = 1u << 6,        // prepare: some pixels lie off the frames
    ZM_FLAG_NO_IMAGE = 1u << 7,         // no pixel at all: off every frame, or unreadable
    ZM_FLAG_MISSING_BAND = 1u << 8, // a band has no pixel: its frame is missing or bad
    ZM_FLAG_DUPLICATE_ID = 1u << 9, // an earlier row has the same object_id
    ZM_FLAG_BAD_ROW = 1u << 10,     // the catalogue row was unusable (no position)
};

enum { ZM_DATASET_MAX_SIDE = 8192 }; // pixels

typedef struct zm_row {
    int64_t object_id;      // row number where the file has none
    double ra_deg, dec_deg; // NaN where unknown
    float z;                // spectroscopic redshift, NaN = unlabelled
    float ebv;              // E(B-V) in mag, NaN = unknown
    float mags[ZM_BANDS];   // as the file gives them, NaN where it gives none
    int32_t label;          // class, -1 = none
    float coverage;         // part of the cutout that the frames cover, NaN = unknown
    uint32_t flags;         // ZM_FLAG_* that the file records; 0 where it has none
} zm_row;

// A row of which nothing but the number is known.
zm_row zm_row_unknown(int64_t object_id);

// What the magnitudes of a data set are; AstroMAE models record it.
typedef enum zm_mag_kind {
    ZM_MAG_APERTURE, // made by zm_aperture_mags (also when the file has none)
    ZM_MAG_MODEL,
    ZM_MAG_CMODEL,
    ZM_MAG_PETRO,
} zm_mag_kind;
const char *zm_mag_kind_name(zm_mag_kind kind);
zm_status zm_mag_kind_parse(const char *name, zm_mag_kind *out);

typedef struct zm_dataset {
    char *path;
    const char *format; // "safetensors", "fits-table", "fits-cube", "directory", "npz"
    uint64_t count;
    uint32_t height, width; // pixels
    bool has_mags, has_ids, has_mask_noise;
    zm_mag_kind mag_kind;  // what mags are, from the file's metadata [aperture]
    bool simulated;        // the file says that it was simulated
    uint32_t mask_patches; // columns of mask_noise
    zm_row *rows;          // (count)
    uint64_t skipped;      // inputs that could not be read and are not in rows
    struct zm_dataset_source *source;
} zm_dataset;

// Opens any of the formats. Errors name file, HDU, tensor or row; a directory with some
// unreadable files opens with the rest (skipped > 0, each reported through log). Its rows
// come in the order of labels.csv, then by name; object_id counts the inputs, also the
// skipped ones. Images may be read from several threads; they take turns.
//   helper   path of the zmae executable to decode compressed FITS with (it runs
//            "helper --fits-helper"); NULL: compressed FITS is refused
zm_status zm_dataset_open(const char *path, const char *helper, const zm_log *log,
                          zm_dataset **out);
void zm_dataset_close(zm_dataset **ds);

// Image of one row as (ZM_BANDS, height, width) nanomaggies; non-finite pixels become 0.
//   flags   out: ZM_FLAG_MASKED, _CENTRE_MASKED; _MISSING_BAND where a band has no
//           finite pixel, _NO_IMAGE where no band has one
zm_status zm_dataset_image(zm_dataset *ds, uint64_t row, float *image, uint32_t *flags);

// Name of the file of one row in a data set that is a directory; else NULL.
const char *zm_dataset_file(const zm_dataset *ds, uint64_t row);

// The same as stored: pixels that are not finite stay so.
zm_status zm_dataset_pixels(zm_dataset *ds, uint64_t row, float *image);

// mask_noise of one row, (mask_patches) values; only where has_mask_noise.
zm_status zm_dataset_mask_noise(zm_dataset *ds, uint64_t row, float *noise);

// Writes a data set row by row: FITS binary table OBJECTS for *.fits, else safetensors.
// The output appears only in finish, which wants every row. Either row, in order, or
// place, in any order and again where a better image is found; place needs a file that
// is not a pipe.
typedef struct zm_dataset_writer zm_dataset_writer;
typedef struct zm_dataset_info {
    uint64_t count;
    uint32_t height, width;
    bool simulated;
    bool records_flags; // the rows' coverage and flags are written too
    zm_mag_kind mag_kind;
    const char *origin; // one line of provenance: program, seed, catalogue name
} zm_dataset_info;
zm_status zm_dataset_writer_create(const char *path, const zm_dataset_info *info,
                                   zm_dataset_writer **out);
zm_status zm_dataset_writer_row(zm_dataset_writer *w, const zm_row *row,
                                const float *image);
zm_status zm_dataset_writer_place(zm_dataset_writer *w, uint64_t index, const zm_row *row,
                                  const float *image);
zm_status zm_dataset_writer_finish(zm_dataset_writer **w);
void zm_dataset_writer_abort(zm_dataset_writer **w);

#endif
