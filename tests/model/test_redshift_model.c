// Redshift models of every branch and head: files, metadata, what one takes of another.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/io/safetensors.h"
#include "core/train/model.h"
#include "tests/unit/io_helpers.h"

static const zm_vit_config small = {
    .image = 16, .patch = 4, .bands = ZM_BANDS, .width = 16, .depth = 2, .heads = 4};

static const uint32_t combinations[] = {
    ZM_BRANCH_ENCODER,
    ZM_BRANCH_INCEPTION,
    ZM_BRANCH_ENCODER | ZM_BRANCH_INCEPTION,
    ZM_BRANCH_ENCODER | ZM_BRANCH_MAGS,
    ZM_BRANCH_INCEPTION | ZM_BRANCH_MAGS,
    ZM_BRANCH_ALL,
};

static zm_astromae_config config_of(uint32_t branches, zm_head head)
{
    zm_astromae_config c = {.vit = small, .branches = branches, .head = head};
    if (!(branches & ZM_BRANCH_ENCODER))
        c.vit = (zm_vit_config){.image = 16, .patch = 16, .bands = ZM_BANDS};
    return c;
}

static zm_model *fresh(uint32_t branches, zm_head head, uint64_t seed)
{
    zm_model *m = NULL;
    const zm_astromae_config c = config_of(branches, head);
    expect_ok(zm_model_create_astromae(&c, seed, &m));
    return m;
}

// The model's tensors with other metadata, or none.
static void write_with(const zm_model *m, const char *meta, const char *path)
{
    const zm_params *ps = &m->params;
    zm_st_writer *w = NULL;
    expect_ok(zm_st_writer_create(path, &w));
    if (meta)
        expect_ok(zm_st_writer_meta(w, "zmae", meta));
    for (uint32_t i = 0; i < ps->name_count; i++) {
        const zm_param_name *n = &ps->names[i];
        const uint64_t shape[] = {n->dim[0], n->dim[1], n->dim[2], n->dim[3]};
        expect_ok(zm_st_writer_declare(w, n->name, ZM_ST_F32, n->rank, shape));
    }
    for (uint32_t i = 0; i < ps->name_count; i++)
        expect_ok(zm_st_writer_data(w, zm_params_host_at(ps, &ps->names[i], m->host),
                                    ps->names[i].count * sizeof(float)));
    expect_ok(zm_st_writer_finish(&w));
}

static bool same_values(const zm_model *a, const zm_model *b, const char *name)
{
    const zm_param_name *x = zm_params_find(&a->params, name);
    const zm_param_name *y = zm_params_find(&b->params, name);
    return x && y && x->count == y->count &&
           memcmp(zm_params_host_at(&a->params, x, a->host),
                  zm_params_host_at(&b->params, y, b->host),
                  x->count * sizeof(float)) == 0;
}

static void expect_same(const zm_model *a, const zm_model *b)
{
    const zm_astromae_config *x = &a->astromae.config, *y = &b->astromae.config;
    cr_assert_eq(b->kind, ZM_MODEL_ASTROMAE);
    cr_expect_eq(x->branches, y->branches);
    cr_expect_eq(x->vit.image, y->vit.image);
    cr_expect(zm_head_equal(&x->head, &y->head));
    cr_assert_eq(a->params.name_count, b->params.name_count);
    for (uint32_t i = 0; i < a->params.name_count; i++)
        cr_expect(same_values(a, b, a->params.names[i].name), "%s",
                  a->params.names[i].name);
}

static void expect_load(const char *path, zm_model **out)
{
    expect_ok(zm_model_load(path, 0, 0, out));
}

Test(redshift_model, every_combination_of_branches_comes_back)
{
    char dir[TEST_PATH], path[TEST_PATH];
    test_dir_create(dir);
    test_join(dir, "m.safetensors", path);
    const zm_head heads[] = {{ZM_HEAD_POINT, 0, 0, 0},
                             {ZM_HEAD_PDF, 37, -0.5, 1.25},
                             {ZM_HEAD_GAUSS, 90, 0.1, 0.7}};
    for (size_t i = 0; i < ZM_COUNT_OF(combinations); i++) {
        zm_model *m = fresh(combinations[i], heads[i % 3], 3), *back = NULL;
        expect_ok(zm_model_save(m, path));
        expect_load(path, &back);
        expect_same(m, back);
        zm_model_destroy(&m);
        zm_model_destroy(&back);
    }
    test_dir_remove(dir);
}

Test(redshift_model, names_and_the_last_layer_alone_tell_branches_and_head)
{
    char dir[TEST_PATH], path[TEST_PATH];
    test_dir_create(dir);
    test_join(dir, "m.safetensors", path);
    zm_head heads[] = {zm_head_default(ZM_HEAD_POINT), zm_head_default(ZM_HEAD_PDF),
                       zm_head_default(ZM_HEAD_GAUSS)};
    heads[1].bins = 3;
    for (size_t i = 0; i < ZM_COUNT_OF(combinations); i++)
        for (size_t h = 0; h < ZM_COUNT_OF(heads); h++) {
            zm_model *m = fresh(combinations[i], heads[h], 3), *back = NULL;
            write_with(m, NULL, path);
            expect_load(path, &back);
            expect_same(m, back);
            zm_model_destroy(&m);
            zm_model_destroy(&back);
        }
    test_dir_remove(dir);
}

Test(redshift_model, metadata_that_contradict_the_tensors_are_refused)
{
    static const char *const bad[] = {
        "{\"architecture\": {\"branches\": [\"encoder\"]}}",
        "{\"architecture\": {\"branches\": \"inception\"}}",
        "{\"architecture\": {\"image\": 32}}",
        "{\"architecture\": {\"head\": \"pdf\"}}",
        "{\"architecture\": {\"head\": {}}}",
        "{\"architecture\": {\"head\": {\"kind\": \"mixture\"}}}",
        "{\"architecture\": {\"head\": {\"kind\": \"regression\"}}}",
        "{\"architecture\": {\"head\": {\"kind\": \"gauss\"}}}",
        "{\"architecture\": {\"head\": {\"kind\": \"pdf\", \"bins\": 12}}}",
        "{\"architecture\": {\"head\": {\"kind\": \"pdf\", \"bins\": -1}}}",
        "{\"architecture\": {\"head\": {\"kind\": \"pdf\", \"bins\": 11, \"z_max\": 0}}}",
        "{\"architecture\": {\"head\": {\"kind\": \"pdf\", \"z_max\": 1e99}}}",
    };
    char dir[TEST_PATH], path[TEST_PATH];
    test_dir_create(dir);
    test_join(dir, "m.safetensors", path);
    zm_head head = zm_head_default(ZM_HEAD_PDF);
    head.bins = 11;
    zm_model *m = fresh(ZM_BRANCH_INCEPTION, head, 3), *back = NULL;
    for (size_t i = 0; i < ZM_COUNT_OF(bad); i++) {
        write_with(m, bad[i], path);
        const zm_status st = zm_model_load(path, 0, 0, &back);
        cr_expect(st == ZM_ERR_FORMAT || st == ZM_ERR_SHAPE, "%s: %s", bad[i],
                  zm_status_name(st));
        cr_expect_null(back);
        expect_detail(path);
    }
    write_with(m, "{\"architecture\": {\"head\": {\"kind\": \"pdf\", \"bins\": 11}}}",
               path);
    expect_load(path, &back);
    zm_model_destroy(&back);
    zm_model_destroy(&m);
    test_dir_remove(dir);
}

Test(redshift_model, magnitudes_alone_and_no_branch_are_refused)
{
    zm_astromae_config bad[5];
    for (size_t i = 0; i < ZM_COUNT_OF(bad); i++)
        bad[i] = config_of(ZM_BRANCH_ALL, zm_head_default(ZM_HEAD_POINT));
    bad[0].branches = 0;
    bad[1] = config_of(ZM_BRANCH_MAGS, bad[1].head);
    bad[2].branches = 8 | ZM_BRANCH_ALL;
    bad[3] = config_of(ZM_BRANCH_INCEPTION, bad[3].head);
    bad[3].vit.patch = 4; // no encoder, so no patches
    bad[4].head = (zm_head){ZM_HEAD_PDF, 1, 0, 1};
    for (size_t i = 0; i < ZM_COUNT_OF(bad); i++) {
        zm_model *m = NULL;
        expect_status(zm_model_create_astromae(&bad[i], 0, &m), ZM_ERR_SHAPE);
        cr_expect_null(m);
    }
}

Test(redshift_model, an_encoder_without_inception_takes_any_size)
{
    zm_model *m = NULL;
    zm_astromae_config c = config_of(ZM_BRANCH_ENCODER, zm_head_default(ZM_HEAD_POINT));
    c.vit.image = 12; // not a multiple of 8
    expect_ok(zm_model_create_astromae(&c, 0, &m));
    zm_model_destroy(&m);
}

Test(redshift_model, another_head_leaves_only_the_last_layer)
{
    zm_model *point = fresh(ZM_BRANCH_ALL, zm_head_default(ZM_HEAD_POINT), 1);
    zm_model *pdf = fresh(ZM_BRANCH_ALL, zm_head_default(ZM_HEAD_PDF), 2);
    zm_model *same = fresh(ZM_BRANCH_ALL, zm_head_default(ZM_HEAD_PDF), 3);
    zm_head other = zm_head_default(ZM_HEAD_PDF);
    other.z_max = 0.7; // as many bins, but of other redshifts
    zm_model *wider = fresh(ZM_BRANCH_ALL, other, 4);
    cr_expect_eq(zm_model_copy_shared(pdf, point), 2);
    cr_expect(same_values(pdf, point, "concat_block.0.weight"));
    cr_expect(same_values(pdf, point, "blocks.1.attn.qkv.weight"));
    cr_expect_eq(zm_model_copy_shared(same, pdf), 0);
    expect_same(pdf, same);
    cr_expect_eq(zm_model_copy_shared(wider, pdf), 2);
    cr_expect(same_values(wider, pdf, "concat_block.0.bias"));
    cr_expect_not(same_values(wider, pdf, "concat_block.2.weight"));
    zm_model_destroy(&point);
    zm_model_destroy(&pdf);
    zm_model_destroy(&same);
    zm_model_destroy(&wider);
}

Test(redshift_model, the_last_bias_is_that_of_every_combination)
{
    const float bias[] = {0.125f, -4.5f};
    for (size_t i = 0; i < ZM_COUNT_OF(combinations); i++) {
        char name[ZM_PARAM_NAME];
        zm_model *m = fresh(combinations[i], zm_head_default(ZM_HEAD_GAUSS), 1);
        zm_model_set_last_bias(m, bias);
        snprintf(name, sizeof name, "%s.bias", zm_astromae_last_name(combinations[i]));
        const zm_param_name *n = zm_params_find(&m->params, name);
        cr_assert(n, "%s", name);
        cr_expect_arr_eq(zm_params_host_at(&m->params, n, m->host), bias, sizeof bias);
        zm_model_destroy(&m);
    }
}
