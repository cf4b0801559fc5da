// What pretrain and finetune share: their options and the loop round the trainer.
#ifndef ZM_TRAIN_RUN_H
#define ZM_TRAIN_RUN_H

#include "core/cli/cli.h"
#include "core/train/model.h"
#include "core/train/trainer.h"

// Of warmup and warmup_epochs: not given.
#define ZM_TRAIN_UNSET UINT64_MAX

typedef struct zm_train_args {
    const char *data, *out, *init, *resume, *schedule, *shuffle, *augment;
    const char *calibrate; // kind of calibration, or NULL
    uint64_t steps, epochs, warmup, warmup_epochs, checkpoint_every, val_every, log_every;
    uint32_t batch, micro_batch;
    double lr, weight_decay, clip, val;
    float noise;
} zm_train_args;

// Rows of a verb's option table for the members of a struct zm_train_args.
#define ZM_TRAIN_OPTIONS(a)                                                              \
    {"data", ZM_OPT_STRING(&(a).data), "FILE", "data set, or directory of cutouts",      \
     .required = true},                                                                  \
        {"out", ZM_OPT_STRING(&(a).out), "DIR", "where the run's files go",              \
         .required = true},                                                              \
        {"resume", ZM_OPT_CHOICE(&(a).resume, "auto"), "auto",                           \
         "continue from the newest valid checkpoint in DIR"},                            \
        {"steps", ZM_OPT_U64(&(a).steps, 0, 1e12), "N", "optimizer steps, 0 = --epochs", \
         .shown = "from --epochs"},                                                      \
        {"epochs", ZM_OPT_U64(&(a).epochs, 1, 1e9), "N", "passes over the data"},        \
        {"batch", ZM_OPT_U32(&(a).batch, 1, 1 << 20), "N",                               \
         "objects in a training step"},                                                  \
        {"micro-batch", ZM_OPT_U32(&(a).micro_batch, 0, 1 << 20), "N",                   \
         "objects on the device at a time; batch norms in training see no more",         \
         .shown = "as many as fit"},                                                     \
        {"lr", ZM_OPT_F64(&(a).lr, 0, 100), "X", "peak learning rate"},                  \
        {"schedule", ZM_OPT_CHOICE(&(a).schedule, "constant|cosine|cyclic"), "NAME",     \
         "learning rate: constant, cosine (after a warm-up) or cyclic (AstroMAE's)"},    \
        {"warmup", ZM_OPT_U64(&(a).warmup, 0, 1e12), "STEPS",                            \
         "linear warm-up of --schedule cosine", .shown = "5 % of the steps"},            \
        {"warmup-epochs", ZM_OPT_U64(&(a).warmup_epochs, 0, 1e9), "N",                   \
         "the same in epochs, where --warmup is not given", .shown = "see --warmup"},    \
        {"weight-decay", ZM_OPT_F64(&(a).weight_decay, 0, 10), "X",                      \
         "decoupled weight decay"},                                                      \
        {"clip", ZM_OPT_F64(&(a).clip, 0, 1e9), "X",                                     \
         "scale gradients down to this norm, 0 = never"},                                \
        {"augment", ZM_OPT_STRING(&(a).augment), "LIST",                                 \
         "none, or some of flip,rot90,angle"},                                           \
        {"noise", ZM_OPT_F32(&(a).noise, 0, 100), "X",                                   \
         "standard deviation of noise added to the stretched pixels"},                   \
        {"shuffle", ZM_OPT_CHOICE(&(a).shuffle, "epoch|none"), "NAME",                   \
         "epoch: a new order every epoch; none: file order"},                            \
        {"val", ZM_OPT_F64(&(a).val, 0, 0.9), "FRACTION",                                \
         "part of the objects kept apart to validate with"},                             \
        {"val-every", ZM_OPT_U64(&(a).val_every, 0, 1e12), "STEPS",                      \
         "steps between validations", .shown = "an epoch"},                              \
        {"checkpoint-every", ZM_OPT_U64(&(a).checkpoint_every, 0, 1e12), "STEPS",        \
         "steps between checkpoints, 0 = only at the end"},                              \
    {                                                                                    \
        "log-every", ZM_OPT_U64(&(a).log_every, 1, 1e9), "STEPS",                        \
            "steps between lines of the log"                                             \
    }

// Flags of a list "a,b" of names; names[i] is bit i. ZM_ERR_USAGE names the option.
zm_status zm_train_parse_list(const char *option, const char *list,
                              const char *const *names, uint32_t count, uint32_t *flags);

// Makes the model that a run starts from; user is what zm_train_verb was given.
// What it measures on the data it measures on the training part of order only.
typedef zm_status zm_train_model_maker(const void *user, const zm_options *options,
                                       zm_dataset *ds, const zm_order *order,
                                       zm_model **out);

// A whole run: data, model, training until the last step, files, validation, checkpoints,
// signals. Checkpoints of other options are refused.
//   labelled  only objects with a redshift take part (fine-tuning)
zm_status zm_train_verb(const zm_train_args *args, const zm_options *options,
                        zm_train_model_maker *make, const void *user, bool labelled);

#endif
