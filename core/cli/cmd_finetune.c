#include <math.h>
#include <string.h>

#include "core/cli/train_run.h"

typedef struct finetune_args {
    zm_train_args train;
    uint32_t heads;
} finetune_args;

// Mean, spread and range of the training objects' magnitudes and redshifts.
static zm_status measure(zm_model *model, zm_dataset *ds, const zm_order *order,
                         bool standardise)
{
    zm_preprocess *pre = &model->pre;
    zm_sampler sampler;
    double sum[ZM_BANDS] = {0}, square[ZM_BANDS] = {0};
    const double n = order->train_count;
    float *cutout = NULL;
    const uint32_t size = zm_model_vit(model)->image;
    for (int b = 0; b < ZM_BANDS; b++) {
        pre->mag_min[b] = INFINITY;
        pre->mag_max[b] = -INFINITY;
    }
    pre->z_min = INFINITY;
    pre->z_max = -INFINITY;
    zm_status st = zm_sampler_init(&sampler, ds, size);
    if (st == ZM_OK &&
        !(cutout = zm_calloc((uint64_t)size * size * ZM_BANDS, sizeof *cutout)))
        st = ZM_FAIL(ZM_ERR_MEMORY, "no memory for a cutout");
    for (uint32_t i = 0; i < order->train_count && st == ZM_OK; i++) {
        float mags[ZM_BANDS];
        const uint32_t row = order->train[i];
        const float z = ds->rows[row].z;
        st = zm_sampler_read(&sampler, row, cutout, mags, NULL);
        for (int b = 0; b < ZM_BANDS && st == ZM_OK; b++) {
            sum[b] += (double)mags[b];
            square[b] += (double)mags[b] * (double)mags[b];
            pre->mag_min[b] = fminf(pre->mag_min[b], mags[b]);
            pre->mag_max[b] = fmaxf(pre->mag_max[b], mags[b]);
        }
        pre->z_min = fminf(pre->z_min, z);
        pre->z_max = fmaxf(pre->z_max, z);
    }
    free(cutout);
    zm_sampler_finish(&sampler);
    ZM_TRY(st);
    for (int b = 0; b < ZM_BANDS && standardise; b++) {
        const double mean = sum[b] / n;
        const double var = fmax(square[b] / n - mean * mean, 0.0);
        pre->mag_mean[b] = (float)mean;
        pre->mag_std[b] = var > 1e-12 ? (float)sqrt(var) : 1.0f;
    }
    pre->mag_kind = ds->mag_kind;
    return ZM_OK;
}

// The model to start from: an autoencoder lends its encoder and how it sees pixels, a
// fine-tuned model is taken whole.
static zm_status make_model(const void *user, const zm_options *o, zm_dataset *ds,
                            const zm_order *order, zm_model **out)
{
    const finetune_args *a = user;
    zm_model *init = NULL;
    ZM_TRY(zm_model_load(a->train.init, a->heads, 0, &init));
    if (init->kind == ZM_MODEL_ASTROMAE) {
        *out = init;
        const zm_preprocess before = init->pre;
        ZM_TRY(measure(init, ds, order, false));
        if (before.recorded && before.mag_kind != ds->mag_kind) {
            const zm_log log = zm_cli_log(&o->common);
            zm_log_write(&log, ZM_LOG_WARN,
                         "%s: trained on %s magnitudes, the data have %s", a->train.init,
                         zm_mag_kind_name(before.mag_kind),
                         zm_mag_kind_name(ds->mag_kind));
        }
        init->pre.recorded = true;
        return ZM_OK;
    }
    const zm_astromae_config config = zm_astromae_default(zm_model_vit(init));
    zm_status st = zm_model_create_astromae(&config, o->common.seed, out);
    if (st == ZM_OK)
        st = zm_model_copy_encoder(*out, init);
    if (st == ZM_OK) {
        (*out)->pre = init->pre;
        (*out)->simulated = init->simulated;
        st = measure(*out, ds, order, init->pre.recorded);
        (*out)->pre.recorded = true;
    }
    zm_model_destroy(&init);
    return st;
}

static int run(int argc, const char *const *argv)
{
    finetune_args a = {.train = {.epochs = 100,
                                 .warmup = UINT64_MAX,
                                 .batch = 64,
                                 .lr = 5e-4,
                                 .schedule = "cosine",
                                 .weight_decay = 0.005,
                                 .augment = "flip,rot90",
                                 .shuffle = "epoch",
                                 .checkpoint_every = 500,
                                 .log_every = 1}};
    const zm_option table[] = {
        ZM_TRAIN_OPTIONS(a.train),
        {"init", ZM_OPT_STRING(&a.train.init), "FILE",
         "autoencoder whose encoder is taken, or fine-tuned model to continue from",
         .required = true},
        {"heads", ZM_OPT_U32(&a.heads, 0, 256), "N", "attention heads of the encoder",
         .shown = "the model's"},
        {0},
    };
    static const char *const examples[] = {
        "Train redshifts on a pre-trained encoder",
        "zmae finetune --data sky.safetensors --init run1/model.safetensors --out run2",
        "Go on with a run that was stopped",
        "zmae finetune --config run2/config.json --resume auto", NULL};
    zm_options options = {.verb = argv[0],
                          .summary =
                              "Trains the AstroMAE redshift model on labelled cutouts; "
                              "the encoder stays frozen.",
                          .table = table,
                          .examples = examples};
    zm_status st = zm_options_parse(&options, argc, argv);
    if (st == ZM_OK)
        st = zm_train_verb(&a.train, &options, make_model, &a, true);
    zm_options_finish(&options);
    return zm_cli_exit(st);
}

const zm_verb zm_verb_finetune = {"finetune",
                                  "train the redshift model on labelled cutouts", run};
