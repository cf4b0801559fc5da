#include "core/train/predictor.h"

#include <stdlib.h>
#include <string.h>

#include "core/ops/ops.h"

struct zm_predictor {
    zm_gpu *gpu;
    const zm_model *model;
    zm_dataset *ds;
    uint32_t batch, patches, pixels; // pixels: values of one patch
    uint32_t outputs;                // values of one object on the device
    uint64_t seed;
    zm_sampler sampler;
    zm_tape *tape;
    zm_tensor *raw, *objects, *step, *scale, *all, *noise, *mags, *out;
    zm_mae_out mae;
    float *host_raw, *host_mags, *host_noise, *host_out;
    uint32_t *host_objects, *host_flags;
    uint32_t n; // rows of the outstanding batch
    zm_ticket ticket;
};

static void record_model(zm_predictor *p, zm_tensor *image)
{
    const zm_params *ps = &p->model->params;
    zm_tape *tape = p->tape;
    if (p->model->kind == ZM_MODEL_ASTROMAE) {
        const uint32_t dims[] = {p->batch, ZM_BANDS};
        p->mags = zm_tape_input(tape, zm_tape_real(tape), 2, dims);
        p->out = zm_astromae_forward(tape, ps, &p->model->astromae, image, p->mags,
                                     p->all, false);
    } else {
        const uint32_t dims[] = {p->batch, p->patches};
        zm_tensor *noise = NULL;
        if (p->ds->has_mask_noise)
            noise = p->noise = zm_tape_input(tape, zm_tape_real(tape), 2, dims);
        else
            noise = zm_mask_noise(tape, p->objects, p->step, p->patches, p->seed);
        p->mae =
            zm_mae_forward(tape, ps, &p->model->mae, image, noise, p->all, false, 1.0f);
        p->out = p->mae.errors;
    }
    zm_tape_keep(tape, p->out);
}

static zm_status record(zm_predictor *p)
{
    const uint32_t size = p->sampler.size;
    ZM_TRY(zm_tape_create(p->gpu, false, &p->tape));
    zm_tape *tape = p->tape;
    const zm_dtype real = zm_tape_real(tape);
    p->raw = zm_tape_input(tape, real, 4, (uint32_t[]){p->batch, size, size, ZM_BANDS});
    p->objects = zm_tape_input(tape, ZM_U32, 1, (uint32_t[]){p->batch});
    p->step = zm_tape_input(tape, ZM_U32, 1, (uint32_t[]){1});
    p->scale = zm_tape_input(tape, real, 1, (uint32_t[]){ZM_BANDS});
    p->all = zm_tape_input(tape, ZM_U32, 2, (uint32_t[]){p->batch, p->patches});
    const zm_augment_args args = {.out_size = size, .stretch = p->model->pre.stretch};
    record_model(p, zm_augment(tape, p->raw, p->objects, p->step, p->scale, &args));
    return zm_tape_compile(tape);
}

static zm_status allocate_host(zm_predictor *p)
{
    const uint64_t b = p->batch, size = p->sampler.size;
    p->host_raw = zm_calloc(b * size * size * ZM_BANDS, sizeof *p->host_raw);
    p->host_mags = zm_calloc(b * ZM_BANDS, sizeof *p->host_mags);
    p->host_noise = zm_calloc(b * p->patches, sizeof *p->host_noise);
    p->host_out = zm_calloc(b * p->outputs, sizeof *p->host_out);
    p->host_objects = zm_calloc(b, sizeof *p->host_objects);
    p->host_flags = zm_calloc(b, sizeof *p->host_flags);
    if (!p->host_raw || !p->host_mags || !p->host_noise || !p->host_out ||
        !p->host_objects || !p->host_flags)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for a batch of %u cutouts", p->batch);
    return ZM_OK;
}

// Patch numbers, pixel scale and the step that stands for "no training step".
static zm_status upload_constants(zm_predictor *p)
{
    const uint32_t step = 0;
    ZM_TRY(zm_vit_upload_all(p->gpu, p->tape, p->all));
    ZM_TRY(zm_gpu_upload(p->gpu, zm_tape_slice(p->tape, p->step), &step));
    return zm_gpu_upload(p->gpu, zm_tape_slice(p->tape, p->scale), p->model->pre.scale);
}

zm_status zm_predictor_create(zm_gpu *gpu, const zm_model *model, zm_dataset *ds,
                              uint32_t batch, uint64_t seed, zm_predictor **out)
{
    const zm_vit_config *vit = zm_model_vit(model);
    zm_predictor *p = zm_calloc(1, sizeof *p);
    if (!p)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for a predictor");
    *p = (zm_predictor){
        .gpu = gpu, .model = model, .ds = ds, .batch = batch, .seed = seed};
    p->patches = zm_vit_patches(vit);
    p->pixels = vit->patch * vit->patch * vit->bands;
    p->outputs =
        model->kind == ZM_MODEL_MAE ? p->patches : zm_head_outputs(zm_model_head(model));
    zm_status st = ZM_OK;
    if (ds->has_mask_noise && model->kind == ZM_MODEL_MAE &&
        ds->mask_patches != p->patches)
        st = ZM_FAIL(ZM_ERR_SHAPE, "%s: mask_noise for %u patches, the model has %u",
                     ds->path, ds->mask_patches, p->patches);
    if (st == ZM_OK)
        st = zm_sampler_init(&p->sampler, ds, vit->image);
    while (st == ZM_OK && (st = record(p)) == ZM_ERR_MEMORY && p->batch > 1) {
        zm_tape_destroy(&p->tape);
        p->batch /= 2;
        st = ZM_OK;
    }
    if (st == ZM_OK)
        st = allocate_host(p);
    if (st == ZM_OK)
        st = upload_constants(p);
    if (st != ZM_OK)
        zm_predictor_destroy(&p);
    *out = p;
    return st;
}

void zm_predictor_destroy(zm_predictor **handle)
{
    zm_predictor *p = *handle;
    if (!p)
        return;
    zm_tape_destroy(&p->tape);
    zm_sampler_finish(&p->sampler);
    free(p->host_raw);
    free(p->host_mags);
    free(p->host_noise);
    free(p->host_out);
    free(p->host_objects);
    free(p->host_flags);
    free(p);
    *handle = NULL;
}

uint32_t zm_predictor_batch(const zm_predictor *p)
{
    return p->batch;
}

uint64_t zm_predictor_memory(const zm_predictor *p)
{
    return zm_tape_memory(p->tape);
}

// Outside the range of the training set a redshift is an extrapolation.
static uint32_t range_flag(const zm_preprocess *pre, const float mags[ZM_BANDS])
{
    for (int b = 0; b < ZM_BANDS; b++)
        if (pre->mag_min[b] <= pre->mag_max[b] &&
            (mags[b] < pre->mag_min[b] || mags[b] > pre->mag_max[b]))
            return ZM_FLAG_OUTSIDE_TRAINING;
    return 0;
}

static zm_status load(zm_predictor *p, uint32_t i, uint32_t row)
{
    const zm_preprocess *pre = &p->model->pre;
    const size_t pixels = (size_t)p->sampler.size * p->sampler.size * ZM_BANDS;
    float *mags = p->mags ? p->host_mags + (size_t)i * ZM_BANDS : NULL;
    p->host_objects[i] = row;
    ZM_TRY(zm_sampler_read(&p->sampler, row, p->host_raw + i * pixels, mags,
                           &p->host_flags[i]));
    if (mags)
        p->host_flags[i] |= range_flag(pre, mags);
    for (int b = 0; mags && b < ZM_BANDS; b++)
        mags[b] = (mags[b] - pre->mag_mean[b]) / pre->mag_std[b];
    if (p->noise)
        ZM_TRY(zm_dataset_mask_noise(p->ds, row, p->host_noise + (size_t)i * p->patches));
    return ZM_OK;
}

void zm_predictor_turn(zm_predictor *p, uint32_t symmetry)
{
    p->sampler.symmetry = symmetry;
}

zm_status zm_predictor_submit(zm_predictor *p, const uint32_t *rows, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        ZM_TRY(load(p, i, rows[i]));
    const struct {
        zm_tensor *to;
        const void *from;
    } uploads[] = {{p->raw, p->host_raw},
                   {p->objects, p->host_objects},
                   {p->mags, p->host_mags},
                   {p->noise, p->host_noise}};
    for (size_t i = 0; i < ZM_COUNT_OF(uploads); i++)
        if (uploads[i].to)
            ZM_TRY(zm_gpu_upload(p->gpu, zm_tape_slice(p->tape, uploads[i].to),
                                 uploads[i].from));
    ZM_TRY(zm_tape_replay(p->tape));
    p->n = n;
    return zm_gpu_read(p->gpu, zm_tape_slice(p->tape, p->out), &p->ticket);
}

zm_status zm_predictor_result(zm_predictor *p, float *values, uint32_t *flags)
{
    ZM_TRY(zm_gpu_ready(p->gpu, p->ticket, p->host_out));
    if (flags)
        memcpy(flags, p->host_flags, p->n * sizeof *flags);
    if (p->model->kind == ZM_MODEL_ASTROMAE) {
        memcpy(values, p->host_out, (size_t)p->n * p->outputs * sizeof *values);
        return ZM_OK;
    }
    const uint32_t hidden = p->patches - zm_mae_visible(&p->model->mae.config);
    for (uint32_t i = 0; i < p->n; i++) {
        double sum = 0.0;
        for (uint32_t j = 0; j < p->patches; j++)
            sum += (double)p->host_out[(size_t)i * p->patches + j];
        values[i] = (float)(sum / hidden);
    }
    return ZM_OK;
}

zm_status zm_predictor_paint(zm_predictor *p, float *pred, float *target, float *hidden)
{
    if (p->model->kind != ZM_MODEL_MAE)
        return ZM_FAIL(ZM_ERR_USAGE, "only a masked autoencoder paints");
    const uint64_t each = (uint64_t)p->n * p->patches * sizeof(float);
    const struct {
        zm_tensor *from;
        float *to;
        uint64_t bytes;
    } parts[] = {{p->mae.pred, pred, each * p->pixels},
                 {p->mae.target, target, each * p->pixels},
                 {p->mae.mask.hidden, hidden, each}};
    for (size_t i = 0; i < ZM_COUNT_OF(parts); i++) {
        zm_slice slice = zm_tape_slice(p->tape, parts[i].from);
        slice.size = parts[i].bytes;
        if (parts[i].to)
            ZM_TRY(zm_gpu_fetch(p->gpu, slice, parts[i].to));
    }
    return ZM_OK;
}
