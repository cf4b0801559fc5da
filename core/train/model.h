// A model as users hold it: architecture, weights on the host, how its inputs are made,
// and where it comes from. Read from safetensors and PyTorch files with public names, and
// written to safetensors.
#ifndef ZM_MODEL_H
#define ZM_MODEL_H

#include <jansson.h>

#include "core/data/dataset.h"
#include "core/nn/astromae.h"
#include "core/nn/mae.h"
#include "core/train/calibration.h"
#include "core/train/weight_names.h"

typedef enum zm_model_kind { ZM_MODEL_MAE, ZM_MODEL_ASTROMAE } zm_model_kind;

// From a cutout in nanomaggies to what the network sees. Zero = as it comes: centre crop
// to the model's size, no stretch, magnitudes as they are.
typedef struct zm_preprocess {
    uint32_t stretch;         // ZM_STRETCH_*
    float scale[ZM_BANDS];    // factor in front of the stretch: 1 / (3 sigma)
    float mag_mean[ZM_BANDS]; // (mag - mean) / std
    float mag_std[ZM_BANDS];  // > 0
    float mag_min[ZM_BANDS];  // range of the training set, for flags; min > max: none
    float mag_max[ZM_BANDS];
    float z_min, z_max; // of the training set; z_min > z_max: unknown
    zm_mag_kind mag_kind;
    bool recorded; // the file said so; false = nothing is known
} zm_preprocess;

typedef struct zm_model {
    zm_model_kind kind;
    union {
        zm_mae mae;
        zm_astromae astromae;
    };
    zm_params params;
    float *host; // zm_params_host_count values
    zm_preprocess pre;
    zm_calibration calibration; // of what the head says
    bool simulated;             // trained on a simulated sky
    json_t *history; // "training" and "metrics" objects of the metadata, or NULL
    char *path;      // where it was read from, or NULL
} zm_model;

// Fresh models; weights are drawn from seed.
zm_status zm_model_create_mae(const zm_mae_config *config, uint64_t seed, zm_model **out);
zm_status zm_model_create_astromae(const zm_astromae_config *config, uint64_t seed,
                                   zm_model **out);
void zm_model_destroy(zm_model **model);

const zm_vit_config *zm_model_vit(const zm_model *model);

// Of a redshift model; NULL for an autoencoder.
const zm_head *zm_model_head(const zm_model *model);

// Reads a model; the architecture follows from the zmae metadata, else from names and
// shapes (heads = width / 64, at least 1, unless heads and dec_heads are given).
// Errors: ZM_ERR_FORMAT, ZM_ERR_SHAPE naming the tensor, what was expected and found.
zm_status zm_model_load(const char *path, uint32_t heads, uint32_t dec_heads,
                        zm_model **out);

// Writes weights and metadata, atomically. The bytes hold no time, host or path.
zm_status zm_model_save(const zm_model *model, const char *path);

// The same in another form: with the names of Hugging Face (autoencoders only,
// ZM_ERR_USAGE else), as half floats (ZM_ERR_FORMAT where a weight is beyond them). Zero
// is what save writes.
typedef struct zm_model_form {
    zm_layout layout;
    bool half;
} zm_model_form;
zm_status zm_model_write(const zm_model *model, const zm_model_form *form,
                         const char *path);

// A copy of a model for cutouts of image pixels a side: its tables of positions are
// interpolated between the centres of patches (bicubic, a = -0.75, constant beyond the
// edge), the class token's row stays. ZM_ERR_SHAPE where patches do not divide image, or
// where another tensor depends on its size.
// Source: torch.nn.functional.interpolate(mode="bicubic", align_corners=False), which
// timm and MAE use for it.
zm_status zm_model_resize_positions(const zm_model *from, uint32_t image, zm_model **out);

// Copies every encoder tensor (cls_token, pos_embed, patch_embed, blocks) of from.
zm_status zm_model_copy_encoder(zm_model *to, const zm_model *from);

// Copies every tensor that both redshift models have, under one name and of one shape; of
// the last layer only where the heads are equal. Returns how many tensors of to were
// left.
uint32_t zm_model_copy_shared(zm_model *to, const zm_model *from);

// Sets the bias of a redshift model's last layer: (outputs of its head).
void zm_model_set_last_bias(zm_model *model, const float *bias);

// The metadata that save writes, as a JSON object (a new reference).
json_t *zm_model_metadata(const zm_model *model);

const char *zm_model_kind_name(zm_model_kind kind);

#endif
