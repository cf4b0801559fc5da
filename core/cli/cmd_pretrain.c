#include <math.h>
#include <string.h>

#include "core/cli/train_run.h"

typedef struct pretrain_args {
    zm_train_args train;
    zm_mae_config mae;
    const char *blocks, *stretch, *method;
} pretrain_args;

// A fresh autoencoder's pixels: asinh(x / 3 sigma) with the noise of the training set.
static zm_status choose_stretch(zm_model *model, zm_dataset *ds, const zm_order *order,
                                const char *stretch)
{
    enum { NOISE_ROWS = 2000 };
    zm_sampler sampler;
    float sigma[ZM_BANDS];
    model->pre.recorded = true;
    if (strcmp(stretch, "none") == 0)
        return ZM_OK;
    ZM_TRY(zm_sampler_init(&sampler, ds, ZM_MIN(ds->height, ds->width)));
    const zm_status st =
        zm_sampler_sigma(&sampler, order->train, order->train_count, NOISE_ROWS, sigma);
    zm_sampler_finish(&sampler);
    ZM_TRY(st);
    model->pre.stretch = ZM_STRETCH_ASINH;
    for (int b = 0; b < ZM_BANDS; b++)
        model->pre.scale[b] = 1.0f / (3.0f * sigma[b]);
    return ZM_OK;
}

static zm_status make_model(const void *user, const zm_options *o, zm_dataset *ds,
                            const zm_order *order, zm_model **out)
{
    const pretrain_args *a = user;
    if (!a->train.init) {
        zm_mae_config config = a->mae;
        config.vit.pcm = strcmp(a->blocks, "pcm") == 0;
        if (zm_mae_check(&config) != ZM_OK) // what the options say, not a file
            return ZM_FAIL(ZM_ERR_USAGE, "%s", zm_error_detail());
        ZM_TRY(zm_model_create_mae(&config, o->common.seed, out));
        return choose_stretch(*out, ds, order, a->stretch);
    }
    const uint32_t heads = zm_options_given(o, "heads") ? a->mae.vit.heads : 0;
    const uint32_t dec_heads =
        zm_options_given(o, "decoder-heads") ? a->mae.dec_heads : heads;
    ZM_TRY(zm_model_load(a->train.init, heads, dec_heads, out));
    if ((*out)->kind != ZM_MODEL_MAE)
        return ZM_FAIL(ZM_ERR_SHAPE, "%s: is a %s model, expected a masked autoencoder",
                       a->train.init, zm_model_kind_name((*out)->kind));
    if (zm_options_given(o, "mask-ratio"))
        (*out)->mae.config.mask_ratio = a->mae.mask_ratio;
    if (a->mae.norm_pix)
        (*out)->mae.config.norm_pix = true;
    ZM_TRY(zm_mae_check(&(*out)->mae.config));
    return zm_options_given(o, "stretch") ? choose_stretch(*out, ds, order, a->stretch)
                                          : ZM_OK;
}

static int run(int argc, const char *const *argv)
{
    pretrain_args a = {.train = {.epochs = 100,
                                 .warmup = UINT64_MAX,
                                 .batch = 64,
                                 .lr = 1e-3,
                                 .schedule = "cosine",
                                 .weight_decay = 0.05,
                                 .augment = "flip,rot90",
                                 .shuffle = "epoch",
                                 .checkpoint_every = 500,
                                 .log_every = 1},
                       .mae = zm_mae_default(true),
                       .blocks = "pcm",
                       .stretch = "asinh",
                       .method = "mae"};
    const zm_option table[] = {
        ZM_TRAIN_OPTIONS(a.train),
        {"init", ZM_OPT_STRING(&a.train.init), "FILE", "autoencoder to continue from"},
        {"method", ZM_OPT_CHOICE(&a.method, "mae"), "NAME", "mae: masked autoencoding"},
        {"blocks", ZM_OPT_CHOICE(&a.blocks, "plain|pcm"), "NAME",
         "encoder blocks; plain: as in ViT; pcm: with a parallel convolution module"},
        {"image", ZM_OPT_U32(&a.mae.vit.image, 8, 1024), "PIXELS",
         "side of what the model sees, cut from the centre"},
        {"patch", ZM_OPT_U32(&a.mae.vit.patch, 1, 256), "PIXELS", "side of a patch"},
        {"width", ZM_OPT_U32(&a.mae.vit.width, 4, 4096), "N",
         "numbers per patch in the encoder"},
        {"depth", ZM_OPT_U32(&a.mae.vit.depth, 1, ZM_MAX_DEPTH), "N", "encoder blocks"},
        {"heads", ZM_OPT_U32(&a.mae.vit.heads, 1, 256), "N",
         "attention heads of the encoder"},
        {"decoder-width", ZM_OPT_U32(&a.mae.dec_width, 4, 4096), "N",
         "numbers per patch in the decoder"},
        {"decoder-depth", ZM_OPT_U32(&a.mae.dec_depth, 1, ZM_MAX_DEPTH), "N",
         "decoder blocks"},
        {"decoder-heads", ZM_OPT_U32(&a.mae.dec_heads, 1, 256), "N",
         "attention heads of the decoder"},
        {"mask-ratio", ZM_OPT_F64(&a.mae.mask_ratio, 0.01, 0.99), "X",
         "part of the patches that is hidden"},
        {"norm-pix", ZM_OPT_FLAG(&a.mae.norm_pix), NULL,
         "targets normalised patch by patch"},
        {"stretch", ZM_OPT_CHOICE(&a.stretch, "asinh|none"), "NAME",
         "pixels; asinh: asinh(x / 3 sigma), sigma the noise of the data; none: as they "
         "come"},
        {0},
    };
    static const char *const examples[] = {
        "Train on every object of a data set",
        "zmae pretrain --data sky.safetensors --out run1",
        "A small model, 10 % of the objects kept apart",
        "zmae pretrain --data sky.safetensors --out run1 --width 96 --depth 6 --val 0.1",
        "Go on with a run that was stopped",
        "zmae pretrain --config run1/config.json --resume auto",
        NULL};
    zm_options options = {.verb = argv[0],
                          .summary =
                              "Trains a masked autoencoder on cutouts; no labels are "
                              "needed.",
                          .table = table,
                          .examples = examples};
    zm_status st = zm_options_parse(&options, argc, argv);
    if (st == ZM_OK)
        st = zm_train_verb(&a.train, &options, make_model, &a, false);
    zm_options_finish(&options);
    return zm_cli_exit(st);
}

const zm_verb zm_verb_pretrain = {"pretrain",
                                  "train a masked autoencoder, without labels", run};
