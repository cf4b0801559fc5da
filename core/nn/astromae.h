// AstroMAE's fine-tuned redshift model: a ViT encoder, an inception branch on the same
// pixels and a magnitude branch, joined by a small head.
// Source: Fathkouhi & Fox 2024 (arXiv:2409.01825), the released model's state dict.
#ifndef ZM_ASTROMAE_H
#define ZM_ASTROMAE_H

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

typedef struct zm_astromae {
    zm_vit_config config;
    zm_vit vit;
    zm_slot fc_norm_w, fc_norm_b;
    zm_dense head, vit_fc[2];
    zm_dense stem;
    zm_inception inception[ZM_INCEPTIONS];
    zm_dense inception_fc[2];
    zm_dense mags[ZM_MAG_LAYERS];
    zm_dense concat[2];
} zm_astromae;

zm_status zm_astromae_check(const zm_vit_config *config);

// Adds every parameter under its released name. The encoder is frozen, as published;
// call zm_params_freeze before or clear frozen afterwards for other experiments.
void zm_astromae_add(zm_params *params, zm_astromae *model, const zm_vit_config *config);

//   image     (B, S, S, F) stretched pixels
//   mags      (B, 5) standardised as the model's preprocessing says
//   idx       (B, patches) u32: 0, 1, 2, ... for every image
//   training  batch norms of the inception branch use and update the batch's statistics;
//             those of the frozen encoder never do
//   returns   (B, 1) redshift
zm_tensor *zm_astromae_forward(zm_tape *tape, const zm_params *params,
                               const zm_astromae *model, zm_tensor *image,
                               zm_tensor *mags, zm_tensor *idx, bool training);

#endif
