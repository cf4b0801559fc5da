#include "tests/model/golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/io/safetensors.h"
#include "core/rng.h"

#define MUST(expr) cr_assert_eq((expr), ZM_OK, "%s", zm_error_detail())

json_t *zm_golden_json(const char *name)
{
    char path[1024];
    json_error_t error;
    snprintf(path, sizeof path, "%s/tests/golden/%s.json", ZM_SOURCE_DIR, name);
    json_t *json = json_load_file(path, 0, &error);
    cr_assert(json, "%s: %s", path, error.text);
    return json;
}

typedef struct rule {
    double offset, scale;
    bool symmetric;
} rule;

// The table of philox.py.
static rule rule_of(const char *name, uint32_t rank, const uint32_t *dims)
{
    static const struct {
        const char *end;
        uint32_t rank; // 0 = any
        rule rule;
    } table[] = {
        {"pos_embed", 0, {0, 0.5, true}},    {"decoder_pos_embed", 0, {0, 0.5, true}},
        {"cls_token", 0, {0, 0.04, true}},   {"mask_token", 0, {0, 0.04, true}},
        {"running_mean", 1, {0, 0.1, true}}, {"running_var", 1, {0.5, 1, false}},
        {"weight", 1, {1, 0.2, true}},       {"bias", 1, {0, 0.1, true}},
        {"q_bias", 1, {0, 0.1, true}},       {"v_bias", 1, {0, 0.1, true}},
        {"images", 4, {0, 1, true}},         {"mags", 2, {15, 5, false}},
        {"z", 1, {0, 0.4, false}},           {"mask_noise", 2, {0, 1, false}}};
    const char *dot = strrchr(name, '.'), *end = dot ? dot + 1 : name;
    double fan_in = 1;
    for (uint32_t i = 1; i < rank; i++)
        fan_in *= dims[i];
    for (size_t i = 0; i < ZM_COUNT_OF(table); i++)
        if (strcmp(end, table[i].end) == 0 &&
            (table[i].rank == 0 || table[i].rank == rank))
            return table[i].rule;
    cr_assert(strcmp(end, "weight") == 0 && rank >= 2, "no draw rule for %s", name);
    return (rule){0, sqrt(3.0 / fan_in), true};
}

void zm_golden_draw(const char *name, uint32_t rank, const uint32_t *dims, uint64_t seed,
                    float *out)
{
    const rule r = rule_of(name, rank, dims);
    zm_rng rng = zm_rng_init(seed, ZM_RNG_TEST, zm_hash_name(name), 0);
    uint64_t count = 1;
    for (uint32_t i = 0; i < rank; i++)
        count *= dims[i];
    for (uint64_t i = 0; i < count; i++) {
        const double u = (double)zm_rng_float(&rng), s = 2.0 * u - 1.0;
        const volatile double product = r.scale * (r.symmetric ? s : u); // no FMA
        out[i] = (float)(r.offset + product);
    }
}

static void check_tensor(const zm_golden *g, const char *name, uint32_t rank,
                         const uint32_t *dims, const float *values)
{
    const json_t *entry = json_object_get(json_object_get(g->json, "tensors"), name);
    cr_assert(entry, "%s: no tensor %s", g->name, name);
    const json_t *shape = json_array_get(entry, 0);
    uint64_t count = 1;
    uint32_t sum = 0;
    cr_assert_eq(json_array_size(shape), rank, "%s: %s", g->name, name);
    for (uint32_t i = 0; i < rank; i++) {
        cr_assert_eq(json_integer_value(json_array_get(shape, i)), dims[i], "%s: %s",
                     g->name, name);
        count *= dims[i];
    }
    for (uint64_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        sum += (uint32_t)(i + 1) * bits;
    }
    cr_assert_eq(sum, (uint32_t)json_integer_value(json_array_get(entry, 1)),
                 "%s: checksum of %s", g->name, name);
}

static float *draw_data(const zm_golden *g, const char *name, uint32_t rank,
                        const uint32_t *dims)
{
    uint64_t count = 1;
    for (uint32_t i = 0; i < rank; i++)
        count *= dims[i];
    float *values = zm_calloc(count, sizeof *values);
    cr_assert(values);
    zm_golden_draw(name, rank, dims, g->seed, values);
    const json_int_t levels =
        json_integer_value(json_object_get(g->json, "noise_levels"));
    for (uint64_t i = 0; i < count && levels && strcmp(name, "mask_noise") == 0; i++)
        values[i] = floorf(values[i] * (float)levels) / (float)levels;
    check_tensor(g, name, rank, dims, values);
    return values;
}

// Every tensor of the model under its first name; the file lists no aliases.
static void draw_weights(zm_golden *g)
{
    zm_params *ps = &g->model->params;
    size_t drawn = 0;
    for (uint32_t i = 0; i < ps->name_count; i++) {
        const zm_param_name *n = &ps->names[i];
        if (!json_object_get(json_object_get(g->json, "tensors"), n->name))
            continue; // the other name of an alias; the number below finds a lack
        float *at = zm_params_host_at(ps, n, g->model->host);
        zm_golden_draw(n->name, n->rank, n->dim, g->seed, at);
        check_tensor(g, n->name, n->rank, n->dim, at);
        drawn++;
    }
    const size_t data = g->noise ? 4 : 3;
    cr_assert_eq(drawn + data, json_object_size(json_object_get(g->json, "tensors")),
                 "%s: %zu tensors drawn", g->name, drawn);
}

static uint32_t number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    cr_assert(json_is_integer(value), "no %s", key);
    return (uint32_t)json_integer_value(value);
}

// "network": {"branches": [...], "train_encoder": ..., "head": {...}, ...}
static zm_astromae_config redshift_config(const json_t *net, const zm_vit_config *vit)
{
    const json_t *head = json_object_get(net, "head");
    zm_astromae_config c = {.vit = *vit,
                            .train_encoder =
                                json_is_true(json_object_get(net, "train_encoder"))};
    size_t i;
    const json_t *branch;
    json_array_foreach(json_object_get(net, "branches"), i, branch)
    {
        for (uint32_t b = 1; b <= ZM_BRANCH_ALL; b <<= 1)
            if (strcmp(json_string_value(branch), zm_branch_name(b)) == 0)
                c.branches |= b;
    }
    cr_assert_eq(json_array_size(json_object_get(net, "branches")),
                 (c.branches & 1) + (c.branches >> 1 & 1) + (c.branches >> 2 & 1));
    if (!(c.branches & ZM_BRANCH_ENCODER))
        c.vit = (zm_vit_config){
            .image = vit->image, .patch = vit->image, .bands = vit->bands};
    MUST(zm_head_kind_parse(json_string_value(json_object_get(head, "kind")),
                            &c.head.kind));
    if (c.head.kind == ZM_HEAD_POINT)
        return c;
    c.head.bins = number(head, "bins");
    c.head.z_min = json_number_value(json_object_get(head, "z_min"));
    c.head.z_max = json_number_value(json_object_get(head, "z_max"));
    return c;
}

void zm_golden_open(const char *name, zm_golden *g)
{
    *g = (zm_golden){.name = name, .json = zm_golden_json(name)};
    const json_t *net = json_object_get(g->json, "network");
    g->seed = number(g->json, "seed");
    g->count = number(g->json, "count");
    g->batch = number(g->json, "batch");
    const zm_vit_config vit = {.image = number(net, "image"),
                               .patch = number(net, "patch"),
                               .bands = ZM_BANDS,
                               .width = number(net, "embed"),
                               .depth = number(net, "depth"),
                               .heads = number(net, "heads"),
                               .pcm = json_is_true(json_object_get(net, "pcm"))};
    const char *kind = json_string_value(json_object_get(g->json, "model"));
    const uint32_t s = vit.image;
    if (strcmp(kind, "mae") == 0) {
        const zm_mae_config mae = {
            .vit = vit,
            .dec_width = number(net, "decoder_embed"),
            .dec_depth = number(net, "decoder_depth"),
            .dec_heads = number(net, "decoder_heads"),
            .mask_ratio = json_number_value(json_object_get(net, "mask_ratio")),
            .norm_pix = json_is_true(json_object_get(net, "norm_pix"))};
        MUST(zm_model_create_mae(&mae, 0, &g->model));
        g->noise =
            draw_data(g, "mask_noise", 2, (uint32_t[]){g->count, zm_vit_patches(&vit)});
    } else {
        const zm_astromae_config redshift = redshift_config(net, &vit);
        MUST(zm_model_create_astromae(&redshift, 0, &g->model));
    }
    g->images = draw_data(g, "images", 4, (uint32_t[]){g->count, ZM_BANDS, s, s});
    g->mags = draw_data(g, "mags", 2, (uint32_t[]){g->count, ZM_BANDS});
    g->z = draw_data(g, "z", 1, (uint32_t[]){g->count});
    draw_weights(g);
}

void zm_golden_close(zm_golden *g)
{
    zm_model_destroy(&g->model);
    json_decref(g->json);
    free(g->images);
    free(g->mags);
    free(g->z);
    free(g->noise);
}

void zm_golden_write_data(const zm_golden *g, const char *path)
{
    const uint64_t n = g->count, s = zm_model_vit(g->model)->image;
    const uint64_t patches = zm_vit_patches(zm_model_vit(g->model));
    const struct {
        const char *name;
        const float *data;
        uint32_t rank;
        uint64_t shape[4], count;
    } columns[] = {{"images", g->images, 4, {n, ZM_BANDS, s, s}, n * ZM_BANDS * s * s},
                   {"mags", g->mags, 2, {n, ZM_BANDS}, n * ZM_BANDS},
                   {"z", g->z, 1, {n}, n},
                   {"mask_noise", g->noise, 2, {n, patches}, n * patches}};
    const size_t count = g->noise ? 4 : 3;
    zm_st_writer *w = NULL;
    MUST(zm_st_writer_create(path, &w));
    for (size_t i = 0; i < count; i++)
        MUST(zm_st_writer_declare(w, columns[i].name, ZM_ST_F32, columns[i].rank,
                                  columns[i].shape));
    for (size_t i = 0; i < count; i++)
        MUST(zm_st_writer_data(w, columns[i].data, columns[i].count * sizeof(float)));
    MUST(zm_st_writer_finish(&w));
}
