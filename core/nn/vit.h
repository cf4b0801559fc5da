// Vision transformer blocks, plain (timm) and pcm (with a parallel convolution module).
// Source: Dosovitskiy et al. 2021; timm 0.4.12; AstroMAE (arXiv:2409.01825) section 3.
#ifndef ZM_VIT_H
#define ZM_VIT_H

#include "core/nn/params.h"
#include "core/ops/ops.h"

#define ZM_LN_EPS 1e-6f

typedef struct zm_vit_config {
    uint32_t image; // pixels a side that the model sees [32]
    uint32_t patch; // pixels a side [8]
    uint32_t bands; // [5]
    uint32_t width; // embedding [192]
    uint32_t depth; // blocks [12]
    uint32_t heads; // [3]
    bool pcm;       // parallel convolution module in every block
} zm_vit_config;

// Patches along a side squared.
uint32_t zm_vit_patches(const zm_vit_config *config);

// ZM_ERR_SHAPE names the first contradiction (patch does not divide image, ...).
zm_status zm_vit_check(const zm_vit_config *config);

typedef struct zm_block {
    uint32_t width, heads;
    bool pcm;
    zm_slot norm1_w, norm1_b, qkv_w, qkv_b, proj_w, proj_b, norm2_w, norm2_b;
    zm_slot fc1_w, fc1_b, fc2_w, fc2_b;
    zm_slot pcm0_w, pcm0_b, pcm1_w, pcm1_b, pcm1_mean, pcm1_var, pcm3_w, pcm3_b;
} zm_block;

enum { ZM_MAX_DEPTH = 64 };

typedef struct zm_vit {
    zm_vit_config config;
    zm_slot cls, pos, patch_w, patch_b;
    zm_block blocks[ZM_MAX_DEPTH];
} zm_vit;

// Fills an input (B, patches) u32 of a compiled tape with 0, 1, 2, ... for every image:
// the idx of a forward pass that sees all patches.
zm_status zm_vit_upload_all(zm_gpu *gpu, const zm_tape *tape, const zm_tensor *all);

// Adds the parameters of one block under "prefix.N.".
void zm_block_add(zm_params *params, zm_block *block, uint32_t width, uint32_t heads,
                  bool pcm, const char *prefix, uint32_t n);

// x (B, N, C) -> (B, N, C); token 0 is the class token. Order: c = PCM(patches of x);
// x += attention(LN1 x); patches of x += c; x += MLP(LN2 x).
//   training  batch norms of the PCM use and update the batch's statistics
zm_tensor *zm_block_forward(zm_tape *tape, const zm_params *params, const zm_block *block,
                            zm_tensor *x, bool training);

// Patch embedding, class token, positions and blocks; no final norm.
void zm_vit_add(zm_params *params, zm_vit *vit, const zm_vit_config *config);

// image (B, S, S, F), idx (B, n) patches to see -> tokens (B, n + 1, C).
zm_tensor *zm_vit_forward(zm_tape *tape, const zm_params *params, const zm_vit *vit,
                          zm_tensor *image, zm_tensor *idx, bool training);

#endif
