// Small trainings for the tests of core/train.
#ifndef ZM_TESTS_TRAIN_TOOLS_H
#define ZM_TESTS_TRAIN_TOOLS_H

#include "core/train/trainer.h"
#include "tests/unit/io_helpers.h"

// A training with everything that it needs. begin fills in what is not given: model and
// config are the caller's to set first.
typedef struct zm_training {
    zm_gpu *gpu;
    zm_model *model; // owned
    zm_dataset *ds;
    zm_order order;
    zm_trainer *trainer;
    char dir[TEST_PATH];
} zm_training;

// Autoencoder of 16 x 16 pixels in patches of 4, width 32, two blocks and one.
zm_model *zm_training_mae(bool pcm);
// Redshift model on the same encoder.
zm_model *zm_training_astromae(void);

typedef struct zm_training_options {
    uint32_t objects; // [16]
    uint32_t threads; // [2]
    bool shuffle;
    zm_train_config train;
} zm_training_options;

// Cutouts of 20 x 20 pixels: one blob each, whose place, width and brightness follow from
// the object's number, as does the redshift.
void zm_training_begin(zm_training *t, zm_model *model,
                       const zm_training_options *options);
void zm_training_end(zm_training *t);

// One step with its result.
zm_step_result zm_training_step(zm_training *t);

// A copy of the weights and statistics as they are on the device; the caller frees it.
float *zm_training_weights(zm_training *t);

#endif
