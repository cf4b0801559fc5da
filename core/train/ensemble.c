#include "core/train/ensemble.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct member {
    zm_model *model;
    zm_predictor *predictor;
} member;

struct zm_ensemble {
    zm_gpu *gpu;
    member *members;
    uint32_t count, views, batch;
    zm_z_grid grid;               // bins 0: regression
    float *outputs;               // (batch, outputs of the widest head)
    double *p, *on_grid, *pooled; // (ZM_HEAD_MAX_BINS), (bins), (batch, width)
    uint32_t *rows, *flags;       // (batch)
};

static const char *name_of(const zm_model *model)
{
    return model->path ? model->path : "model";
}

static zm_status check_models(zm_model *const *models, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const zm_head *head = zm_model_head(models[i]);
        if (!head)
            return ZM_FAIL(
                ZM_ERR_SHAPE,
                "%s: is a masked autoencoder, expected a fine-tuned redshift model",
                name_of(models[i]));
        const zm_head *first = zm_model_head(models[0]);
        if ((head->kind == ZM_HEAD_POINT) != (first->kind == ZM_HEAD_POINT))
            return ZM_FAIL(ZM_ERR_SHAPE,
                           "%s: has a %s head, %s a %s head: distributions and single "
                           "redshifts cannot be averaged",
                           name_of(models[i]), zm_head_kind_name(head->kind),
                           name_of(models[0]), zm_head_kind_name(first->kind));
    }
    return ZM_OK;
}

static zm_status add_member(zm_ensemble *e, zm_model *model, zm_dataset *ds)
{
    member *m = &e->members[e->count++];
    m->model = model;
    ZM_TRY(zm_params_allocate(&model->params, e->gpu, false));
    ZM_TRY(zm_params_upload(&model->params, model->host));
    ZM_TRY(zm_predictor_create(e->gpu, model, ds, e->batch, 0, &m->predictor));
    e->batch = ZM_MIN(e->batch, zm_predictor_batch(m->predictor));
    return ZM_OK;
}

static zm_status allocate_host(zm_ensemble *e)
{
    uint32_t widest = 1;
    for (uint32_t i = 0; i < e->count; i++)
        widest = ZM_MAX(widest, zm_head_outputs(zm_model_head(e->members[i].model)));
    for (uint32_t i = 0; i < e->count; i++) // a predictor may be larger than the batch
        e->batch = ZM_MIN(e->batch, zm_predictor_batch(e->members[i].predictor));
    const uint32_t width = zm_ensemble_width(e);
    e->outputs = zm_calloc((uint64_t)e->batch * widest, sizeof *e->outputs);
    e->p = zm_calloc(ZM_HEAD_MAX_BINS, sizeof *e->p);
    e->on_grid = zm_calloc(width, sizeof *e->on_grid);
    e->pooled = zm_calloc((uint64_t)e->batch * width, sizeof *e->pooled);
    e->rows = zm_calloc(e->batch, sizeof *e->rows);
    e->flags = zm_calloc(e->batch, sizeof *e->flags);
    if (!e->outputs || !e->p || !e->on_grid || !e->pooled || !e->rows || !e->flags)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for %u distributions", e->batch);
    return ZM_OK;
}

zm_status zm_ensemble_create(zm_gpu *gpu, zm_model *const *models, uint32_t count,
                             zm_dataset *ds, const zm_ensemble_options *options,
                             zm_ensemble **out)
{
    ZM_TRY(check_models(models, count));
    zm_ensemble *e = zm_calloc(1, sizeof *e);
    if (!e || !(e->members = zm_calloc(count, sizeof *e->members))) {
        free(e);
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for %u models", count);
    }
    const zm_head *head = zm_model_head(models[0]);
    e->gpu = gpu;
    e->batch = options->batch;
    e->views = options->all_symmetries ? ZM_SYMMETRIES : 1;
    if (head->kind != ZM_HEAD_POINT)
        e->grid = zm_z_grid_of(head);
    zm_status st = ZM_OK;
    for (uint32_t i = 0; i < count && st == ZM_OK; i++)
        st = zm_error_context(add_member(e, models[i], ds), "%s", name_of(models[i]));
    if (st == ZM_OK)
        st = allocate_host(e);
    if (st != ZM_OK)
        zm_ensemble_destroy(&e);
    *out = e;
    return st;
}

void zm_ensemble_destroy(zm_ensemble **handle)
{
    zm_ensemble *e = *handle;
    if (!e)
        return;
    for (uint32_t i = 0; i < e->count; i++) {
        zm_predictor_destroy(&e->members[i].predictor);
        zm_params_finish_device(&e->members[i].model->params);
    }
    free(e->members);
    free(e->outputs);
    free(e->p);
    free(e->on_grid);
    free(e->pooled);
    free(e->rows);
    free(e->flags);
    free(e);
    *handle = NULL;
}

uint32_t zm_ensemble_batch(const zm_ensemble *e)
{
    return e->batch;
}

uint64_t zm_ensemble_memory(const zm_ensemble *e)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < e->count; i++)
        sum += zm_predictor_memory(e->members[i].predictor);
    return sum;
}

const zm_z_grid *zm_ensemble_grid(const zm_ensemble *e)
{
    return e->grid.bins > 0 ? &e->grid : NULL;
}

uint32_t zm_ensemble_width(const zm_ensemble *e)
{
    return e->grid.bins > 0 ? e->grid.bins : 1;
}

// Adds what one view says of one object, with its share of the average.
static void add_view(zm_ensemble *e, const zm_model *model, const float *out,
                     double *pooled)
{
    const zm_head *head = zm_model_head(model);
    const double share = 1.0 / ((double)e->count * e->views);
    if (head->kind == ZM_HEAD_POINT) {
        pooled[0] += share * (double)out[0];
        return;
    }
    const zm_z_grid own = zm_z_grid_of(head);
    zm_pdf_calibrate(&model->calibration, head, out, e->p);
    const bool same = zm_z_grid_equal(&own, &e->grid);
    if (!same)
        zm_pdf_regrid(&own, e->p, &e->grid, e->on_grid);
    zm_pdf_add(e->grid.bins, share, same ? e->p : e->on_grid, pooled);
}

// One look of one model at the rows in e->rows.
static zm_status look(zm_ensemble *e, const member *m, uint32_t view, uint32_t n,
                      uint32_t *flags)
{
    const size_t outputs = zm_head_outputs(zm_model_head(m->model));
    const size_t width = zm_ensemble_width(e);
    zm_predictor_turn(m->predictor, view);
    ZM_TRY(zm_predictor_submit(m->predictor, e->rows, n));
    ZM_TRY(zm_gpu_wait(e->gpu));
    ZM_TRY(zm_predictor_result(m->predictor, e->outputs, e->flags));
    for (uint32_t i = 0; i < n; i++) {
        add_view(e, m->model, e->outputs + i * outputs, e->pooled + i * width);
        flags[i] |= e->flags[i];
    }
    return ZM_OK;
}

zm_status zm_ensemble_predict(zm_ensemble *e, uint32_t first, uint32_t n, double *values,
                              uint32_t *flags)
{
    const size_t width = zm_ensemble_width(e);
    for (uint32_t i = 0; i < n; i++)
        e->rows[i] = first + i;
    memset(e->pooled, 0, n * width * sizeof *e->pooled);
    memset(flags, 0, n * sizeof *flags);
    for (uint32_t i = 0; i < e->count; i++)
        for (uint32_t view = 0; view < e->views; view++)
            ZM_TRY(look(e, &e->members[i], view, n, flags));
    for (uint32_t i = 0; i < n; i++) {
        const bool blind = flags[i] & (ZM_FLAG_NO_IMAGE | ZM_FLAG_BAD_ROW);
        for (size_t k = 0; k < width; k++)
            values[i * width + k] = blind ? NAN : e->pooled[i * width + k];
    }
    return ZM_OK;
}
