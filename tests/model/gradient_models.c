#include <stdlib.h>

#include "core/nn/astromae.h"
#include "core/nn/mae.h"
#include "tests/model/gradient_cases.h"

static void *model_memory(zm_check *c, size_t size)
{
    if (!c->model)
        c->model = zm_calloc(1, size);
    cr_assert(c->model);
    return c->model;
}

// The key's bias of a pcm block is a constant zero without a gradient.
static void skip_key_biases(zm_check *c, const zm_block *blocks, uint32_t depth)
{
    for (uint32_t b = 0; b < depth && blocks[b].pcm; b++)
        for (uint32_t i = 0; i < c->count; i++)
            if (c->leaves[i].borrowed && c->leaves[i].offset / sizeof(double) ==
                                             c->params.slots[blocks[b].qkv_b].offset) {
                c->leaves[i].skip_begin = blocks[b].width;
                c->leaves[i].skip_end = 2 * blocks[b].width;
            }
}

// batch, tokens, width, heads
static zm_tensor *build_block(zm_check *c, bool pcm)
{
    zm_block *block = model_memory(c, sizeof *block);
    if (c->count == 0)
        zm_block_add(&c->params, block, SHAPE(2), SHAPE(3), pcm, "blocks", 0);
    zm_check_draw_params(c);
    skip_key_biases(c, block, 1);
    zm_tensor *x = zm_check_leaf_of(c, ZM_CHECK_SYMMETRIC, c->scale, 3, SHAPE(0),
                                    SHAPE(1), SHAPE(2), 0);
    return zm_block_forward(c->tape, &c->params, block, x, true);
}

static zm_tensor *build_plain_block(zm_check *c)
{
    return build_block(c, false);
}
const zm_check_case zm_check_plain_block = {.name = "plain_block",
                                            .build = build_plain_block,
                                            .shapes = {{1, 2, 4, 1}, {2, 5, 16, 2}},
                                            .scales = {0.1, 1, 10},
                                            .samples = 12};

static zm_tensor *build_pcm_block(zm_check *c)
{
    return build_block(c, true);
}
const zm_check_case zm_check_pcm_block = {.name = "pcm_block",
                                          .build = build_pcm_block,
                                          .shapes = {{2, 3, 4, 1}, {2, 5, 16, 2}},
                                          .scales = {0.1, 1, 10},
                                          .samples = 12};

// batch, pixels, patch, width; pcm and normalised targets go together here
static zm_tensor *build_mae_of(zm_check *c, bool pcm)
{
    zm_mae *mae = model_memory(c, sizeof *mae);
    const uint32_t batch = SHAPE(0), width = SHAPE(3);
    const zm_mae_config config = {.vit = {.image = SHAPE(1),
                                          .patch = SHAPE(2),
                                          .bands = ZM_BANDS,
                                          .width = width,
                                          .depth = 2,
                                          .heads = 2,
                                          .pcm = pcm},
                                  .dec_width = width / 2,
                                  .dec_depth = 1,
                                  .dec_heads = 1,
                                  .mask_ratio = 0.75,
                                  .norm_pix = pcm};
    if (c->count == 0)
        zm_mae_add(&c->params, mae, &config);
    zm_check_draw_params(c);
    skip_key_biases(c, mae->vit.blocks, config.vit.depth);
    const uint32_t patches = zm_vit_patches(&config.vit);
    zm_tensor *image = zm_check_constant(c, ZM_CHECK_SYMMETRIC, c->scale, 4, batch,
                                         SHAPE(1), SHAPE(1), ZM_BANDS);
    zm_tensor *noise =
        zm_check_constant(c, ZM_CHECK_POSITIVE, 1, 2, batch, patches, 0, 0);
    zm_tensor *all = zm_check_index(c, batch, patches, patches);
    c->own_loss = true;
    return zm_mae_forward(c->tape, &c->params, mae, image, noise, all, true, 1.0f).loss;
}

static zm_tensor *build_mae(zm_check *c)
{
    return build_mae_of(c, false);
}
const zm_check_case zm_check_mae = {.name = "mae",
                                    .build = build_mae,
                                    .shapes = {{3, 8, 4, 16}, {2, 12, 3, 8}},
                                    .scales = {1},
                                    .samples = 6};

static zm_tensor *build_mae_pcm_normpix(zm_check *c)
{
    return build_mae_of(c, true);
}
const zm_check_case zm_check_mae_pcm_normpix = {.name = "mae_pcm_normpix",
                                                .build = build_mae_pcm_normpix,
                                                .shapes = {{3, 8, 4, 16}, {2, 12, 3, 8}},
                                                .scales = {1},
                                                .samples = 6};

// batch, pixels, patch, width. Everything trains, the encoder too.
static zm_tensor *build_astromae(zm_check *c)
{
    zm_astromae *model = model_memory(c, sizeof *model);
    const uint32_t batch = SHAPE(0);
    const zm_vit_config config = {.image = SHAPE(1),
                                  .patch = SHAPE(2),
                                  .bands = ZM_BANDS,
                                  .width = SHAPE(3),
                                  .depth = 1,
                                  .heads = 2,
                                  .pcm = true};
    if (c->count == 0) {
        const zm_astromae_config redshift = zm_astromae_default(&config);
        zm_astromae_add(&c->params, model, &redshift);
        for (uint32_t s = 0; s < c->params.slot_count; s++)
            c->params.slots[s].frozen =
                c->params.slots[s].kind != ZM_PARAM_WEIGHT ||
                c->params.slots[s].lr_scale == 0.0f; // the branch that never runs
    }
    zm_check_draw_params(c);
    skip_key_biases(c, model->vit.blocks, config.depth);
    const uint32_t patches = zm_vit_patches(&config);
    zm_tensor *image = zm_check_constant(c, ZM_CHECK_SYMMETRIC, c->scale, 4, batch,
                                         SHAPE(1), SHAPE(1), ZM_BANDS);
    zm_tensor *mags =
        zm_check_constant(c, ZM_CHECK_SYMMETRIC, c->scale, 2, batch, ZM_BANDS, 0, 0);
    zm_tensor *all = zm_check_index(c, batch, patches, patches);
    return zm_astromae_forward(c->tape, &c->params, model, image, mags, all, true);
}
const zm_check_case zm_check_astromae = {.name = "astromae",
                                         .build = build_astromae,
                                         .shapes = {{3, 8, 4, 16}},
                                         .scales = {1},
                                         .samples = 1,
                                         .step = 1e-6}; // thousands of kinks: stay near
