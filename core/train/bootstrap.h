// Errors of any statistics of a sample: their scatter over samples drawn from it.
#ifndef ZM_BOOTSTRAP_H
#define ZM_BOOTSTRAP_H

#include "core/base.h"

// Measures a sample in which object i stands weight[i] times.
//   weight   (count)
//   values   out, one per statistic; NaN where undefined
typedef void zm_bootstrap_measure(const void *sample, const uint32_t *weight,
                                  double *values);

enum { ZM_BOOTSTRAP_MAX = 16 }; // statistics at once

// Standard deviation of every statistic over samples of count objects drawn with
// replacement. NaN where fewer than two samples define it, and for one object, of which
// every sample is the same.
//   count       1 to 2^32 - 1
//   resamples   0: no errors (all NaN); else at least 2
//   statistics  at most ZM_BOOTSTRAP_MAX
//   error       (statistics)  out
// Errors: ZM_ERR_USAGE (count, resamples), ZM_ERR_MEMORY.
// Source: Efron 1979 (Ann. Statist. 7, 1).
zm_status zm_bootstrap(zm_bootstrap_measure *measure, const void *sample, uint64_t count,
                       uint64_t seed, uint32_t resamples, uint32_t statistics,
                       double *error);

#endif
