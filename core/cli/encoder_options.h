// Options of a fresh encoder and of how it sees pixels: pretrain's, and finetune's where
// it trains from scratch.
#ifndef ZM_ENCODER_OPTIONS_H
#define ZM_ENCODER_OPTIONS_H

#include "core/cli/options.h"
#include "core/train/model.h"
#include "core/train/order.h"

typedef struct zm_encoder_args {
    zm_vit_config vit;
    const char *blocks, *stretch;
} zm_encoder_args;

zm_encoder_args zm_encoder_args_default(void);

// Rows of a verb's option table for the members of a struct zm_encoder_args.
#define ZM_ENCODER_OPTIONS(e)                                                            \
    {"blocks", ZM_OPT_CHOICE(&(e).blocks, "plain|pcm"), "NAME",                          \
     "encoder blocks; plain: as in ViT; pcm: with a parallel convolution module"},       \
        {"image", ZM_OPT_U32(&(e).vit.image, 8, 1024), "PIXELS",                         \
         "side of what the model sees, cut from the centre"},                            \
        {"patch", ZM_OPT_U32(&(e).vit.patch, 1, 256), "PIXELS", "side of a patch"},      \
        {"width", ZM_OPT_U32(&(e).vit.width, 4, 4096), "N",                              \
         "numbers per patch in the encoder"},                                            \
        {"depth", ZM_OPT_U32(&(e).vit.depth, 1, ZM_MAX_DEPTH), "N", "encoder blocks"},   \
        {"heads", ZM_OPT_U32(&(e).vit.heads, 1, 256), "N",                               \
         "attention heads of the encoder"},                                              \
    {                                                                                    \
        "stretch", ZM_OPT_CHOICE(&(e).stretch, "asinh|none"), "NAME",                    \
            "pixels; asinh: asinh(x / 3 sigma), sigma the noise of the data; none: as "  \
            "they come"                                                                  \
    }

// The encoder that the options ask for.
zm_vit_config zm_encoder_config(const zm_encoder_args *args);

// A size that an option asks for and that a model has.
typedef struct zm_asked_size {
    const char *option;
    uint32_t asked, has;
} zm_asked_size;

// ZM_ERR_USAGE names the first option given that asks for another size.
zm_status zm_sizes_agree(const zm_options *options, const char *path,
                         const zm_asked_size *sizes, size_t count);

// The same for the encoder of the model at path: blocks, image, patch, width and depth.
// Heads are not among them: names and shapes do not tell them, an option may.
zm_status zm_encoder_agrees(const zm_options *options, const zm_encoder_args *args,
                            const zm_model *model);

// Sets how a model sees pixels: stretch as asked for, its scale from the noise of the
// training part of order.
zm_status zm_measure_stretch(zm_model *model, zm_dataset *ds, const zm_order *order,
                             const char *stretch);

#endif
