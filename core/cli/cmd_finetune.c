#include "core/cli/finetune_model.h"
#include "core/cli/presets.h"

// The manual page beyond the options.
static const zm_detail details[] = {
    {"Branches", NULL},
    {"encoder", "the encoder of the autoencoder, frozen unless --train-encoder or "
                "--from-scratch"},
    {"inception", "convolutions on the pixels"},
    {"magnitudes", "a perceptron on the five magnitudes"},
    {"Heads", NULL},
    {"regression", "one redshift; mean squared error"},
    {"pdf", "--bins logits over --z-range, cross-entropy; redshifts outside count to the "
            "nearest bin"},
    {"gauss", "mean and variance of a normal law, its likelihood"},
    {NULL, "A model trained with one head lends all but its last layer to another."},
    {"Files of --out", NULL},
    {"model.safetensors, best.safetensors",
     "weights after the last step, and of the least validation loss (with --val)"},
    {"log.jsonl, log.csv", "loss, learning rate and validation by step, from 0"},
    {"config.json", "every option, for --config"},
    {0}};

static int run(int argc, const char *const *argv)
{
    zm_finetune_args a = {.train = {.epochs = 100,
                                    .warmup = ZM_TRAIN_UNSET,
                                    .warmup_epochs = ZM_TRAIN_UNSET,
                                    .batch = 64,
                                    .lr = 5e-4,
                                    .schedule = "cosine",
                                    .weight_decay = 0.005,
                                    .augment = "flip,rot90",
                                    .shuffle = "epoch",
                                    .calibrate = "none",
                                    .checkpoint_every = 500,
                                    .log_every = 1},
                          .encoder = zm_encoder_args_default(),
                          .branches = "encoder,inception,magnitudes",
                          .head = "regression",
                          .bins = 180,
                          .z_range = "0,0.4"};
    const zm_option table[] = {
        ZM_TRAIN_OPTIONS(a.train),
        {"init", ZM_OPT_STRING(&a.train.init), "FILE",
         "autoencoder whose encoder is taken, or fine-tuned model to continue from"},
        {"from-scratch", ZM_OPT_FLAG(&a.from_scratch), NULL,
         "no --init: everything is drawn, the encoder trains"},
        {"train-encoder", ZM_OPT_FLAG(&a.train_encoder), NULL,
         "the encoder of --init trains, too"},
        {"branches", ZM_OPT_STRING(&a.branches), "LIST",
         "some of encoder,inception,magnitudes, but not magnitudes alone"},
        {"head", ZM_OPT_CHOICE(&a.head, "regression|pdf|gauss"), "NAME",
         "what comes out: a redshift, a histogram or a normal law",
         .shown = "that of a fine-tuned --init, else regression"},
        {"bins", ZM_OPT_U32(&a.bins, 2, ZM_HEAD_MAX_BINS), "N",
         "redshift bins of --head pdf, grid of gauss"},
        {"z-range", ZM_OPT_STRING(&a.z_range), "LO,HI", "range of the bins"},
        {"calibrate", ZM_OPT_CHOICE(&a.train.calibrate, "none|temperature|quantile"),
         "NAME", "calibrate the distributions on the validation part (see calibrate)"},
        ZM_ENCODER_OPTIONS(a.encoder),
        {0},
    };
    static const char *const examples[] = {
        "Train redshifts on a pre-trained encoder",
        "zmae finetune --data sky.safetensors --init run1/model.safetensors --out run2",
        "A histogram of 180 redshift bins for each object",
        "zmae finetune --head pdf --data sky.safetensors --init run1/model.safetensors "
        "--out run3",
        "The recipe of the paper",
        "zmae finetune --preset astromae-exp2 --data train.fits "
        "--init encoder/model.safetensors --out redshift",
        "Go on with a run that was stopped",
        "zmae finetune --config run2/config.json --resume auto",
        NULL};
    zm_options options = {.verb = argv[0],
                          .summary =
                              "Trains the AstroMAE redshift model on labelled cutouts; "
                              "the encoder of --init stays frozen.",
                          .table = table,
                          .presets = zm_presets_finetune,
                          .details = details,
                          .examples = examples};
    zm_status st = zm_options_parse(&options, argc, argv);
    if (st == ZM_OK)
        st = zm_train_verb(&a.train, &options, zm_finetune_model, &a, true);
    zm_options_finish(&options);
    return zm_cli_exit(st);
}

const zm_verb zm_verb_finetune = {"finetune",
                                  "train the redshift model on labelled cutouts", run};
