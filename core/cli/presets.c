#include "core/cli/presets.h"

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

// Section 4: AdamW (0.9, 0.95), peak 1.17e-3 after 196 of 2000 epochs. One ninth of the
// file validates: 10 % of all objects, where 80 % train and the file holds these 90 %.
#define PRETRAIN                                                                         \
    "image=32", "patch=8", "width=192", "depth=12", "heads=3", "decoder-width=192",      \
        "decoder-depth=4", "decoder-heads=3", "mask-ratio=0.75", "batch=2048",           \
        "epochs=2000", "schedule=cosine", "warmup-epochs=196", "lr=1.17e-3",             \
        "weight-decay=0.05", "augment=flip,angle", "val=0.1111"

const zm_preset zm_presets_pretrain[] = {
    {"astromae", "the paper's pre-training, pcm blocks", LIST(PRETRAIN, "blocks=pcm")},
    {"astromae-plain", "the same with plain ViT blocks", LIST(PRETRAIN, "blocks=plain")},
    {0}};

// Of both experiments: AdamW (0.9, 0.999); of a file with 70 % to train on and 10 % to
// validate one eighth validates, the 20 % to test with are another file.
#define FINETUNE "weight-decay=0.005", "batch=1024", "augment=flip,angle", "val=0.125"

#define EXP1                                                                             \
    FINETUNE, "epochs=700", "schedule=cyclic", "lr=1e-4", "noise=0.05", "head=regression"

// The figure shows 2e-6 (epoch + 1) up to 7.2e-5 at epoch 35, then half a cosine to 0.
#define EXP2                                                                             \
    FINETUNE, "epochs=100", "schedule=cosine", "warmup-epochs=36", "lr=7.2e-5",          \
        "noise=0.20", "head=regression"

#define ALL     "branches=encoder,inception,magnitudes"
#define SCRATCH "from-scratch=true", "image=32"
#define ENCODER "patch=8", "width=192", "depth=12", "heads=3"

const zm_preset zm_presets_finetune[] = {
    {"astromae-exp1", "the paper's experiment 1: a tenth of the data, 700 epochs",
     LIST(EXP1, ALL)},
    {"astromae-exp2", "the paper's experiment 2: all of the data, 100 epochs",
     LIST(EXP2, ALL)},
    {"astromae-exp1-vit", "ablation: the encoder alone", LIST(EXP1, "branches=encoder")},
    {"astromae-exp1-vit-magnitude", "ablation: encoder and magnitudes",
     LIST(EXP1, "branches=encoder,magnitudes")},
    {"astromae-exp1-vit-inception", "ablation: encoder and inception branch",
     LIST(EXP1, "branches=encoder,inception")},
    {"astromae-exp1-inception", "ablation: inception branch alone, no --init",
     LIST(EXP1, SCRATCH, "branches=inception")},
    {"astromae-exp1-henghes",
     "the paper's baseline: inception branch and magnitudes (Henghes et al. 2022)",
     LIST(EXP1, SCRATCH, "branches=inception,magnitudes")},
    {"astromae-exp1-scratch-vit", "ablation: the encoder alone, not pre-trained",
     LIST(EXP1, SCRATCH, ENCODER, "branches=encoder")},
    {"astromae-exp1-scratch-vit-magnitude",
     "ablation: encoder and magnitudes, not pre-trained",
     LIST(EXP1, SCRATCH, ENCODER, "branches=encoder,magnitudes")},
    {0}};
