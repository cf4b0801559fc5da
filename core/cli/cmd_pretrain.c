#include "core/cli/encoder_options.h"
#include "core/cli/presets.h"
#include "core/cli/train_run.h"

typedef struct pretrain_args {
    zm_train_args train;
    zm_encoder_args encoder;
    zm_mae_config mae;
    const char *method;
} pretrain_args;

// The model of --init with what may be changed about it.
static zm_status continue_model(const pretrain_args *a, const zm_options *o,
                                zm_dataset *ds, const zm_order *order, zm_model **out)
{
    const uint32_t heads = zm_options_given(o, "heads") ? a->encoder.vit.heads : 0;
    const uint32_t dec_heads =
        zm_options_given(o, "decoder-heads") ? a->mae.dec_heads : heads;
    ZM_TRY(zm_model_load(a->train.init, heads, dec_heads, out));
    if ((*out)->kind != ZM_MODEL_MAE)
        return ZM_FAIL(ZM_ERR_SHAPE,
                       "%s: is a redshift model (%s), expected a masked autoencoder",
                       a->train.init, zm_model_kind_name((*out)->kind));
    zm_mae_config *mae = &(*out)->mae.config;
    const zm_asked_size sizes[] = {{"decoder-width", a->mae.dec_width, mae->dec_width},
                                   {"decoder-depth", a->mae.dec_depth, mae->dec_depth}};
    ZM_TRY(zm_encoder_agrees(o, &a->encoder, *out));
    ZM_TRY(zm_sizes_agree(o, a->train.init, sizes, ZM_COUNT_OF(sizes)));
    if (zm_options_given(o, "mask-ratio"))
        mae->mask_ratio = a->mae.mask_ratio;
    if (zm_options_given(o, "norm-pix"))
        mae->norm_pix = a->mae.norm_pix;
    ZM_TRY(zm_mae_check(mae));
    return zm_options_given(o, "stretch")
               ? zm_measure_stretch(*out, ds, order, a->encoder.stretch)
               : ZM_OK;
}

static zm_status make_model(const void *user, const zm_options *o, zm_dataset *ds,
                            const zm_order *order, zm_model **out)
{
    const pretrain_args *a = user;
    if (a->train.init)
        return continue_model(a, o, ds, order, out);
    zm_mae_config config = a->mae;
    config.vit = zm_encoder_config(&a->encoder);
    if (zm_mae_check(&config) != ZM_OK) // what the options say, not a file
        return ZM_FAIL(ZM_ERR_USAGE, "%s", zm_error_detail());
    ZM_TRY(zm_model_create_mae(&config, o->common.seed, out));
    return zm_measure_stretch(*out, ds, order, a->encoder.stretch);
}

static int run(int argc, const char *const *argv)
{
    pretrain_args a = {.train = {.epochs = 100,
                                 .warmup = ZM_TRAIN_UNSET,
                                 .warmup_epochs = ZM_TRAIN_UNSET,
                                 .batch = 64,
                                 .lr = 1e-3,
                                 .schedule = "cosine",
                                 .weight_decay = 0.05,
                                 .augment = "flip,rot90",
                                 .shuffle = "epoch",
                                 .checkpoint_every = 500,
                                 .log_every = 1},
                       .encoder = zm_encoder_args_default(),
                       .mae = zm_mae_default(true),
                       .method = "mae"};
    const zm_option table[] = {
        ZM_TRAIN_OPTIONS(a.train),
        {"init", ZM_OPT_STRING(&a.train.init), "FILE", "autoencoder to continue from"},
        {"method", ZM_OPT_CHOICE(&a.method, "mae"), "NAME", "mae: masked autoencoding"},
        ZM_ENCODER_OPTIONS(a.encoder),
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
        {0},
    };
    static const char *const examples[] = {
        "Train on every object of a data set",
        "zmae pretrain --data sky.safetensors --out run1",
        "A small model, 10 % of the objects kept apart",
        "zmae pretrain --data sky.safetensors --out run1 --width 96 --depth 6 --val 0.1",
        "The recipe of the paper",
        "zmae pretrain --preset astromae --data sdss.npz --out encoder",
        "Go on with a run that was stopped",
        "zmae pretrain --config run1/config.json --resume auto",
        NULL};
    zm_options options = {.verb = argv[0],
                          .summary =
                              "Trains a masked autoencoder on cutouts; no labels are "
                              "needed.",
                          .table = table,
                          .presets = zm_presets_pretrain,
                          .examples = examples};
    zm_status st = zm_options_parse(&options, argc, argv);
    if (st == ZM_OK)
        st = zm_train_verb(&a.train, &options, make_model, &a, false);
    zm_options_finish(&options);
    return zm_cli_exit(st);
}

const zm_verb zm_verb_pretrain = {"pretrain",
                                  "train a masked autoencoder, without labels", run};
