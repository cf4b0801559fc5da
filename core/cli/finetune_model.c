#include "core/cli/finetune_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/data/sample.h"

// "LO,HI"
static zm_status parse_range(const char *text, double *low, double *high)
{
    char *end;
    const double a = strtod(text, &end);
    if (end == text || *end != ',')
        return ZM_FAIL(ZM_ERR_USAGE, "--z-range: expected LO,HI, found \"%s\"", text);
    const char *second = end + 1;
    const double b = strtod(second, &end);
    if (end == second || *end != 0)
        return ZM_FAIL(ZM_ERR_USAGE, "--z-range: expected LO,HI, found \"%s\"", text);
    *low = a;
    *high = b;
    return ZM_OK;
}

// The options' head; where they do not say, that of the model to continue from, if any.
static zm_status choose_head(const zm_finetune_args *a, const zm_options *o,
                             const zm_model *whole, zm_head *head)
{
    const bool bins = zm_options_given(o, "bins"), range = zm_options_given(o, "z-range");
    if (whole)
        *head = *zm_model_head(whole);
    if (!whole || zm_options_given(o, "head")) {
        zm_head asked = {0};
        ZM_TRY(zm_head_kind_parse(a->head, &asked.kind));
        if (!whole || asked.kind != head->kind)
            *head = zm_head_default(asked.kind);
    }
    if (head->kind == ZM_HEAD_POINT)
        return bins || range ? ZM_FAIL(ZM_ERR_USAGE, "--bins and --z-range are of "
                                                     "--head pdf and gauss")
                             : ZM_OK;
    if (bins)
        head->bins = a->bins;
    if (range)
        ZM_TRY(parse_range(a->z_range, &head->z_min, &head->z_max));
    return zm_head_check(head) == ZM_OK ? ZM_OK
                                        : ZM_FAIL(ZM_ERR_USAGE, "%s", zm_error_detail());
}

// Without an encoder only pixels and bands count.
static zm_status drop_encoder(const zm_options *o, zm_astromae_config *c)
{
    static const char *const of_encoder[] = {"blocks", "patch", "width",
                                             "depth",  "heads", "train-encoder"};
    for (size_t i = 0; i < ZM_COUNT_OF(of_encoder); i++)
        if (zm_options_given(o, of_encoder[i]))
            return ZM_FAIL(ZM_ERR_USAGE, "--%s: --branches have no encoder",
                           of_encoder[i]);
    c->vit = (zm_vit_config){
        .image = c->vit.image, .patch = c->vit.image, .bands = c->vit.bands};
    c->train_encoder = false;
    return ZM_OK;
}

// init NULL: from scratch.
static zm_status choose_config(const zm_finetune_args *a, const zm_options *o,
                               const zm_model *init, zm_astromae_config *out)
{
    static const char *const names[] = {"encoder", "inception", "magnitudes"};
    const zm_model *whole = init && init->kind == ZM_MODEL_ASTROMAE ? init : NULL;
    zm_astromae_config c = {.vit = init ? *zm_model_vit(init)
                                        : zm_encoder_config(&a->encoder),
                            .train_encoder = init == NULL};
    if (whole)
        c = whole->astromae.config;
    if (zm_options_given(o, "train-encoder"))
        c.train_encoder = a->train_encoder;
    const uint32_t before = c.branches;
    if (!whole || zm_options_given(o, "branches"))
        ZM_TRY(zm_train_parse_list("branches", a->branches, names, ZM_COUNT_OF(names),
                                   &c.branches));
    if (!(c.branches & ZM_BRANCH_ENCODER))
        ZM_TRY(drop_encoder(o, &c));
    else if (whole && !(before & ZM_BRANCH_ENCODER))
        return ZM_FAIL(ZM_ERR_USAGE, "--branches %s: %s has no encoder", a->branches,
                       init->path);
    ZM_TRY(choose_head(a, o, whole, &c.head));
    *out = c;
    return zm_astromae_check(out) == ZM_OK
               ? ZM_OK
               : ZM_FAIL(ZM_ERR_USAGE, "%s", zm_error_detail());
}

// What the training objects say: of magnitudes (into pre) and of redshifts.
typedef struct labels {
    double z_mean, z_var;
} labels;

typedef struct moments {
    double sum, square;
} moments;

static void moments_add(moments *m, double x)
{
    m->sum += x;
    m->square += x * x;
}

static double moments_var(const moments *m, double n)
{
    const double mean = m->sum / n;
    return fmax(m->square / n - mean * mean, 0.0);
}

// Mean, spread and range of the training objects' magnitudes and redshifts.
static zm_status measure(zm_model *model, zm_dataset *ds, const zm_order *order,
                         bool standardise, labels *out)
{
    zm_preprocess *pre = &model->pre;
    zm_sampler sampler;
    moments mag[ZM_BANDS] = {{0}}, redshift = {0};
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
            moments_add(&mag[b], (double)mags[b]);
            pre->mag_min[b] = fminf(pre->mag_min[b], mags[b]);
            pre->mag_max[b] = fmaxf(pre->mag_max[b], mags[b]);
        }
        moments_add(&redshift, (double)z);
        pre->z_min = fminf(pre->z_min, z);
        pre->z_max = fmaxf(pre->z_max, z);
    }
    free(cutout);
    zm_sampler_finish(&sampler);
    ZM_TRY(st);
    for (int b = 0; b < ZM_BANDS && standardise; b++) {
        const double var = moments_var(&mag[b], n);
        pre->mag_mean[b] = (float)(mag[b].sum / n);
        pre->mag_std[b] = var > 1e-12 ? (float)sqrt(var) : 1.0f;
    }
    pre->mag_kind = ds->mag_kind;
    pre->recorded = true;
    *out = (labels){.z_mean = redshift.sum / n, .z_var = moments_var(&redshift, n)};
    return ZM_OK;
}

// The log variance starts at that of the training redshifts, some -5, and the mean at
// theirs: from 0 the steps of the first epochs would go into these two numbers alone, the
// slower as residuals of 0.1 weigh little against a variance of 1.
static void start_gauss(zm_model *model, const labels *l)
{
    const float bias[] = {(float)l->z_mean, (float)log(fmax(l->z_var, 1e-8))};
    zm_model_set_last_bias(model, bias);
}

// Says what the labels are like before hours go by.
static void report_labels(const zm_log *log, const zm_model *model, const zm_dataset *ds,
                          const zm_order *order)
{
    const zm_head *head = zm_model_head(model);
    const struct {
        const uint32_t *rows;
        uint32_t count;
    } parts[] = {{order->train, order->train_count}, {order->val, order->val_count}};
    uint32_t outside = 0;
    for (size_t p = 0; p < ZM_COUNT_OF(parts) && head->kind != ZM_HEAD_POINT; p++)
        for (uint32_t i = 0; i < parts[p].count; i++) {
            const double z = (double)ds->rows[parts[p].rows[i]].z;
            outside += z < head->z_min || z > head->z_max;
        }
    zm_log_write(log, ZM_LOG_INFO,
                 "%s: %u of %u objects have a redshift: %u to train on, %u to validate",
                 ds->path, (unsigned)(order->train_count + order->val_count),
                 (unsigned)ds->count, (unsigned)order->train_count,
                 (unsigned)order->val_count);
    if (outside > 0)
        zm_log_write(log, ZM_LOG_WARN,
                     "%s: %u redshifts lie outside of --z-range %g,%g; a pdf counts them "
                     "to its first or last bin",
                     ds->path, (unsigned)outside, head->z_min, head->z_max);
}

// Takes from the model of --init what the new one shares with it.
static zm_status inherit(zm_model *model, const zm_model *init, const zm_dataset *ds,
                         const zm_log *log)
{
    model->pre = init->pre;
    model->simulated = init->simulated;
    if (init->kind == ZM_MODEL_MAE)
        return model->astromae.config.branches & ZM_BRANCH_ENCODER
                   ? zm_model_copy_encoder(model, init)
                   : ZM_OK;
    const uint32_t left = zm_model_copy_shared(model, init);
    if (left > 0)
        zm_log_write(log, ZM_LOG_INFO,
                     "%s: another head or other branches: %u tensors, the last layer "
                     "among them, are drawn afresh",
                     init->path, (unsigned)left);
    if (init->pre.recorded && init->pre.mag_kind != ds->mag_kind)
        zm_log_write(log, ZM_LOG_WARN, "%s: trained on %s magnitudes, the data have %s",
                     init->path, zm_mag_kind_name(init->pre.mag_kind),
                     zm_mag_kind_name(ds->mag_kind));
    return ZM_OK;
}

static zm_status build(const zm_finetune_args *a, const zm_options *o,
                       const zm_model *init, zm_dataset *ds, const zm_order *order,
                       zm_model **out)
{
    const zm_log log = zm_cli_log(&o->common);
    const zm_model *whole = init && init->kind == ZM_MODEL_ASTROMAE ? init : NULL;
    zm_astromae_config config;
    labels l;
    ZM_TRY(choose_config(a, o, init, &config));
    ZM_TRY(zm_model_create_astromae(&config, o->common.seed, out));
    ZM_TRY(init ? inherit(*out, init, ds, &log)
                : zm_measure_stretch(*out, ds, order, a->encoder.stretch));
    const bool knows_mags =
        whole && whole->astromae.config.branches & ZM_BRANCH_MAGS; // keep their scale
    ZM_TRY(measure(*out, ds, order, (*out)->pre.recorded && !knows_mags, &l));
    if (config.head.kind == ZM_HEAD_GAUSS &&
        !(whole && zm_head_equal(&config.head, zm_model_head(whole))))
        start_gauss(*out, &l);
    report_labels(&log, *out, ds, order);
    return ZM_OK;
}

// An autoencoder for cutouts of the side that --image asks for.
static zm_status resize(const zm_finetune_args *a, const zm_options *o, zm_model **init)
{
    zm_model *resized = NULL;
    const uint32_t has = zm_model_vit(*init)->image, asked = a->encoder.vit.image;
    if ((*init)->kind != ZM_MODEL_MAE || !zm_options_given(o, "image") || asked == has)
        return ZM_OK;
    if (zm_model_resize_positions(*init, asked, &resized) != ZM_OK)
        return ZM_FAIL(ZM_ERR_USAGE, "--image %u: %s: %s", asked, (*init)->path,
                       zm_error_detail());
    const zm_log log = zm_cli_log(&o->common);
    zm_log_write(&log, ZM_LOG_INFO, "%s: positions interpolated from %u pixels to %u",
                 (*init)->path, has, asked);
    zm_model_destroy(init);
    *init = resized;
    return ZM_OK;
}

zm_status zm_finetune_model(const void *user, const zm_options *o, zm_dataset *ds,
                            const zm_order *order, zm_model **out)
{
    const zm_finetune_args *a = user;
    zm_model *init = NULL;
    if (!a->train.init == !a->from_scratch)
        return ZM_FAIL(ZM_ERR_USAGE, "expected either --init FILE or --from-scratch");
    if (a->from_scratch)
        return build(a, o, NULL, ds, order, out);
    const uint32_t heads = zm_options_given(o, "heads") ? a->encoder.vit.heads : 0;
    ZM_TRY(zm_model_load(a->train.init, heads, 0, &init));
    zm_status st = resize(a, o, &init);
    if (st == ZM_OK)
        st = zm_encoder_agrees(o, &a->encoder, init);
    const bool asinh = init->pre.stretch == ZM_STRETCH_ASINH;
    if (st == ZM_OK && zm_options_given(o, "stretch") &&
        asinh != (strcmp(a->encoder.stretch, "asinh") == 0))
        st = ZM_FAIL(ZM_ERR_USAGE, "--stretch %s contradicts --init: %s has %s",
                     a->encoder.stretch, init->path, asinh ? "asinh" : "none");
    if (st == ZM_OK)
        st = build(a, o, init, ds, order, out);
    zm_model_destroy(&init);
    return st;
}
