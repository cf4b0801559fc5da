// Point metrics of photometric redshifts under unambiguous names, with bootstrap errors.
// dz = (z_phot - z_spec) / (1 + z_spec) throughout.
#ifndef ZM_METRICS_H
#define ZM_METRICS_H

#include "core/base.h"

typedef enum zm_metric {
    ZM_BIAS_MEAN,
    ZM_BIAS_MEDIAN,
    ZM_SIGMA_MAD,
    ZM_NMAD_148,
    ZM_SIGMA_IQR,
    ZM_ETA_005,
    ZM_F_OUT_RAIL,
    ZM_MAE,
    ZM_MSE,
    ZM_R2,
    ZM_METRIC_COUNT
} zm_metric;

const char *zm_metric_name(zm_metric metric);       // "bias_mean", as in JSON
const char *zm_metric_definition(zm_metric metric); // the formula in words

typedef struct zm_metrics {
    uint64_t count;                // objects
    double value[ZM_METRIC_COUNT]; // NaN where undefined (r2 of equal redshifts)
    double error[ZM_METRIC_COUNT]; // bootstrap standard deviation, NaN where unknown: one
                                   // object, no resamples
} zm_metrics;

// All metrics of a sample.
//   z_phot, z_spec  (count)   finite, z_spec > -1
//   count       1 to 2^32 - 1
//   resamples   bootstrap samples, at least 2, or 0 for no errors
// Quantiles interpolate linearly (numpy's default). Errors: ZM_ERR_USAGE (count,
// resamples), ZM_ERR_FORMAT (a value is not finite, with its row), ZM_ERR_MEMORY.
// Sources: sigma_mad and eta as in Pasquet et al. 2019 (A&A 621, A26); nmad_1.48, mae,
// mse and r2 as in AstroMAE; bias_median, sigma_iqr and f_out_rail as in LSST-DESC RAIL.
zm_status zm_metrics_compute(const double *z_phot, const double *z_spec, uint64_t count,
                             uint64_t seed, uint32_t resamples, zm_metrics *out);

#endif
