// Names of other libraries, and tables of positions at other sizes.
#include <math.h>
#include <string.h>

#include "core/train/model.h"
#include "core/train/weights.h"
#include "tests/unit/io_helpers.h"

static zm_model *make_mae(bool pcm)
{
    const zm_mae_config config = {.vit = {.image = 16,
                                          .patch = 4,
                                          .bands = ZM_BANDS,
                                          .width = 16,
                                          .depth = 12,
                                          .heads = 2,
                                          .pcm = pcm},
                                  .dec_width = 8,
                                  .dec_depth = 2,
                                  .dec_heads = 2,
                                  .mask_ratio = 0.75};
    zm_model *m = NULL;
    expect_ok(zm_model_create_mae(&config, 3, &m));
    return m;
}

Test(weights, every_name_of_an_autoencoder_has_one_there_and_back)
{
    for (int pcm = 0; pcm < 2; pcm++) {
        zm_model *m = make_mae(pcm);
        for (uint32_t i = 0; i < m->params.name_count; i++) {
            const char *own = m->params.names[i].name;
            char hf[ZM_MAX_PARTS][ZM_PARAM_NAME], zeros[ZM_PARAM_NAME];
            char back[ZM_PARAM_NAME];
            bool zero_key = false;
            const uint32_t n = zm_names_to_hf(own, hf, &zero_key, zeros);
            cr_expect_eq(n, strstr(own, "qkv") ? 3 : 1, "%s", own);
            cr_expect_eq(zero_key, strstr(own, "q_bias") != NULL, "%s", own);
            for (uint32_t k = 0; k < n; k++) {
                uint32_t part = 9, parts = 9;
                cr_expect(zm_names_from_hf(hf[k], pcm, back, &part, &parts), "%s", hf[k]);
                cr_expect_str_eq(back, own);
                cr_expect(part == k && parts == n, "%s", hf[k]);
            }
        }
        zm_model_destroy(&m);
    }
}

Test(weights, names_are_those_of_hugging_face)
{
    static const struct {
        const char *own, *hf;
        uint32_t part;
    } pairs[] = {
        {"cls_token", "vit.embeddings.cls_token", 0},
        {"patch_embed.proj.bias", "vit.embeddings.patch_embeddings.projection.bias", 0},
        {"blocks.11.attn.qkv.weight",
         "vit.encoder.layer.11.attention.attention.value.weight", 2},
        {"blocks.0.norm2.bias", "vit.encoder.layer.0.layernorm_after.bias", 0},
        {"blocks.3.mlp.fc1.weight", "vit.encoder.layer.3.intermediate.dense.weight", 0},
        {"blocks.3.mlp.fc2.weight", "vit.encoder.layer.3.output.dense.weight", 0},
        {"decoder_blocks.1.attn.proj.weight",
         "decoder.decoder_layers.1.attention.output.dense.weight", 0},
        {"decoder_pos_embed", "decoder.decoder_pos_embed", 0},
        {"norm.weight", "vit.layernorm.weight", 0},
    };
    for (size_t i = 0; i < ZM_COUNT_OF(pairs); i++) {
        char hf[ZM_MAX_PARTS][ZM_PARAM_NAME], zeros[ZM_PARAM_NAME];
        bool zero_key = false;
        cr_expect_gt(zm_names_to_hf(pairs[i].own, hf, &zero_key, zeros), pairs[i].part);
        cr_expect_str_eq(hf[pairs[i].part], pairs[i].hf);
    }
}

Test(weights, names_that_are_none_are_left_alone)
{
    static const char *const own[] = {"fc_norm.weight",
                                      "blocks.attn",
                                      "blocks.1x.norm1.bias",
                                      "blocks.12345.norm1.bias",
                                      "cls_token.x",
                                      "norm.",
                                      "blocks.1.",
                                      ""};
    static const char *const hf[] = {"vit.pooler.dense.weight", "vit.encoder.layer.x.y",
                                     "vit.encoder.layer.1.unknown", "classifier.bias",
                                     ""};
    char names[ZM_MAX_PARTS][ZM_PARAM_NAME], zeros[ZM_PARAM_NAME];
    bool zero_key = false;
    uint32_t part = 0, parts = 0;
    for (size_t i = 0; i < ZM_COUNT_OF(own); i++)
        cr_expect_eq(zm_names_to_hf(own[i], names, &zero_key, zeros), 0, "%s", own[i]);
    for (size_t i = 0; i < ZM_COUNT_OF(hf); i++)
        cr_expect(!zm_names_from_hf(hf[i], false, names[0], &part, &parts), "%s", hf[i]);
    char longest[200];
    memset(longest, 'n', sizeof longest);
    memcpy(longest, "norm.", 5);
    longest[sizeof longest - 1] = '\0';
    cr_expect_eq(zm_names_to_hf(longest, names, &zero_key, zeros), 0);
}

static float *table(zm_model *m, const char *name)
{
    return zm_params_host_at(&m->params, zm_params_find(&m->params, name), m->host);
}

Test(weights, positions_of_the_same_size_and_of_a_plane_stay)
{
    zm_model *m = make_mae(false), *same = NULL, *larger = NULL;
    expect_ok(zm_model_resize_positions(m, 16, &same));
    cr_expect_eq(
        memcmp(m->host, same->host, zm_params_host_count(&m->params) * sizeof *m->host),
        0);
    // What is constant stays so: the weights of every tap add up to one.
    float *in = table(m, "pos_embed");
    for (int i = 0; i < 17 * 16; i++)
        in[i] = i < 16 ? 7.0f : 0.625f;
    expect_ok(zm_model_resize_positions(m, 28, &larger));
    cr_expect_eq(zm_model_vit(larger)->image, 28);
    const float *out = table(larger, "pos_embed");
    for (int i = 0; i < 50 * 16; i++)
        cr_expect_float_eq(out[i], i < 16 ? 7.0f : 0.625f, 2e-7f);
    zm_model_destroy(&larger);
    zm_model_destroy(&same);
    zm_model_destroy(&m);
}

Test(weights, sizes_that_cannot_be_are_refused)
{
    zm_model *m = make_mae(true), *out = NULL;
    expect_status(zm_model_resize_positions(m, 18, &out), ZM_ERR_SHAPE);
    cr_expect_null(out);
    zm_model_destroy(&m);
}

Test(weights, a_failed_write_leaves_nothing)
{
    char dir[TEST_PATH], path[TEST_PATH];
    zm_model *m = make_mae(false);
    test_dir_create(dir);
    test_join(dir, "half.safetensors", path);
    table(m, "norm.bias")[0] = 65520.0f; // rounds to infinity; 65519 would not
    const zm_model_form half = {.half = true};
    expect_status(zm_model_write(m, &half, path), ZM_ERR_FORMAT);
    expect_detail("norm.bias");
    cr_expect_eq(test_dir_count(dir), 0);
    table(m, "norm.bias")[0] = 65519.0f;
    expect_ok(zm_model_write(m, &half, path));
    zm_model *back = NULL;
    expect_ok(zm_model_load(path, 0, 0, &back));
    cr_expect_eq(table(back, "norm.bias")[0], 65504.0f);
    zm_model_destroy(&back);
    zm_model_destroy(&m);
    test_dir_remove(dir);
}
