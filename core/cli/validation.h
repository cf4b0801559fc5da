// The validation part of a training run: its loss, and the calibration that it teaches.
#ifndef ZM_VALIDATION_H
#define ZM_VALIDATION_H

#include "core/train/calibration.h"
#include "core/train/order.h"
#include "core/train/predictor.h"

typedef struct zm_validation {
    zm_gpu *gpu;
    const zm_model *model;
    zm_dataset *ds;
    const zm_order *order;
    zm_predictor *predictor;
    float *values; // (val_count, width) what the model said last
    uint32_t width;
} zm_validation;

// Of order's validation part, in batches of at most batch; seed is that of the masks of
// an autoencoder. The model's parameters are on the device.
zm_status zm_validation_init(zm_validation *validation, zm_gpu *gpu,
                             const zm_model *model, zm_dataset *ds, const zm_order *order,
                             uint32_t batch, uint64_t seed);
void zm_validation_finish(zm_validation *validation);

// Mean loss of the model as it is now on the device; waits.
zm_status zm_validation_loss(zm_validation *validation, double *loss);

// A calibration of that kind from what the model said last. Errors of zm_calibrate_fit.
zm_status zm_validation_calibrate(const zm_validation *validation,
                                  zm_calibration_kind kind, zm_calibration *out);

#endif
