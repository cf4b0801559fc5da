// Metrics of redshift distributions against true redshifts, with bootstrap errors.
#ifndef ZM_PDF_METRICS_H
#define ZM_PDF_METRICS_H

#include "core/train/pdf.h"

typedef enum zm_pdf_metric {
    ZM_CRPS,
    ZM_PIT_KS,
    ZM_PIT_CVM,
    ZM_CDE_LOSS,
    ZM_PDF_METRIC_COUNT
} zm_pdf_metric;

const char *zm_pdf_metric_name(zm_pdf_metric metric);       // "crps", as in JSON
const char *zm_pdf_metric_definition(zm_pdf_metric metric); // the formula in words

// What one distribution says of the true redshift.
typedef struct zm_pdf_score {
    double pit;             // F(z_spec), 0 to 1
    double crps;            // zm_pdf_crps
    double density;         // at z_spec
    double square_integral; // of the density
} zm_pdf_score;

// p as in pdf.h; all NaN where p is.
zm_pdf_score zm_pdf_score_of(const zm_z_grid *grid, const double *p, double z_spec);

typedef struct zm_pdf_metrics {
    uint64_t count; // objects
    double value[ZM_PDF_METRIC_COUNT];
    double error[ZM_PDF_METRIC_COUNT]; // as in zm_metrics
} zm_pdf_metrics;

// All metrics of a sample.
//   scores      (count) finite; comes back sorted by pit
//   count       1 to 2^32 - 1
//   resamples   as in zm_metrics_compute
// pit_ks is the largest distance between the empirical distribution of the PIT and the
// uniform one (scipy.stats.kstest), pit_cvm the Cramer-von Mises statistic
// 1 / 12n + sum_i ((2i - 1) / 2n - u_i)^2 over the sorted PIT
// (scipy.stats.cramervonmises). Of the errors of both: a bootstrap sample holds objects
// twice, which adds to the distance, so that they are upper limits. Errors: ZM_ERR_USAGE
// (count, resamples), ZM_ERR_FORMAT (a score is not finite), ZM_ERR_MEMORY.
zm_status zm_pdf_metrics_compute(zm_pdf_score *scores, uint64_t count, uint64_t seed,
                                 uint32_t resamples, zm_pdf_metrics *out);

#endif
