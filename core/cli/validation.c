#include "core/cli/validation.h"

#include <stdlib.h>

#include "core/train/calibrate.h"

zm_status zm_validation_init(zm_validation *v, zm_gpu *gpu, const zm_model *model,
                             zm_dataset *ds, const zm_order *order, uint32_t batch,
                             uint64_t seed)
{
    const zm_head *head = zm_model_head(model);
    *v = (zm_validation){.gpu = gpu,
                         .model = model,
                         .ds = ds,
                         .order = order,
                         .width = head ? zm_head_outputs(head) : 1};
    v->values = zm_calloc((uint64_t)order->val_count * v->width, sizeof *v->values);
    if (!v->values)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory to validate %u objects",
                       order->val_count);
    return zm_predictor_create(gpu, model, ds, ZM_MIN(batch, order->val_count), seed,
                               &v->predictor);
}

void zm_validation_finish(zm_validation *v)
{
    zm_predictor_destroy(&v->predictor);
    free(v->values);
    *v = (zm_validation){0};
}

// Of an autoencoder the predictor gives the loss itself.
static double object_loss(const zm_validation *v, uint32_t i)
{
    const zm_head *head = zm_model_head(v->model);
    const float *values = v->values + (size_t)i * v->width;
    const double z = (double)v->ds->rows[v->order->val[i]].z;
    return head ? zm_head_loss(head, values, z) : (double)values[0];
}

zm_status zm_validation_loss(zm_validation *v, double *loss)
{
    const uint32_t count = v->order->val_count;
    const uint32_t batch = zm_predictor_batch(v->predictor);
    for (uint32_t at = 0; at < count; at += batch) {
        ZM_TRY(zm_predictor_submit(v->predictor, v->order->val + at,
                                   ZM_MIN(batch, count - at)));
        ZM_TRY(zm_gpu_wait(v->gpu));
        ZM_TRY(
            zm_predictor_result(v->predictor, v->values + (size_t)at * v->width, NULL));
    }
    double sum = 0.0;
    for (uint32_t i = 0; i < count; i++)
        sum += object_loss(v, i);
    *loss = sum / count;
    return ZM_OK;
}

zm_status zm_validation_calibrate(const zm_validation *v, zm_calibration_kind kind,
                                  zm_calibration *out)
{
    const uint32_t count = v->order->val_count;
    float *z = zm_calloc(count, sizeof *z);
    if (!z)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for %u redshifts", count);
    for (uint32_t i = 0; i < count; i++)
        z[i] = v->ds->rows[v->order->val[i]].z;
    const zm_calibrate_sample sample = {
        .head = zm_model_head(v->model), .outputs = v->values, .z = z, .count = count};
    const zm_status st = zm_calibrate_fit(&sample, kind, out);
    free(z);
    return st;
}
