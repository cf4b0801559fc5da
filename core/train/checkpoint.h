// Checkpoints: everything that a run needs to go on bit for bit, in one checksummed file
// that is replaced atomically. DIR/step-N.ckpt; the newest KEEP files stay.
#ifndef ZM_CHECKPOINT_H
#define ZM_CHECKPOINT_H

#include "core/train/trainer.h"

enum { ZM_CHECKPOINT_KEEP = 2 };

typedef struct zm_run_state {
    uint64_t step;    // steps done
    double best_loss; // best validation loss so far, infinity = none
    uint64_t best_step;
    uint32_t micro_batch; // kept on resume: it decides the order of sums
    const char *config;   // the run's options as JSON text
    const char *device;   // name and kernels: another one continues, but not bit for bit
} zm_run_state;

// Writes the state of the trainer and the model (waits for the device). Older ones but
// KEEP - 1 go, and all of later steps: a run that writes before them passed them over.
zm_status zm_checkpoint_save(const char *dir, zm_trainer *trainer, zm_model *model,
                             const zm_run_state *state);

// A checkpoint in memory.
typedef struct zm_checkpoint {
    zm_run_state state;
    char *config, *device;
    char *path;
    float *host, *m, *v;
    uint64_t host_count, moment_count;
    uint32_t damaged; // newer files that were passed over
} zm_checkpoint;

// Reads one file. Errors: ZM_ERR_FORMAT where anything does not fit its checksum.
zm_status zm_checkpoint_read(const char *path, zm_checkpoint *out);

// Reads the newest valid checkpoint of a directory; damaged ones are passed over with a
// warning. out->path is NULL when there is none.
zm_status zm_checkpoint_load_newest(const char *dir, const zm_log *log,
                                    zm_checkpoint *out);
void zm_checkpoint_finish(zm_checkpoint *checkpoint);

// Removes what a killed run left half written in its directory: NAME.tmp-PID of the
// names that a run writes.
void zm_checkpoint_sweep(const char *dir);

// True when the directory holds any checkpoint.
bool zm_checkpoint_any(const char *dir);

#endif
