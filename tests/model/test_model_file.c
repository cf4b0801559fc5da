// Model files: what is written is read back, what does not fit is refused and named.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/io/safetensors.h"
#include "core/train/model.h"
#include "tests/unit/io_helpers.h"

static zm_mae_config small_mae(bool pcm)
{
    return (zm_mae_config){.vit = {.image = 16,
                                   .patch = 4,
                                   .bands = ZM_BANDS,
                                   .width = 16,
                                   .depth = 2,
                                   .heads = 4,
                                   .pcm = pcm},
                           .dec_width = 8,
                           .dec_depth = 3,
                           .dec_heads = 2,
                           .mask_ratio = 0.5,
                           .norm_pix = true};
}

// How a copy of a model's tensors is spoilt on its way into a file.
typedef struct change {
    const char *leave_out; // tensor
    const char *rename;    // written as "x." and its name
    const char *lengthen;  // one row more
    const char *spoil;     // its second value becomes value
    float value;
    const char *extra;      // a further tensor of one value
    const char *meta;       // metadata instead of the model's; NULL = none at all
    const char *only_alias; // leave out every name but this of its slot
} change;

static bool is(const char *a, const char *b)
{
    return a && strcmp(a, b) == 0;
}

static bool kept(const zm_model *m, const zm_param_name *n, const change *c)
{
    if (is(c->leave_out, n->name))
        return false;
    const zm_param_name *alias =
        c->only_alias ? zm_params_find(&m->params, c->only_alias) : NULL;
    return !alias || alias->slot != n->slot || alias == n;
}

static void write_changed(const zm_model *m, const change *c, const char *path)
{
    const zm_params *ps = &m->params;
    zm_st_writer *w = NULL;
    expect_ok(zm_st_writer_create(path, &w));
    if (c->meta)
        expect_ok(zm_st_writer_meta(w, "zmae", c->meta));
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < ps->name_count; i++) {
            const zm_param_name *n = &ps->names[i];
            if (!kept(m, n, c))
                continue;
            const bool longer = is(c->lengthen, n->name);
            const uint64_t row = n->count / n->dim[0];
            const uint64_t shape[] = {n->dim[0] + longer, n->dim[1], n->dim[2],
                                      n->dim[3]};
            char name[ZM_PARAM_NAME + 2];
            snprintf(name, sizeof name, "%s%s", is(c->rename, n->name) ? "x." : "",
                     n->name);
            if (pass == 0) {
                expect_ok(zm_st_writer_declare(w, name, ZM_ST_F32, n->rank, shape));
                continue;
            }
            float *values = zm_calloc(n->count + row, sizeof *values);
            memcpy(values, zm_params_host_at(ps, n, m->host), n->count * sizeof *values);
            if (is(c->spoil, n->name))
                values[1] = c->value;
            expect_ok(zm_st_writer_data(
                w, values, (n->count + (longer ? row : 0)) * sizeof *values));
            free(values);
        }
        if (c->extra && pass == 0)
            expect_ok(zm_st_writer_declare(w, c->extra, ZM_ST_F32, 1, (uint64_t[]){1}));
        if (c->extra && pass == 1)
            expect_ok(zm_st_writer_data(w, (float[]){1}, sizeof(float)));
    }
    expect_ok(zm_st_writer_finish(&w));
}

typedef struct place {
    char dir[TEST_PATH], path[TEST_PATH];
} place;

static place begin(void)
{
    place p;
    test_dir_create(p.dir);
    test_join(p.dir, "model.safetensors", p.path);
    return p;
}

static zm_model *fresh(bool astromae, bool pcm)
{
    zm_model *m = NULL;
    const zm_mae_config config = small_mae(pcm);
    const zm_astromae_config redshift = zm_astromae_default(&config.vit);
    if (astromae)
        expect_ok(zm_model_create_astromae(&redshift, 4, &m));
    else
        expect_ok(zm_model_create_mae(&config, 4, &m));
    return m;
}

static void expect_refused(const zm_model *m, const change *c, zm_status status,
                           const char *names)
{
    place p = begin();
    zm_model *back = NULL;
    write_changed(m, c, p.path);
    expect_status(zm_model_load(p.path, 0, 0, &back), status);
    cr_expect_null(back);
    expect_detail(names);
    expect_detail(p.path);
    zm_model_destroy(&back);
    test_dir_remove(p.dir);
}

static void expect_same_weights(const zm_model *a, const zm_model *b)
{
    cr_assert_eq(a->params.name_count, b->params.name_count);
    for (uint32_t i = 0; i < a->params.name_count; i++) {
        const zm_param_name *n = &a->params.names[i];
        cr_expect_eq(memcmp(zm_params_host_at(&a->params, n, a->host),
                            zm_params_host_at(&b->params, n, b->host),
                            n->count * sizeof(float)),
                     0, "%s", n->name);
    }
}

Test(model_file, comes_back_bit_for_bit)
{
    for (int kind = 0; kind < 4; kind++) {
        place p = begin();
        zm_model *m = fresh(kind & 1, kind & 2), *back = NULL;
        m->simulated = true;
        m->pre.stretch = ZM_STRETCH_ASINH;
        for (int b = 0; b < ZM_BANDS; b++) {
            m->pre.scale[b] = 1.0f / (float)(b + 3); // not exact in decimals
            m->pre.mag_mean[b] = 17.1f + (float)b / 7;
            m->pre.mag_std[b] = 1.3f;
        }
        expect_ok(zm_model_save(m, p.path));
        expect_ok(zm_model_load(p.path, 0, 0, &back));
        expect_same_weights(m, back);
        cr_expect_eq(back->kind, m->kind);
        cr_expect(back->simulated && back->pre.recorded);
        cr_expect_eq(back->pre.stretch, ZM_STRETCH_ASINH);
        cr_expect_eq(memcmp(back->pre.scale, m->pre.scale, sizeof m->pre.scale), 0);
        const zm_vit_config *u = zm_model_vit(m), *v = zm_model_vit(back);
        cr_expect(u->image == v->image && u->patch == v->patch && u->width == v->width &&
                  u->depth == v->depth && u->heads == v->heads && u->pcm == v->pcm);
        if (m->kind == ZM_MODEL_MAE) {
            cr_expect_eq(back->mae.config.dec_depth, 3);
            cr_expect_eq(back->mae.config.dec_heads, 2);
            cr_expect(back->mae.config.norm_pix);
            cr_expect_eq(back->mae.config.mask_ratio, 0.5);
        } else {
            cr_expect_eq(memcmp(back->pre.mag_mean, m->pre.mag_mean, sizeof m->pre.scale),
                         0);
        }
        zm_model_destroy(&m);
        zm_model_destroy(&back);
        test_dir_remove(p.dir);
    }
}

Test(model_file, bytes_repeat)
{
    place p = begin();
    char second[TEST_PATH];
    zm_model *m = fresh(false, true), *back = NULL;
    expect_ok(zm_model_save(m, p.path));
    expect_ok(zm_model_load(p.path, 0, 0, &back));
    expect_ok(zm_model_save(back, test_join(p.dir, "again.safetensors", second)));
    FILE *f = fopen(p.path, "rb"), *g = fopen(second, "rb");
    int a, b;
    do {
        a = fgetc(f);
        b = fgetc(g);
    } while (a == b && a != EOF);
    cr_expect_eq(a, b);
    fclose(f);
    fclose(g);
    zm_model_destroy(&m);
    zm_model_destroy(&back);
    test_dir_remove(p.dir);
}

Test(model_file, names_and_shapes_alone_tell_the_architecture)
{
    for (int kind = 0; kind < 4; kind++) {
        place p = begin();
        zm_model *m = fresh(kind & 1, kind & 2), *back = NULL;
        write_changed(m, &(change){0}, p.path);
        expect_ok(zm_model_load(p.path, 0, 0, &back));
        const zm_vit_config *v = zm_model_vit(back);
        cr_expect_eq(back->kind, m->kind);
        cr_expect_eq(v->pcm, (kind & 2) != 0);
        cr_expect(v->image == 16 && v->patch == 4 && v->width == 16 && v->depth == 2);
        cr_expect_eq(v->heads, 1, "width / 64, at least 1");
        cr_expect_not(back->pre.recorded);
        if (back->kind == ZM_MODEL_MAE)
            cr_expect(back->mae.config.dec_width == 8 && back->mae.config.dec_depth == 3);
        expect_same_weights(m, back);
        zm_model_destroy(&m);
        zm_model_destroy(&back);
        test_dir_remove(p.dir);
    }
}

Test(model_file, heads_given_override_what_is_recorded)
{
    place p = begin();
    zm_model *m = fresh(false, false), *back = NULL;
    expect_ok(zm_model_save(m, p.path));
    expect_ok(zm_model_load(p.path, 2, 4, &back));
    cr_expect_eq(back->mae.config.vit.heads, 2);
    cr_expect_eq(back->mae.vit.blocks[0].heads, 2);
    cr_expect_eq(back->mae.config.dec_heads, 4);
    zm_model_destroy(&back);
    expect_status(zm_model_load(p.path, 3, 0, &back), ZM_ERR_SHAPE); // 16 / 3
    cr_expect_null(back);
    zm_model_destroy(&m);
    test_dir_remove(p.dir);
}

Test(model_file, tensors_that_do_not_fit_are_named)
{
    static const char fc1[] = "blocks.1.mlp.fc1.weight";
    static const char var[] = "blocks.0.PCM.1.running_var";
    zm_model *m = fresh(false, true);
    expect_refused(m, &(change){.leave_out = fc1}, ZM_ERR_SHAPE, fc1);
    expect_refused(m, &(change){.leave_out = var}, ZM_ERR_SHAPE, var);
    expect_refused(m, &(change){.rename = fc1}, ZM_ERR_SHAPE, fc1);
    expect_refused(m, &(change){.lengthen = fc1}, ZM_ERR_SHAPE, fc1);
    expect_refused(m, &(change){.extra = "one.more"}, ZM_ERR_SHAPE, "one.more");
    expect_refused(m, &(change){.leave_out = "patch_embed.proj.weight"}, ZM_ERR_FORMAT,
                   "patch_embed.proj.weight");
    expect_refused(m, &(change){.leave_out = "pos_embed"}, ZM_ERR_FORMAT, "pos_embed");
    expect_refused(m, &(change){.leave_out = "decoder_embed.weight"}, ZM_ERR_FORMAT,
                   "decoder_embed.weight");
    zm_model_destroy(&m);
}

Test(model_file, weights_that_are_not_finite_are_refused)
{
    zm_model *m = fresh(false, true);
    static const char *const names[] = {"blocks.0.attn.q_bias", "norm.weight",
                                        "blocks.1.PCM.1.running_var"};
    for (size_t i = 0; i < ZM_COUNT_OF(names); i++) {
        expect_refused(m, &(change){.spoil = names[i], .value = NAN}, ZM_ERR_FORMAT,
                       names[i]);
        expect_refused(m, &(change){.spoil = names[i], .value = -INFINITY}, ZM_ERR_FORMAT,
                       names[i]);
    }
    zm_model_destroy(&m);
}

Test(model_file, aliases_must_agree_and_one_of_them_is_enough)
{
    static const char *const both[] = {"inception_model.conv2d_init.weight",
                                       "inception_model.vis_inception.0.weight"};
    zm_model *m = fresh(true, false);
    for (int i = 0; i < 2; i++) {
        place p = begin();
        zm_model *back = NULL;
        expect_refused(m, &(change){.spoil = both[i], .value = 7}, ZM_ERR_FORMAT,
                       "alias");
        write_changed(m, &(change){.only_alias = both[i]}, p.path);
        expect_ok(zm_model_load(p.path, 0, 0, &back));
        expect_same_weights(m, back);
        zm_model_destroy(&back);
        test_dir_remove(p.dir);
    }
    zm_model_destroy(&m);
}

Test(model_file, metadata_that_make_no_sense_are_refused)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{",
        "{\"architecture\": {\"heads\": -1}}",
        "{\"architecture\": {\"heads\": 0}}",
        "{\"architecture\": {\"heads\": 1.5}}",
        "{\"architecture\": {\"heads\": \"two\"}}",
        "{\"architecture\": {\"heads\": 99999999999}}",
        "{\"architecture\": {\"mask_ratio\": 1e39}}",
        "{\"architecture\": {\"mask_ratio\": 2}}",
        "{\"architecture\": {\"decoder_heads\": 3}}",
        "{\"preprocessing\": {}}",
        "{\"preprocessing\": {\"stretch\": \"sqrt\"}}",
        "{\"preprocessing\": {\"stretch\": \"none\", \"scale\": [1, 2]}}",
        "{\"preprocessing\": {\"stretch\": \"none\", \"scale\": [1, 2, 3, 4, null]}}",
        "{\"preprocessing\": {\"stretch\": \"none\", \"magnitudes\": \"blue\"}}",
        "{\"simulated\": true, \"simulated\": false}"};
    zm_model *m = fresh(false, false);
    for (size_t i = 0; i < ZM_COUNT_OF(bad); i++) {
        place p = begin();
        zm_model *back = NULL;
        write_changed(m, &(change){.meta = bad[i]}, p.path);
        const zm_status st = zm_model_load(p.path, 0, 0, &back);
        cr_expect(st == ZM_ERR_FORMAT || st == ZM_ERR_SHAPE, "%s: %s", bad[i],
                  zm_status_name(st));
        cr_expect_null(back);
        expect_detail(p.path);
        zm_model_destroy(&back);
        test_dir_remove(p.dir);
    }
    zm_model_destroy(&m);
}

Test(model_file, encoders_are_copied_and_foreign_ones_refused)
{
    zm_model *mae = fresh(false, true), *astro = fresh(true, true);
    zm_model *plain = fresh(false, false);
    for (uint64_t i = 0; i < mae->params.weights; i++)
        mae->host[i] += 1;
    expect_ok(zm_model_copy_encoder(astro, mae));
    const char *const names[] = {"blocks.1.PCM.1.running_mean", "cls_token"};
    for (size_t i = 0; i < ZM_COUNT_OF(names); i++) {
        const zm_param_name *n = zm_params_find(&astro->params, names[i]);
        const zm_param_name *o = zm_params_find(&mae->params, names[i]);
        cr_expect_eq(memcmp(zm_params_host_at(&astro->params, n, astro->host),
                            zm_params_host_at(&mae->params, o, mae->host),
                            n->count * sizeof(float)),
                     0);
    }
    expect_status(zm_model_copy_encoder(astro, plain), ZM_ERR_SHAPE);
    expect_detail("q_bias");
    zm_model_destroy(&mae);
    zm_model_destroy(&astro);
    zm_model_destroy(&plain);
}
