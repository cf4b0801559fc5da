// Redshifts from one model or several, of cutouts seen once or under all eight symmetries
// of the square. What a model says of each view is calibrated; views and models are then
// averaged: distributions as a linear pool on the grid of the first model, redshifts of
// regression models as numbers. Results depend on neither batch size nor threads.
#ifndef ZM_ENSEMBLE_H
#define ZM_ENSEMBLE_H

#include "core/train/pdf.h"
#include "core/train/predictor.h"

typedef struct zm_ensemble zm_ensemble;

typedef struct zm_ensemble_options {
    uint32_t batch;      // cutouts at a time, at most; less where memory is short
    bool all_symmetries; // average over ZM_SYMMETRIES views
} zm_ensemble_options;

// Uploads the models' parameters to the device; the models stay the caller's and are
// given back in destroy. Models may differ in everything (size of the cutout, stretch,
// magnitudes, grid of redshifts) but this: all say distributions, or all are regression.
//   models  (count), count at least 1
// Errors: ZM_ERR_SHAPE naming the model (no redshift model, of another kind, larger than
// the cutouts), ZM_ERR_MEMORY.
zm_status zm_ensemble_create(zm_gpu *gpu, zm_model *const *models, uint32_t count,
                             zm_dataset *ds, const zm_ensemble_options *options,
                             zm_ensemble **out);
void zm_ensemble_destroy(zm_ensemble **ensemble);

uint32_t zm_ensemble_batch(const zm_ensemble *ensemble);
uint64_t zm_ensemble_memory(const zm_ensemble *ensemble); // bytes of all predictors

// Grid of the distributions; NULL where the models are regression.
const zm_z_grid *zm_ensemble_grid(const zm_ensemble *ensemble);
uint32_t zm_ensemble_width(const zm_ensemble *ensemble); // bins, or 1

// Predicts rows [first, first + n), n at most the batch; waits. Rows without an image
// (ZM_FLAG_NO_IMAGE, ZM_FLAG_BAD_ROW) are NaN.
//   values  (n, width) distributions, or redshifts
//   flags   (n) what any model has to say
zm_status zm_ensemble_predict(zm_ensemble *ensemble, uint32_t first, uint32_t n,
                              double *values, uint32_t *flags);

#endif
