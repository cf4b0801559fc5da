// Training as a step function that never waits: the caller steps, polls results, and
// waits where it may. A step is two recorded programs: "grad" (input pipeline, forward,
// backward; adds into the gradient arena), replayed once a micro-batch, and "update"
// (norm, clip, AdamW), so accumulation changes nothing else but what batch norms in
// training see: their statistics are those of a micro-batch.
#ifndef ZM_TRAINER_H
#define ZM_TRAINER_H

#include "core/data/sample.h"
#include "core/train/model.h"
#include "core/train/order.h"
#include "core/train/schedule.h"

typedef struct zm_train_config {
    uint64_t seed;
    uint32_t batch;       // objects a step
    uint32_t micro_batch; // objects at a time; divides batch [0 = as many as fit]
    zm_schedule schedule;
    float weight_decay, beta1, beta2, eps, clip; // clip 0 = none
    uint32_t augment;                            // ZM_AUG_*
    float noise; // standard deviation added to the stretched pixels
} zm_train_config;

typedef struct zm_step_result {
    uint64_t step;
    double loss; // before the step's update, mean over its micro-batches
    double lr;
    double grad_norm;
} zm_step_result;

typedef struct zm_trainer zm_trainer;

// Prepares both programs for a model and a data set; the model's parameters move to the
// device. model, ds and order must outlive the trainer. Where the device's memory does
// not hold the batch, the micro-batch is halved and the log says so.
zm_status zm_trainer_create(zm_gpu *gpu, zm_model *model, zm_dataset *ds, zm_order *order,
                            const zm_train_config *config, const zm_log *log,
                            zm_trainer **out);
void zm_trainer_destroy(zm_trainer **trainer);

// Bytes on the device: parameters with gradients and moments, and the step's own.
typedef struct zm_train_memory {
    uint64_t parameters, step;
    uint32_t micro_batch, dispatches;
} zm_train_memory;
zm_train_memory zm_trainer_memory(const zm_trainer *trainer);

// Queues one optimizer step. At most ZM_STEPS_IN_FLIGHT results may be outstanding.
enum { ZM_STEPS_IN_FLIGHT = 3 };
zm_status zm_trainer_step(zm_trainer *trainer);
uint64_t zm_trainer_steps(const zm_trainer *trainer);   // queued so far
uint32_t zm_trainer_pending(const zm_trainer *trainer); // results not fetched yet

// The oldest outstanding result, or ZM_PENDING. A loss that is not finite is
// ZM_ERR_FORMAT and names the step.
zm_status zm_trainer_result(zm_trainer *trainer, zm_step_result *out);

// The whole state, for checkpoints: host copies of weights and statistics (in the model),
// and of both moments (zm_params weights each). save waits.
zm_status zm_trainer_save(zm_trainer *trainer, float *m, float *v);
zm_status zm_trainer_restore(zm_trainer *trainer, uint64_t step, const float *m,
                             const float *v);

#endif
