// AdamW over the parameter arenas: the "update" program.
// Source: Loshchilov & Hutter 2019; equals torch.optim.AdamW.
#ifndef ZM_OPTIMIZER_H
#define ZM_OPTIMIZER_H

#include "core/nn/params.h"

typedef struct zm_optimizer {
    zm_gpu *gpu;
    zm_params *params;
    zm_buf *m, *v; // moments, laid out as the weights
    zm_buf *table; // (weights / 128, 2): learning-rate scale, decay scale
    zm_tape *tape;
    zm_tensor *hyper, *sumsq;
} zm_optimizer;

typedef struct zm_optimizer_step {
    double lr;
    float beta1, beta2, eps, weight_decay, clip;
    uint64_t number; // counted from 1
} zm_optimizer_step;

// The slots' frozen, decay and lr_scale are read now.
zm_status zm_optimizer_init(zm_optimizer *optimizer, zm_gpu *gpu, zm_params *params);
void zm_optimizer_finish(zm_optimizer *optimizer);

// Queues the update and the zeroing of the gradient. norm: ticket of the squared norm of
// the gradient before clipping (one real).
zm_status zm_optimizer_update(zm_optimizer *optimizer, const zm_optimizer_step *step,
                              zm_ticket *norm);

// Moments, zm_params weights values each. download waits.
zm_status zm_optimizer_download(zm_optimizer *optimizer, float *m, float *v);
zm_status zm_optimizer_upload(zm_optimizer *optimizer, const float *m, const float *v);

#endif
