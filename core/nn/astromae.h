// AstroMAE's fine-tuned redshift model: a ViT encoder, an inception branch on the same
// pixels and a magnitude branch, joined by a small head.
// Source: Fathkouhi & Fox 2024 (arXiv:2409.01825), the released model's state dict.
#ifndef ZM_ASTROMAE_H
#define ZM_ASTROMAE_H

#include "core/nn/head.h"
#include "core/nn/vit.h"

typedef struct zm_conv_bn { // convolution, batch norm, ReLU
    zm_slot w, b, gamma, beta, mean, var;
} zm_conv_bn;

typedef struct zm_inception {
    zm_conv_bn b1, b2[2], b3[2], b4; // 1x1; 1x1 3x3; 1x1 5x5; max-pool 1x1
    bool five;                       // the 5x5 branch takes part
} zm_inception;

typedef struct zm_dense {
    zm_slot w, b;
} zm_dense;

enum { ZM_INCEPTIONS = 5, ZM_MAG_LAYERS = 5 };

// What is joined before the head. The published ablations leave branches out.
enum {
    ZM_BRANCH_ENCODER = 1u << 0,
    ZM_BRANCH_INCEPTION = 1u << 1,
    ZM_BRANCH_MAGS = 1u << 2,
    ZM_BRANCH_ALL = 7u,
};

typedef struct zm_astromae_config {
    zm_vit_config vit;  // without encoder: image and bands; one patch, the rest 0
    uint32_t branches;  // ZM_BRANCH_*, at least one but not magnitudes alone
    bool train_encoder; // published: frozen, unless trained from scratch
    zm_head head;
} zm_astromae_config;

typedef struct zm_astromae {
    zm_astromae_config config;
    zm_vit vit;
    zm_slot fc_norm_w, fc_norm_b;
    zm_dense head, vit_fc[2];
    zm_dense stem;
    zm_inception inception[ZM_INCEPTIONS];
    zm_dense inception_fc[2];
    zm_dense mags[ZM_MAG_LAYERS];
    zm_dense join; // of two or three branches
    zm_dense last;
} zm_astromae;

// The published model over an encoder: all branches, frozen encoder, regression.
zm_astromae_config zm_astromae_default(const zm_vit_config *vit);

// ZM_ERR_SHAPE names the first contradiction.
zm_status zm_astromae_check(const zm_astromae_config *config);

// What the last layer's tensors are called but for ".weight" and ".bias". It tells the
// branches:
//   all, or the encoder and one more  concat_block.2
//   encoder                           vit_block.4
//   inception, magnitudes             inception_model.head_incept_mag.2
//   inception                         inception_model.Inception_head_block.1
// All names are those of the public code (its classes build the other variants, though
// only the whole model was released) but vit_block.4, which continues its vit_block.
const char *zm_astromae_last_name(uint32_t branches);

// "encoder", "inception", "magnitudes" for one of ZM_BRANCH_*.
const char *zm_branch_name(uint32_t branch);

// Adds every parameter under its released name.
void zm_astromae_add(zm_params *params, zm_astromae *model,
                     const zm_astromae_config *config);

//   image     (B, S, S, F) stretched pixels
//   mags      (B, 5) standardised as the model's preprocessing says
//   idx       (B, patches) u32: 0, 1, 2, ... for every image
//             (inputs of branches that the model lacks are not read)
//   training  batch norms of the inception branch use and update the batch's statistics;
//             those of the encoder where it trains, too, of a frozen one never
//   returns   (B, outputs of the head)
zm_tensor *zm_astromae_forward(zm_tape *tape, const zm_params *params,
                               const zm_astromae *model, zm_tensor *image,
                               zm_tensor *mags, zm_tensor *idx, bool training);

#endif
