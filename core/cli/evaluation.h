// Everything that evaluate finds out about predictions: what it reports and draws.
#ifndef ZM_EVALUATION_H
#define ZM_EVALUATION_H

#include "core/cli/redshift_join.h"
#include "core/train/metrics_bins.h"
#include "core/train/pdf_metrics.h"

typedef enum zm_bin_axis {
    ZM_BIN_Z_SPEC,
    ZM_BIN_Z_PHOT,
    ZM_BIN_R_MAG,
    ZM_BIN_AXES,
} zm_bin_axis;
const char *zm_bin_axis_name(zm_bin_axis axis); // "z_spec", "z_phot", "r_mag"

typedef struct zm_evaluation_args {
    const char *pred, *truth; // truth NULL: z_spec of the predictions
    const char *point;        // column taken as z_phot, NULL = the usual ones
    zm_join join;
    zm_metrics_binning binning; // its seed and resamples are those of all metrics
} zm_evaluation_args;

typedef struct zm_evaluation {
    zm_redshift_table pred, truth;
    zm_redshift_pairs pairs;
    zm_metrics metrics;
    zm_metrics_bin *bins[ZM_BIN_AXES];
    uint32_t bin_count[ZM_BIN_AXES]; // 0 where the axis is not known
    // of predictions with distributions; pdf.count = 0 where there are none
    zm_pdf_metrics pdf;
    zm_z_grid grid;
    zm_pdf_score *scores; // (pdf.count) sorted by pit
    double *stacked;      // (grid.bins) mean distribution of all pairs that have one
    uint64_t no_pdf;      // pairs whose distribution is none (NaN, negative, empty)
} zm_evaluation;

// Reads, joins and measures. Errors as of the parts, with the file's name; out is to be
// finished only after ZM_OK.
zm_status zm_evaluation_run(const zm_evaluation_args *args, const zm_log *log,
                            zm_evaluation *out);
void zm_evaluation_finish(zm_evaluation *evaluation);

#endif
