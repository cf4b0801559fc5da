#include "core/train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/ops/ops.h"
#include "core/train/optimizer.h"

enum { MAX_ACCUMULATE = 4096 };

typedef struct pending {
    zm_step_result result;
    zm_ticket *losses; // (accumulate)
    uint32_t fetched;  // losses already added up
    zm_ticket norm;
} pending;

struct zm_trainer {
    zm_gpu *gpu;
    zm_model *model;
    zm_dataset *ds;
    zm_order *order;
    zm_train_config config;
    zm_log log;
    uint32_t micro, accumulate;
    uint64_t step;
    zm_sampler sampler;
    zm_tape *grad;
    zm_optimizer optimizer;
    struct {
        zm_tensor *raw, *objects, *step, *scale, *all, *noise, *mags, *z, *bin, *ones;
    } in;
    zm_tensor *loss;
    float *raw, *mags, *z, *noise; // host side of one micro-batch
    uint32_t *objects, *bin;
    pending queue[ZM_STEPS_IN_FLIGHT];
    uint32_t queue_first, queue_count;
};

// Side of the square that goes to the device: what rotation by any angle can reach.
static uint32_t input_size(const zm_trainer *t)
{
    const uint32_t crop = zm_model_vit(t->model)->image;
    const uint32_t side = ZM_MIN(t->ds->height, t->ds->width);
    if (!(t->config.augment & ZM_AUG_ANGLE) || side <= crop)
        return crop;
    uint32_t reach = (uint32_t)ceil(crop * 1.41421356) + 2;
    reach += (reach ^ crop) & 1; // an even difference keeps the centre
    if (reach <= side)
        return reach;
    return side - ((side ^ crop) & 1);
}

static void record_inputs(zm_trainer *t)
{
    zm_tape *tape = t->grad;
    const uint32_t b = t->micro, size = t->sampler.size;
    const uint32_t patches = zm_vit_patches(zm_model_vit(t->model));
    const zm_dtype real = zm_tape_real(tape);
    t->in.raw = zm_tape_input(tape, real, 4, (uint32_t[]){b, size, size, ZM_BANDS});
    t->in.objects = zm_tape_input(tape, ZM_U32, 1, (uint32_t[]){b});
    t->in.step = zm_tape_input(tape, ZM_U32, 1, (uint32_t[]){1});
    t->in.scale = zm_tape_input(tape, real, 1, (uint32_t[]){ZM_BANDS});
    t->in.all = zm_tape_input(tape, ZM_U32, 2, (uint32_t[]){b, patches});
    if (t->model->kind == ZM_MODEL_MAE && t->ds->has_mask_noise)
        t->in.noise = zm_tape_input(tape, real, 2, (uint32_t[]){b, patches});
    if (t->model->kind == ZM_MODEL_ASTROMAE) {
        t->in.mags = zm_tape_input(tape, real, 2, (uint32_t[]){b, ZM_BANDS});
        if (zm_model_head(t->model)->kind == ZM_HEAD_PDF)
            t->in.bin = zm_tape_input(tape, ZM_U32, 1, (uint32_t[]){b});
        else
            t->in.z = zm_tape_input(tape, real, 2, (uint32_t[]){b, 1});
        t->in.ones = zm_tape_input(tape, real, 1, (uint32_t[]){b});
    }
}

// Mean loss of a micro-batch, by what the head means.
static zm_tensor *redshift_loss(zm_trainer *t, zm_tensor *out, float share)
{
    const float mean = 1.0f / (float)t->micro;
    switch (zm_model_head(t->model)->kind) {
    case ZM_HEAD_PDF:
        return zm_cross_entropy(t->grad, out, t->in.bin, t->in.ones, mean, share, NULL);
    case ZM_HEAD_GAUSS:
        return zm_gauss_nll(t->grad, out, t->in.z, t->in.ones, mean, share, NULL);
    case ZM_HEAD_POINT:
        break;
    }
    return zm_squared_error(t->grad, out, t->in.z, t->in.ones, mean, share, NULL);
}

static zm_status record_grad(zm_trainer *t)
{
    ZM_TRY(zm_tape_create(t->gpu, true, &t->grad));
    zm_tape *tape = t->grad;
    record_inputs(t);
    const zm_augment_args args = {.out_size = zm_model_vit(t->model)->image,
                                  .flags = t->config.augment,
                                  .stretch = t->model->pre.stretch,
                                  .seed = t->config.seed,
                                  .noise = t->config.noise};
    zm_tensor *image =
        zm_augment(tape, t->in.raw, t->in.objects, t->in.step, t->in.scale, &args);
    const zm_params *ps = &t->model->params;
    const float share = 1.0f / (float)t->accumulate;
    if (t->model->kind == ZM_MODEL_MAE) {
        zm_tensor *noise = t->in.noise;
        if (!noise)
            noise = zm_mask_noise(tape, t->in.objects, t->in.step, t->in.all->dim[1],
                                  t->config.seed);
        t->loss =
            zm_mae_forward(tape, ps, &t->model->mae, image, noise, t->in.all, true, share)
                .loss;
    } else {
        zm_tensor *out = zm_astromae_forward(tape, ps, &t->model->astromae, image,
                                             t->in.mags, t->in.all, true);
        t->loss = redshift_loss(t, out, share);
    }
    zm_tape_backward(tape);
    return zm_tape_compile(tape);
}

// Uploads what never changes: patch numbers, pixel scale, weights of one.
static zm_status upload_constants(zm_trainer *t)
{
    ZM_TRY(zm_vit_upload_all(t->gpu, t->grad, t->in.all));
    ZM_TRY(
        zm_gpu_upload(t->gpu, zm_tape_slice(t->grad, t->in.scale), t->model->pre.scale));
    if (!t->in.ones)
        return ZM_OK;
    for (uint32_t i = 0; i < t->micro; i++)
        t->z[i] = 1.0f;
    return zm_gpu_upload(t->gpu, zm_tape_slice(t->grad, t->in.ones), t->z);
}

static zm_status allocate_host(zm_trainer *t)
{
    const uint64_t b = t->micro, size = t->sampler.size;
    const uint32_t patches = zm_vit_patches(zm_model_vit(t->model));
    free(t->raw);
    free(t->mags);
    free(t->z);
    free(t->noise);
    free(t->objects);
    free(t->bin);
    t->raw = zm_calloc(b * size * size * ZM_BANDS, sizeof *t->raw);
    t->mags = zm_calloc(b * ZM_BANDS, sizeof *t->mags);
    t->z = zm_calloc(b, sizeof *t->z);
    t->noise = zm_calloc(b * patches, sizeof *t->noise);
    t->objects = zm_calloc(b, sizeof *t->objects);
    t->bin = zm_calloc(b, sizeof *t->bin);
    if (!t->raw || !t->mags || !t->z || !t->noise || !t->objects || !t->bin)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for a batch of %u cutouts", t->micro);
    return ZM_OK;
}

// Compiles the grad program with the largest micro-batch that the device takes.
static zm_status prepare(zm_trainer *t)
{
    t->micro = t->config.micro_batch ? t->config.micro_batch : t->config.batch;
    for (;;) {
        if (t->config.batch % t->micro != 0 ||
            t->config.batch / t->micro > MAX_ACCUMULATE)
            return ZM_FAIL(ZM_ERR_USAGE, "micro-batch %u does not divide batch %u",
                           t->micro, t->config.batch);
        t->accumulate = t->config.batch / t->micro;
        ZM_TRY(allocate_host(t));
        const zm_status st = record_grad(t);
        if (st != ZM_ERR_MEMORY || t->config.micro_batch || t->micro % 2 != 0)
            return st;
        zm_log_write(&t->log, ZM_LOG_WARN, "micro-batch of %u: %s; trying %u", t->micro,
                     zm_error_detail(), t->micro / 2);
        zm_tape_destroy(&t->grad);
        t->micro /= 2;
    }
}

zm_status zm_trainer_create(zm_gpu *gpu, zm_model *model, zm_dataset *ds, zm_order *order,
                            const zm_train_config *config, const zm_log *log,
                            zm_trainer **out)
{
    zm_trainer *t = zm_calloc(1, sizeof *t);
    if (!t)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for a trainer");
    *t = (zm_trainer){
        .gpu = gpu, .model = model, .ds = ds, .order = order, .config = *config};
    if (log)
        t->log = *log;
    zm_status st = ZM_OK;
    const uint32_t patches = zm_vit_patches(zm_model_vit(model));
    if (zm_gpu_caps(gpu)->real != ZM_F32)
        st = ZM_FAIL(ZM_ERR_USAGE, "training runs in f32");
    if (st == ZM_OK && ds->has_mask_noise && model->kind == ZM_MODEL_MAE &&
        ds->mask_patches != patches)
        st = ZM_FAIL(ZM_ERR_SHAPE, "%s: mask_noise for %u patches, the model has %u",
                     ds->path, ds->mask_patches, patches);
    if (st == ZM_OK)
        st = zm_sampler_init(&t->sampler, ds, input_size(t));
    if (st == ZM_OK)
        st = zm_params_allocate(&model->params, gpu, true);
    if (st == ZM_OK)
        st = zm_params_upload(&model->params, model->host);
    if (st == ZM_OK) // before the step, which takes what memory is left
        st = zm_optimizer_init(&t->optimizer, gpu, &model->params);
    if (st == ZM_OK)
        st = prepare(t);
    if (st == ZM_OK)
        st = upload_constants(t);
    for (uint32_t i = 0; i < ZM_STEPS_IN_FLIGHT && st == ZM_OK; i++) {
        t->queue[i].losses = zm_calloc(t->accumulate, sizeof(zm_ticket));
        if (!t->queue[i].losses)
            st = ZM_FAIL(ZM_ERR_MEMORY, "no memory for a trainer");
    }
    if (st != ZM_OK)
        zm_trainer_destroy(&t);
    *out = t;
    return st;
}

void zm_trainer_destroy(zm_trainer **handle)
{
    zm_trainer *t = *handle;
    if (!t)
        return;
    zm_tape_destroy(&t->grad);
    zm_optimizer_finish(&t->optimizer);
    zm_sampler_finish(&t->sampler);
    for (uint32_t i = 0; i < ZM_STEPS_IN_FLIGHT; i++)
        free(t->queue[i].losses);
    free(t->raw);
    free(t->mags);
    free(t->z);
    free(t->noise);
    free(t->objects);
    free(t->bin);
    free(t);
    *handle = NULL;
}

zm_train_memory zm_trainer_memory(const zm_trainer *t)
{
    const zm_params *ps = &t->model->params;
    return (zm_train_memory){
        .parameters = (4 * ps->weights + ps->statistics) * sizeof(float),
        .step = zm_tape_memory(t->grad) + zm_tape_memory(t->optimizer.tape),
        .micro_batch = t->micro,
        .dispatches = (uint32_t)(zm_tape_dispatches(t->grad) * t->accumulate +
                                 zm_tape_dispatches(t->optimizer.tape))};
}

uint64_t zm_trainer_steps(const zm_trainer *t)
{
    return t->step;
}

uint32_t zm_trainer_pending(const zm_trainer *t)
{
    return t->queue_count;
}

static zm_status load_object(zm_trainer *t, uint32_t i, uint32_t row)
{
    const zm_preprocess *pre = &t->model->pre;
    const uint32_t patches = t->in.all->dim[1];
    const size_t pixels = (size_t)t->sampler.size * t->sampler.size * ZM_BANDS;
    float *mags = t->in.mags ? t->mags + (size_t)i * ZM_BANDS : NULL;
    t->objects[i] = row;
    ZM_TRY(zm_sampler_read(&t->sampler, row, t->raw + i * pixels, mags, NULL));
    for (int b = 0; mags && b < ZM_BANDS; b++)
        mags[b] = (mags[b] - pre->mag_mean[b]) / pre->mag_std[b];
    t->z[i] = t->ds->rows[row].z;
    if (t->in.bin)
        t->bin[i] = zm_head_bin(zm_model_head(t->model), (double)t->z[i]);
    if (t->in.noise)
        ZM_TRY(zm_dataset_mask_noise(t->ds, row, t->noise + (size_t)i * patches));
    return ZM_OK;
}

// Loads and uploads the k-th micro-batch of the present step.
static zm_status feed(zm_trainer *t, uint32_t k)
{
    const uint64_t first = t->step * t->config.batch + (uint64_t)k * t->micro;
    const uint32_t step = (uint32_t)t->step;
    for (uint32_t i = 0; i < t->micro; i++)
        ZM_TRY(load_object(t, i, zm_order_at(t->order, first + i)));
    const struct {
        zm_tensor *to;
        const void *from;
    } uploads[] = {{t->in.raw, t->raw},     {t->in.objects, t->objects},
                   {t->in.step, &step},     {t->in.mags, t->mags},
                   {t->in.noise, t->noise}, {t->in.z, t->z},
                   {t->in.bin, t->bin}};
    for (size_t i = 0; i < ZM_COUNT_OF(uploads); i++)
        if (uploads[i].to)
            ZM_TRY(zm_gpu_upload(t->gpu, zm_tape_slice(t->grad, uploads[i].to),
                                 uploads[i].from));
    return ZM_OK;
}

zm_status zm_trainer_step(zm_trainer *t)
{
    if (t->queue_count == ZM_STEPS_IN_FLIGHT)
        return ZM_FAIL(ZM_ERR_USAGE, "fetch results before the next step");
    pending *p = &t->queue[(t->queue_first + t->queue_count) % ZM_STEPS_IN_FLIGHT];
    p->result = (zm_step_result){.step = t->step,
                                 .lr = zm_schedule_lr(&t->config.schedule, t->step)};
    p->fetched = 0;
    for (uint32_t k = 0; k < t->accumulate; k++) {
        ZM_TRY(feed(t, k));
        ZM_TRY(zm_tape_replay(t->grad));
        ZM_TRY(zm_gpu_read(t->gpu, zm_tape_slice(t->grad, t->loss), &p->losses[k]));
    }
    const zm_optimizer_step update = {.lr = p->result.lr,
                                      .beta1 = t->config.beta1,
                                      .beta2 = t->config.beta2,
                                      .eps = t->config.eps,
                                      .weight_decay = t->config.weight_decay,
                                      .clip = t->config.clip,
                                      .number = t->step + 1};
    ZM_TRY(zm_optimizer_update(&t->optimizer, &update, &p->norm));
    t->queue_count++;
    t->step++;
    return ZM_OK;
}

zm_status zm_trainer_result(zm_trainer *t, zm_step_result *out)
{
    if (t->queue_count == 0)
        return ZM_FAIL(ZM_ERR_USAGE, "no step is outstanding");
    pending *p = &t->queue[t->queue_first];
    float value;
    for (; p->fetched < t->accumulate; p->fetched++) {
        ZM_TRY(zm_gpu_ready(t->gpu, p->losses[p->fetched], &value));
        p->result.loss += (double)value / t->accumulate;
    }
    ZM_TRY(zm_gpu_ready(t->gpu, p->norm, &value));
    p->result.grad_norm = sqrt((double)value);
    t->queue_first = (t->queue_first + 1) % ZM_STEPS_IN_FLIGHT;
    t->queue_count--;
    *out = p->result;
    if (!isfinite(out->loss) || !isfinite(out->grad_norm))
        return ZM_FAIL(
            ZM_ERR_FORMAT,
            "%s: step %llu: the loss is not finite: lower the learning rate or "
            "check the pixel scale",
            t->ds->path, (unsigned long long)out->step);
    return ZM_OK;
}

zm_status zm_trainer_save(zm_trainer *t, float *m, float *v)
{
    ZM_TRY(zm_params_download(&t->model->params, t->model->host));
    return zm_optimizer_download(&t->optimizer, m, v);
}

zm_status zm_trainer_restore(zm_trainer *t, uint64_t step, const float *m, const float *v)
{
    ZM_TRY(zm_params_upload(&t->model->params, t->model->host));
    ZM_TRY(zm_optimizer_upload(&t->optimizer, m, v));
    t->step = step;
    return ZM_OK;
}
