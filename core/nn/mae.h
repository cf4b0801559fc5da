// Masked autoencoder over ViT blocks.
// Source: He et al. 2022 (arXiv:2111.06377); equals Meta's models_mae.py with F bands.
#ifndef ZM_MAE_H
#define ZM_MAE_H

#include "core/nn/vit.h"

typedef struct zm_mae_config {
    zm_vit_config vit;
    uint32_t dec_width; // [192]
    uint32_t dec_depth; // [4]
    uint32_t dec_heads; // [3]
    double mask_ratio;  // [0.75]
    bool norm_pix;      // targets normalised patch by patch
} zm_mae_config;

typedef struct zm_mae {
    zm_mae_config config;
    zm_vit vit;
    zm_slot norm_w, norm_b, embed_w, embed_b, token, dec_pos, dec_norm_w, dec_norm_b;
    zm_slot pred_w, pred_b;
    zm_block dec_blocks[ZM_MAX_DEPTH];
} zm_mae;

typedef struct zm_mae_out {
    zm_mask mask;      // its tensors are kept
    zm_tensor *target; // (B, patches, P * P * F), each patch (row, column, band); kept
    zm_tensor *pred;   // the same shape; kept
    zm_tensor *errors; // (B * patches), mean squared error of each, 0 where visible; kept
    zm_tensor *loss;   // (1), mean over hidden patches of the mean squared error; kept
} zm_mae_out;

zm_mae_config zm_mae_default(bool pcm);
zm_status zm_mae_check(const zm_mae_config *config);
uint32_t zm_mae_visible(const zm_mae_config *config);

void zm_mae_add(zm_params *params, zm_mae *mae, const zm_mae_config *config);

//   image (B, S, S, F) stretched, noise (B, patches), all (B, patches) u32: 0, 1, 2, ...
//   training    batch norms use and update the batch's statistics
//   grad_scale  multiplies the gradient (1 / micro-batches of a step)
zm_mae_out zm_mae_forward(zm_tape *tape, const zm_params *params, const zm_mae *mae,
                          zm_tensor *image, zm_tensor *noise, zm_tensor *all,
                          bool training, float grad_scale);

#endif
