// Inference over a data set, a batch at a time: one recorded program, replayed. The last
// batch is padded; padding never shows in a result, nor does the batch size.
#ifndef ZM_PREDICTOR_H
#define ZM_PREDICTOR_H

#include "core/data/sample.h"
#include "core/train/model.h"

typedef struct zm_predictor zm_predictor;

// The model's parameters must be on the device (zm_params_allocate, upload); a trainer's
// are. batch is halved where the device's memory does not hold it.
//   seed  of the masks of an autoencoder, where the data set brings no mask_noise
zm_status zm_predictor_create(zm_gpu *gpu, const zm_model *model, zm_dataset *ds,
                              uint32_t batch, uint64_t seed, zm_predictor **out);
void zm_predictor_destroy(zm_predictor **predictor);
uint32_t zm_predictor_batch(const zm_predictor *predictor);
uint64_t zm_predictor_memory(const zm_predictor *predictor);

// The cutouts of later batches are seen under one of ZM_SYMMETRIES [0].
void zm_predictor_turn(zm_predictor *predictor, uint32_t symmetry);

// Queues one batch of n <= batch rows. One batch may be outstanding.
zm_status zm_predictor_submit(zm_predictor *predictor, const uint32_t *rows, uint32_t n);

// Fetches the outstanding batch, or ZM_PENDING.
//   values  of a redshift model (n, outputs of its head); of an autoencoder (n), the mean
//           squared error of the object's hidden patches
//   flags   (n), may be NULL
zm_status zm_predictor_result(zm_predictor *predictor, float *values, uint32_t *flags);

// Of an autoencoder, after result: what it painted. Waits.
//   pred, target  (n, patches, P * P * F), each patch (row, column, band)
//   hidden        (n, patches), 1 = hidden
zm_status zm_predictor_paint(zm_predictor *predictor, float *pred, float *target,
                             float *hidden);

#endif
