// The log of a training run, read back.
#ifndef ZM_TRAINING_CURVE_H
#define ZM_TRAINING_CURVE_H

#include "core/base.h"

typedef struct zm_training_curve {
    uint64_t steps;           // logged
    double *step, *loss, *lr; // (steps); lr NaN where not logged
    uint64_t validations;
    double *val_step, *val_loss; // (validations); NaN where it was not finite
} zm_training_curve;

// Reads DIR/log.jsonl, or where there is none DIR/log.csv, as train_log.h writes them. A
// last line without its end is one being written and is left out. ZM_ERR_IO: neither can
// be read; ZM_ERR_FORMAT: a line is no record (with its number), or no step is logged.
zm_status zm_training_curve_read(const char *dir, zm_training_curve *out);
void zm_training_curve_finish(zm_training_curve *curve);

// Index of the smallest finite val_loss; validations where there is none.
uint64_t zm_training_curve_best(const zm_training_curve *curve);

// Mean of the steps within half a window of each, fewer at the ends.
//   out  (steps)
zm_status zm_training_curve_smooth(const zm_training_curve *curve, uint64_t window,
                                   double *out);

#endif
