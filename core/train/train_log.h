// The record of a run: DIR/log.jsonl and DIR/log.csv, one line a step or validation.
#ifndef ZM_TRAIN_LOG_H
#define ZM_TRAIN_LOG_H

#include <stdio.h>

#include "core/train/trainer.h"

typedef struct zm_train_log {
    FILE *jsonl, *csv;
    bool failed; // a line could not be written: said once, training goes on
} zm_train_log;

// Opens both files. Lines of steps from first_step on (written after the checkpoint that
// a run continues from) are cut off, so that no step stands twice.
zm_status zm_train_log_open(const char *dir, uint64_t first_step, zm_train_log *log);
void zm_train_log_close(zm_train_log *log);

// False once when a line could not be written (disk full).
bool zm_train_log_step(zm_train_log *log, const zm_step_result *result);
bool zm_train_log_validation(zm_train_log *log, uint64_t step, double loss, bool best);

#endif
