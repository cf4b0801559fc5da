// The usual figures of photometric redshifts.
#ifndef ZM_EVALUATE_PLOTS_H
#define ZM_EVALUATE_PLOTS_H

#include "core/cli/evaluation.h"
#include "core/plot/plot.h"

// Writes into a folder, which is made where missing, each with the numbers drawn as CSV:
//   zphot_zspec.png  density of z_phot against z_spec
//   residuals.png    dz against z_spec with running median and sigma_mad
//   residuals_r.png  the same against r magnitude, where known
//   dz_hist.png      histogram of dz with the normal law of width sigma_mad
//   nz.png           distribution of z_spec, z_phot and of the summed PDFs
//   pit.png          with PDFs: histogram of PIT and its quantiles against uniform ones
zm_status zm_evaluate_plots(const char *folder, const zm_evaluation *evaluation);

// Parts of it.
zm_status zm_evaluate_plot_redshifts(const char *folder, const zm_evaluation *evaluation);
zm_status zm_evaluate_plot_residuals(const char *folder, const zm_evaluation *evaluation);
zm_status zm_evaluate_plot_histograms(const char *folder,
                                      const zm_evaluation *evaluation);
zm_status zm_evaluate_plot_pit(const char *folder, const zm_evaluation *evaluation);

// FOLDER/NAME for a figure.
zm_status zm_evaluate_write_plot(zm_plot *plot, const char *folder, const char *name);

// The numbers above a figure: objects (of these outside the axes, 0 = not said), mean dz,
// median dz, sigma_mad and eta.
void zm_evaluate_headline(const zm_metrics *metrics, uint64_t outside,
                          char out[ZM_PLOT_TEXT]);

// Ends of an axis that shows values: all of them, unless a few lie far off; then those
// between the 2nd and the 98th percentile and a margin. zero: starts there where nothing
// lies below and the values reach near it.
typedef struct zm_range {
    double low, high;
} zm_range;
zm_status zm_range_of(const double *values, uint64_t count, bool zero, zm_range *out);

#endif
