// Learning a calibration from objects that the model was not trained on.
#ifndef ZM_CALIBRATE_H
#define ZM_CALIBRATE_H

#include "core/train/calibration.h"

enum { ZM_CALIBRATE_MIN_OBJECTS = 100 };

// What a model said of objects whose redshifts are known.
typedef struct zm_calibrate_sample {
    const zm_head *head;
    const float *outputs; // (rows, zm_head_outputs), finite
    const float *z;       // (rows) true redshifts, finite
    uint64_t count;       // objects; object i is row first + i * step
    uint64_t first, step; // [0, 1]; a step of 0 counts as 1
} zm_calibrate_sample;

// Fits a calibration of that kind.
// Temperature: of a histogram, the one of least mean -log p(bin of z), searched in
// log T; of a normal law, the root mean square of (z - mean) / sd, which minimises its
// negative log-likelihood. Quantile: that temperature and then the distribution of the
// PIT, map[j] = (objects of PIT <= knot j, + knot j) / (count + 1): the one uniform
// object more keeps every part of a distribution above 0.
// Errors: ZM_ERR_SHAPE (a regression head says no distribution), ZM_ERR_FORMAT (fewer
// than ZM_CALIBRATE_MIN_OBJECTS, a value that is not finite), ZM_ERR_MEMORY.
// Sources: Guo et al. 2017 (arXiv:1706.04599); Bordoloi, Lilly & Amara 2010
// (MNRAS 406, 881).
zm_status zm_calibrate_fit(const zm_calibrate_sample *sample, zm_calibration_kind kind,
                           zm_calibration *out);

// PIT of every object under a calibration (NULL: none).
//   pit  (count)  out
zm_status zm_calibrate_pit(const zm_calibrate_sample *sample,
                           const zm_calibration *calibration, double *pit);

// Kolmogorov-Smirnov distance of the PITs to the uniform law.
typedef struct zm_calibrate_report {
    double before;  // of the head's own distributions
    double after;   // on the objects that the calibration was learnt on
    double crossed; // not in-sample: of every other object under a calibration learnt on
                    // the rest, and the reverse, the mean of both. NaN where the halves
                    // are too few
    double chance;  // what crossed is on average where nothing is left to calibrate: the
                    // mean of Kolmogorov's law at half the objects, and of two samples
                    // of half the objects where one taught a map for the other (which
                    // is a little more than what it is, as a map is smooth)
} zm_calibrate_report;
zm_status zm_calibrate_assess(const zm_calibrate_sample *sample,
                              const zm_calibration *calibration,
                              zm_calibrate_report *out);

#endif
