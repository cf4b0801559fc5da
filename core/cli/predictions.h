// The table that predict writes, row by row as the predictions come: CSV, a FITS binary
// table, or the three FITS tables that LSST-DESC qp and RAIL read.
#ifndef ZM_PREDICTIONS_H
#define ZM_PREDICTIONS_H

#include "core/gpu.h"
#include "core/train/model.h"
#include "core/train/pdf.h"

typedef enum zm_predictions_format {
    ZM_PREDICTIONS_CSV,
    ZM_PREDICTIONS_FITS,
    ZM_PREDICTIONS_QP,
} zm_predictions_format;

// "csv", "fits", "qp"; "auto": FITS for *.fits and *.fit, else CSV.
zm_predictions_format zm_predictions_format_of(const char *name, const char *path);

// Which number of a distribution z_phot is.
typedef enum zm_point { ZM_POINT_MEAN, ZM_POINT_MEDIAN, ZM_POINT_MODE } zm_point;

typedef struct zm_predictions_info {
    zm_predictions_format format;
    const zm_dataset *ds;
    uint32_t batch;        // rows of one call, at most
    const zm_z_grid *grid; // of the distributions; NULL: regression
    zm_point point;        // [mean]
    bool points;           // columns z_mean, z_median, z_mode too
    bool pdf;              // FITS: the column pdf and the table ZGRID
    // provenance, in the header of a FITS file
    zm_model *const *models; // (model_count), each read from a file
    uint32_t model_count;
    const zm_caps *device;
    const char *precision;
    bool all_symmetries; // averaged over the symmetries of the square
} zm_predictions_info;

// Columns: object_id, ra, dec, z_phot; of distributions z_phot_err, z025, z160, z500,
// z840, z975, where asked for z_mean, z_median, z_mode; flags; z_spec where any row has
// one; file where the data are a directory. FITS adds pdf, the probabilities of the bins,
// and a second table ZGRID with z_lo, z_hi, z_mid of each bin. qp: tables meta (xvals,
// the centres of the bins), data (yvals, the densities there) and ancil.
//
// create opens the output, so that a place that cannot be written to is known before the
// work; rows are written in order; the file appears in finish. info must stay as it is.
// ZM_ERR_USAGE: qp, or points, of a regression model, which says no distribution.
typedef struct zm_predictions zm_predictions;
zm_status zm_predictions_create(const char *path, const zm_predictions_info *info,
                                zm_predictions **out);

// The next n rows.
//   values  (n, bins) distributions, or (n) redshifts
//   flags   (n)
zm_status zm_predictions_rows(zm_predictions *table, uint32_t n, const double *values,
                              const uint32_t *flags);
zm_status zm_predictions_finish(zm_predictions **table); // NULL after, also on failure
void zm_predictions_abort(zm_predictions **table);

#endif
