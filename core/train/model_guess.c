#include "core/train/model_guess.h"

#include <math.h>
#include <stdio.h>

#include "core/train/model_meta.h"

// Number of consecutive "PREFIX.N.norm1.weight".
static uint32_t count_blocks(const zm_weights *st, const char *prefix)
{
    char name[64];
    uint32_t n = 0;
    for (; n <= ZM_MAX_DEPTH; n++) {
        snprintf(name, sizeof name, "%s.%u.norm1.weight", prefix, n);
        if (!zm_weights_find(st, name))
            break;
    }
    return n;
}

static uint32_t dim(const zm_st_entry *e, uint32_t i)
{
    return e->shape[i] > UINT32_MAX ? 0 : (uint32_t)e->shape[i];
}

static uint32_t default_heads(uint32_t width)
{
    return ZM_MAX(1u, width / 64);
}

// Encoder sizes from names and shapes alone.
static zm_status guess_vit(const zm_weights *st, zm_vit_config *c)
{
    const char *path = zm_weights_path(st);
    const zm_st_entry *proj = zm_weights_find(st, "patch_embed.proj.weight");
    const zm_st_entry *pos = zm_weights_find(st, "pos_embed");
    if (!proj || proj->rank != 4 || proj->shape[2] != proj->shape[3])
        return ZM_FAIL(
            ZM_ERR_FORMAT,
            "%s: not a model: no patch_embed.proj.weight of shape (width, bands, "
            "patch, patch)",
            path);
    if (!pos || pos->rank != 3 || pos->shape[1] < 2)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: no pos_embed of shape (1, 1 + patches, width)",
                       path);
    const uint32_t patches = dim(pos, 1) - 1;
    const uint32_t grid = (uint32_t)lround(sqrt((double)patches));
    if (grid > 4096 || grid * grid != patches)
        return ZM_FAIL(ZM_ERR_SHAPE, "%s: pos_embed has %u patches, not a square", path,
                       patches);
    c->width = dim(proj, 0);
    c->bands = dim(proj, 1);
    c->patch = dim(proj, 2);
    if (c->patch > 1024)
        return ZM_FAIL(ZM_ERR_SHAPE, "%s: patches of %u pixels", path, c->patch);
    c->image = grid * c->patch;
    c->depth = count_blocks(st, "blocks");
    c->heads = default_heads(c->width);
    c->pcm = zm_weights_find(st, "blocks.0.attn.q_bias") != NULL;
    return ZM_OK;
}

static zm_status guess_mae(const zm_weights *st, zm_mae_config *c)
{
    *c = (zm_mae_config){.mask_ratio = 0.75};
    ZM_TRY(guess_vit(st, &c->vit));
    const zm_st_entry *embed = zm_weights_find(st, "decoder_embed.weight");
    if (!embed || embed->rank != 2)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: an encoder alone: expected a whole autoencoder, with "
                       "decoder_embed.weight of two dimensions",
                       zm_weights_path(st));
    c->dec_width = dim(embed, 0);
    c->dec_depth = count_blocks(st, "decoder_blocks");
    c->dec_heads = default_heads(c->dec_width);
    return ZM_OK;
}

// The branches that the names tell; 0: no redshift model.
static uint32_t guess_branches(const zm_weights *st)
{
    static const struct {
        const char *name;
        uint32_t branch;
    } marks[] = {{"vit_block.0.weight", ZM_BRANCH_ENCODER},
                 {"inception_model.vis_inception.10.weight", ZM_BRANCH_INCEPTION},
                 {"inception_model.magnitude_block.0.weight", ZM_BRANCH_MAGS}};
    uint32_t branches = 0;
    for (size_t i = 0; i < ZM_COUNT_OF(marks); i++)
        if (zm_weights_find(st, marks[i].name))
            branches |= marks[i].branch;
    return branches;
}

// Without encoder: bands from the stem, pixels from the inception branch's last map.
static zm_status guess_image(const zm_weights *st, zm_vit_config *c)
{
    enum { MAPS = 12, HALVINGS = 8, MAX_SIDE = 1024 };
    const zm_st_entry *fc =
        zm_weights_find(st, "inception_model.vis_inception.10.weight");
    const zm_st_entry *stem =
        zm_weights_find(st, "inception_model.vis_inception.0.weight");
    if (!stem)
        stem = zm_weights_find(st, "inception_model.conv2d_init.weight");
    if (!fc || fc->rank != 2 || !stem || stem->rank != 4)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: no inception branch of the expected shapes",
                       zm_weights_path(st));
    const uint32_t side = (uint32_t)lround(sqrt((double)dim(fc, 1) / MAPS));
    if (side > MAX_SIDE)
        return ZM_FAIL(ZM_ERR_SHAPE, "%s: maps of %u pixels a side", zm_weights_path(st),
                       side);
    c->bands = dim(stem, 1);
    c->image = c->patch = HALVINGS * side;
    return ZM_OK;
}

static zm_status guess_head(const zm_weights *st, uint32_t branches, zm_head *head)
{
    char name[ZM_PARAM_NAME];
    snprintf(name, sizeof name, "%s.weight", zm_astromae_last_name(branches));
    const zm_st_entry *last = zm_weights_find(st, name);
    if (!last || last->rank != 2)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: no %s of two dimensions", zm_weights_path(st),
                       name);
    *head = zm_head_default(dim(last, 0) == 1   ? ZM_HEAD_POINT
                            : dim(last, 0) == 2 ? ZM_HEAD_GAUSS
                                                : ZM_HEAD_PDF);
    if (head->kind == ZM_HEAD_PDF)
        head->bins = dim(last, 0);
    return ZM_OK;
}

static zm_status guess_astromae(const zm_weights *st, uint32_t branches,
                                zm_astromae_config *c)
{
    *c = (zm_astromae_config){.branches = branches};
    ZM_TRY(branches & ZM_BRANCH_ENCODER ? guess_vit(st, &c->vit)
                                        : guess_image(st, &c->vit));
    return guess_head(st, branches, &c->head);
}

zm_status zm_model_guess(const zm_weights *st, uint32_t heads, uint32_t dec_heads,
                         const json_t *meta, zm_model **out)
{
    const char *path = zm_weights_path(st);
    const uint32_t branches = guess_branches(st);
    if (branches) {
        zm_astromae_config config;
        ZM_TRY(guess_astromae(st, branches, &config));
        ZM_TRY(zm_meta_astromae(meta, path, &config));
        if (heads && branches & ZM_BRANCH_ENCODER)
            config.vit.heads = heads;
        return zm_model_create_astromae(&config, 0, out);
    }
    zm_mae_config mae;
    ZM_TRY(guess_mae(st, &mae));
    ZM_TRY(zm_meta_mae(meta, path, &mae));
    mae.vit.heads = heads ? heads : mae.vit.heads;
    mae.dec_heads = dec_heads ? dec_heads : mae.dec_heads;
    return zm_model_create_mae(&mae, 0, out);
}
