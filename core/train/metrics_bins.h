// Point metrics in bins of redshift or magnitude.
#ifndef ZM_METRICS_BINS_H
#define ZM_METRICS_BINS_H

#include "core/train/metrics.h"

enum { ZM_METRICS_MAX_BINS = 1000, ZM_METRICS_BIN_OBJECTS = 20 };

typedef struct zm_metrics_bin {
    double low, high;   // low <= x < high, in the last bin x <= high
    double median_x;    // NaN where count is 0
    zm_metrics metrics; // all values and errors NaN where count is 0
} zm_metrics_bin;

typedef struct zm_metrics_binning {
    uint32_t bins;     // wanted, 1 to ZM_METRICS_MAX_BINS
    bool equal_widths; // else equal counts
    uint64_t seed;
    uint32_t resamples; // as in zm_metrics_compute
} zm_metrics_binning;

// Metrics of the objects of each bin of x.
//   x               (count)  NaN: the object is in no bin
//   z_phot, z_spec  (count)  as in zm_metrics_compute
//   out             (found)  bins in order; the caller frees
// Equal counts: edges are quantiles, there are only as many bins as have about
// ZM_METRICS_BIN_OBJECTS objects, and equal x stay in one bin. Equal widths: parts of
// [min x, max x], some perhaps empty. One bin where all x are equal; none where none is
// finite (*out NULL, *found 0).
zm_status zm_metrics_binned(const double *x, const double *z_phot, const double *z_spec,
                            uint64_t count, const zm_metrics_binning *binning,
                            zm_metrics_bin **out, uint32_t *found);

#endif
