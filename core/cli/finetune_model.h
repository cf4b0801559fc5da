// The model that finetune starts from: its options, and how they are carried out.
#ifndef ZM_FINETUNE_MODEL_H
#define ZM_FINETUNE_MODEL_H

#include "core/cli/encoder_options.h"
#include "core/cli/train_run.h"

typedef struct zm_finetune_args {
    zm_train_args train;
    zm_encoder_args encoder; // where it is trained from scratch
    const char *branches, *head, *z_range;
    uint32_t bins;
    bool from_scratch, train_encoder;
} zm_finetune_args;

// A zm_train_model_maker; user is a struct zm_finetune_args.
//   --init AUTOENCODER   lends its encoder and how it sees pixels; with --image of
//   another
//                        side, its positions are interpolated (zm_model_resize_positions)
//   --init FINE-TUNED    every tensor, head and branches; with another head or other
//                        branches, what both have but the last layer; an encoder that
//                        trained goes on training unless --no-train-encoder
//   --from-scratch       everything is drawn, the encoder trains
zm_status zm_finetune_model(const void *user, const zm_options *options, zm_dataset *ds,
                            const zm_order *order, zm_model **out);

#endif
