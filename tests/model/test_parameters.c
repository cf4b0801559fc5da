// Parameter counts as published, names as in the released state dicts, other sizes.
#include <stdlib.h>
#include <string.h>

#include "tests/model/golden.h"
#include "tests/unit/io_helpers.h"

// Elements of names that begin with prefix, aliases once, statistics left out.
static uint64_t count_of(const zm_params *ps, const char *prefix)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < ps->name_count; i++) {
        const zm_param_name *n = &ps->names[i];
        if (!n->alias && ps->slots[n->slot].kind != ZM_PARAM_STATISTIC &&
            strncmp(n->name, prefix, strlen(prefix)) == 0)
            count += n->count;
    }
    return count;
}

static zm_model *create_astromae(bool pcm)
{
    zm_model *model = NULL;
    const zm_mae_config mae = zm_mae_default(pcm);
    const zm_astromae_config config = zm_astromae_default(&mae.vit);
    expect_ok(zm_model_create_astromae(&config, 1, &model));
    return model;
}

// The counts published with AstroMAE (arXiv:2409.01825); the first leaves out cls_token
// and pos_embed.
Test(parameters, astromae_pcm_has_the_published_count)
{
    zm_model *model = create_astromae(true);
    const zm_params *ps = &model->params;
    const uint64_t apart = count_of(ps, "cls_token") + count_of(ps, "pos_embed");
    cr_expect_eq(zm_params_count(ps, false) - apart, 15899433);
    cr_expect_eq(zm_params_count(ps, true), 10398057);
    zm_model_destroy(&model);
}

Test(parameters, encoder_blocks_have_the_published_counts)
{
    zm_model *pcm = create_astromae(true), *plain = create_astromae(false);
    cr_expect_eq(count_of(&pcm->params, "blocks."), 5439744);
    cr_expect_eq(count_of(&plain->params, "blocks."), 5338368);
    zm_model_destroy(&pcm);
    zm_model_destroy(&plain);
}

// All branches of astromae.h against PyTorch's count; tests/golden/reference.py says
// which network is which.
Test(parameters, every_variant_has_the_count_of_pytorch)
{
    enum { E = ZM_BRANCH_ENCODER, I = ZM_BRANCH_INCEPTION, M = ZM_BRANCH_MAGS };
    static const struct {
        const char *name;
        bool pcm;
        uint32_t branches;
        bool train_encoder;
    } cases[] = {{"pcm", true, E | I | M, false},
                 {"plain", false, E | I | M, false},
                 {"pcm-vit", true, E, false},
                 {"plain-vit", false, E, false},
                 {"pcm-vit-magnitude", true, E | M, false},
                 {"plain-vit-magnitude", false, E | M, false},
                 {"pcm-vit-inception", true, E | I, false},
                 {"plain-vit-inception", false, E | I, false},
                 {"inception", false, I, false},
                 {"henghes", false, I | M, false},
                 {"scratch-pcm-vit", true, E, true},
                 {"scratch-pcm-vit-magnitude", true, E | M, true}};
    json_t *want = zm_golden_json("parameters");
    cr_expect_eq(json_object_size(want), ZM_COUNT_OF(cases));
    for (size_t i = 0; i < ZM_COUNT_OF(cases); i++) {
        const zm_mae_config mae = zm_mae_default(cases[i].pcm);
        zm_astromae_config config = zm_astromae_default(&mae.vit);
        zm_model *model = NULL;
        config.branches = cases[i].branches;
        config.train_encoder = cases[i].train_encoder;
        if (!(config.branches & E))
            config.vit = (zm_vit_config){.image = 32, .patch = 32, .bands = ZM_BANDS};
        expect_ok(zm_model_create_astromae(&config, 1, &model));
        const zm_params *ps = &model->params;
        const uint64_t cls = count_of(ps, "cls_token");
        const uint64_t apart = cls + count_of(ps, "pos_embed");
        const json_t *counts = json_object_get(want, cases[i].name);
        cr_expect_eq(zm_params_count(ps, false) - apart,
                     (uint64_t)json_integer_value(json_array_get(counts, 0)), "%s",
                     cases[i].name);
        cr_expect_eq(zm_params_count(ps, true) - (cases[i].train_encoder ? cls : 0),
                     (uint64_t)json_integer_value(json_array_get(counts, 1)), "%s",
                     cases[i].name);
        zm_model_destroy(&model);
    }
    json_decref(want);
}

// The counts of arXiv:2409.01825 section 3, block by block.
Test(parameters, inception_blocks_have_the_published_counts)
{
    static const struct {
        const char *prefix;
        uint64_t count;
    } blocks[] = {{"inception_model.vis_inception.2.", 11040},
                  {"inception_model.vis_inception.3.", 13088},
                  {"inception_model.vis_inception.5.", 4368},
                  {"inception_model.vis_inception.6.", 3344},
                  {"inception_model.vis_inception.8.", 1128}};
    zm_model *model = create_astromae(true);
    for (size_t i = 0; i < ZM_COUNT_OF(blocks); i++)
        cr_expect_eq(count_of(&model->params, blocks[i].prefix), blocks[i].count, "%s",
                     blocks[i].prefix);
    zm_model_destroy(&model);
}

// A name that the state dict has and the model lacks fails in zm_golden_open, which also
// compares every shape; here the other way round.
Test(parameters, names_are_those_of_the_state_dict)
{
    static const char *const cases[] = {
        "mae_full",        "mae_full_pcm",        "mae_64_pcm",
        "astromae_full",   "astromae_full_pcm",   "astromae_full_pcm_pdf",
        "vit_small_pcm",   "vit_magnitude_small", "vit_inception_small_pcm",
        "inception_small", "henghes_small",       "scratch_vit_small_pcm"};
    for (size_t c = 0; c < ZM_COUNT_OF(cases); c++) {
        zm_golden g;
        zm_golden_open(cases[c], &g);
        const zm_params *ps = &g.model->params;
        const json_t *tensors = json_object_get(g.json, "tensors");
        for (uint32_t i = 0; i < ps->name_count; i++) {
            const zm_param_name *n = &ps->names[i];
            bool known = json_object_get(tensors, n->name) != NULL;
            for (uint32_t j = 0; j < ps->name_count; j++) // listed under one name only
                known = known || (ps->names[j].slot == n->slot &&
                                  (n->alias || ps->names[j].alias) &&
                                  json_object_get(tensors, ps->names[j].name));
            cr_expect(known, "%s: PyTorch has no %s", cases[c], n->name);
            cr_expect_eq(zm_params_find(ps, n->name), n, "two tensors are called %s",
                         n->name);
        }
        zm_golden_close(&g);
    }
}

// Builds, records and runs one training pass; the loss is a number.
static void run_mae(uint32_t image, uint32_t patch, bool pcm)
{
    zm_golden g = {.name = "fresh", .count = 2};
    zm_golden_pass pass;
    zm_gpu *gpu = NULL;
    zm_mae_config config = zm_mae_default(pcm);
    config.vit.image = image;
    config.vit.patch = patch;
    config.vit.depth = config.dec_depth = 1;
    const uint32_t patches = zm_vit_patches(&config.vit);
    expect_ok(zm_gpu_open("cpu", NULL, &gpu));
    expect_ok(zm_model_create_mae(&config, 3, &g.model));
    const uint32_t shape[] = {g.count, ZM_BANDS, image, image}, places[] = {2, patches};
    g.images = zm_calloc((uint64_t)g.count * ZM_BANDS * image * image, sizeof(float));
    g.noise = zm_calloc((uint64_t)g.count * patches, sizeof(float));
    zm_golden_draw("images", 4, shape, 1, g.images);
    zm_golden_draw("mask_noise", 2, places, 1, g.noise);
    zm_golden_run(&g, gpu, g.count, true, &pass);
    double *loss = zm_golden_fetch(gpu, zm_tape_slice(pass.tape, pass.loss), 1);
    // targets are uniform in (-1, 1), variance 1/3; a fresh model adds its own variance
    cr_expect(*loss > 0.2 && *loss < 5, "image %u patch %u: loss %g", image, patch,
              *loss);
    cr_expect_eq(pass.pred->dim[1], patches);
    cr_expect_eq(pass.pred->dim[2], patch * patch * ZM_BANDS);
    free(loss);
    zm_golden_finish(&g, &pass);
    zm_golden_close(&g);
    zm_gpu_destroy(&gpu);
}

Test(parameters, other_image_and_patch_sizes_run)
{
    static const uint32_t sizes[][2] = {{32, 8},  {32, 4}, {64, 8}, {64, 4},
                                        {32, 16}, {24, 6}, {30, 5}, {33, 11}};
    for (size_t i = 0; i < ZM_COUNT_OF(sizes); i++)
        for (int pcm = 0; pcm < 2; pcm++)
            run_mae(sizes[i][0], sizes[i][1], pcm);
}

// Python's int(patches * (1 - ratio)), as the public code rounds.
Test(parameters, as_many_patches_stay_visible_as_in_the_public_code)
{
    static const struct {
        uint32_t grid;
        double ratio;
        uint32_t visible;
    } cases[] = {{4, 0.75, 4}, {5, 0.6, 10}, {10, 0.6, 40}, {10, 0.9, 9}, {8, 0.7, 19}};
    for (size_t i = 0; i < ZM_COUNT_OF(cases); i++) {
        zm_mae_config config = zm_mae_default(false);
        config.vit.image = cases[i].grid * config.vit.patch;
        config.mask_ratio = cases[i].ratio;
        cr_expect_eq(zm_mae_visible(&config), cases[i].visible, "%u patches, ratio %g",
                     cases[i].grid * cases[i].grid, cases[i].ratio);
    }
}

Test(parameters, contradictory_sizes_are_refused)
{
    const zm_mae_config good = zm_mae_default(true);
    expect_ok(zm_mae_check(&good));
    zm_mae_config bad[9];
    for (size_t i = 0; i < ZM_COUNT_OF(bad); i++)
        bad[i] = good;
    bad[0].vit.patch = 7;
    bad[1].vit.heads = 5;
    bad[2].vit.depth = ZM_MAX_DEPTH + 1;
    bad[3].dec_heads = 0;
    bad[4].mask_ratio = 1.0;
    bad[5].mask_ratio = 0.999;
    bad[6].vit.width = 0;
    bad[7].vit.bands = 0;
    bad[8].vit.image = 0;
    for (size_t i = 0; i < ZM_COUNT_OF(bad); i++) {
        zm_model *model = NULL;
        expect_status(zm_model_create_mae(&bad[i], 0, &model), ZM_ERR_SHAPE);
        cr_expect_null(model);
    }
    zm_astromae_config odd = zm_astromae_default(&good.vit);
    odd.vit.image = 36; // three halvings need multiples of 8
    odd.vit.patch = 4;
    zm_model *model = NULL;
    expect_status(zm_model_create_astromae(&odd, 0, &model), ZM_ERR_SHAPE);
    expect_detail("36");
}

Test(parameters, fresh_values_depend_on_seed_and_name_only)
{
    zm_mae_config small = zm_mae_default(true), deep;
    small.vit.depth = small.dec_depth = 1;
    deep = small;
    deep.vit.depth = 2;
    zm_model *a = NULL, *b = NULL, *c = NULL;
    expect_ok(zm_model_create_mae(&small, 9, &a));
    expect_ok(zm_model_create_mae(&deep, 9, &b));
    expect_ok(zm_model_create_mae(&small, 10, &c));
    for (uint32_t i = 0; i < a->params.name_count; i++) {
        const zm_param_name *n = &a->params.names[i];
        const zm_param_name *in_b = zm_params_find(&b->params, n->name);
        const size_t bytes = n->count * sizeof(float);
        const float *va = zm_params_host_at(&a->params, n, a->host);
        cr_assert_eq(memcmp(va, zm_params_host_at(&b->params, in_b, b->host), bytes), 0,
                     "%s", n->name);
        const bool random = n->init == ZM_INIT_XAVIER || n->init == ZM_INIT_LINEAR ||
                            n->init == ZM_INIT_NORMAL02;
        cr_expect_eq(memcmp(va, zm_params_host_at(&c->params, n, c->host), bytes) != 0,
                     random, "%s", n->name);
    }
    zm_model_destroy(&a);
    zm_model_destroy(&b);
    zm_model_destroy(&c);
}
