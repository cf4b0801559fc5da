// Learning rate as a function of the step.
#ifndef ZM_SCHEDULE_H
#define ZM_SCHEDULE_H

#include "core/base.h"

typedef enum zm_schedule_kind {
    ZM_SCHEDULE_CONSTANT,
    ZM_SCHEDULE_COSINE, // linear warm-up, then half a cosine to 0 at the last step
    ZM_SCHEDULE_CYCLIC, // AstroMAE experiment 1: lr 0.995^epoch, every tenth epoch lr
                        // again
} zm_schedule_kind;

typedef struct zm_schedule {
    zm_schedule_kind kind;
    double lr; // peak
    uint64_t steps, warmup_steps, steps_per_epoch;
} zm_schedule;

double zm_schedule_lr(const zm_schedule *schedule, uint64_t step);
zm_status zm_schedule_parse(const char *name, zm_schedule_kind *out);

#endif
