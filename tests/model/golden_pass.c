// One pass of a golden case on a device, and the comparison with the file.
#include <math.h>
#include <stdlib.h>

#include "tests/model/golden.h"

#define MUST(expr) cr_assert_eq((expr), ZM_OK, "%s", zm_error_detail())

// values as reals of the device
static void put(zm_gpu *gpu, const zm_tape *tape, const zm_tensor *t, const float *values)
{
    const uint64_t count = zm_tensor_count(t);
    if (t->dtype == ZM_F32) {
        MUST(zm_gpu_upload(gpu, zm_tape_slice(tape, t), values));
        return;
    }
    double *wide = zm_calloc(count, sizeof *wide);
    cr_assert(wide);
    for (uint64_t i = 0; i < count; i++)
        wide[i] = (double)values[i];
    MUST(zm_gpu_upload(gpu, zm_tape_slice(tape, t), wide));
    free(wide);
}

double *zm_golden_fetch(zm_gpu *gpu, zm_slice slice, uint64_t count)
{
    double *wide = zm_calloc(count, sizeof *wide);
    float *narrow = zm_calloc(count, sizeof *narrow);
    cr_assert(wide && narrow);
    if (zm_gpu_caps(gpu)->real == ZM_F64) {
        MUST(zm_gpu_fetch(gpu, slice, wide));
    } else {
        MUST(zm_gpu_fetch(gpu, slice, narrow));
        for (uint64_t i = 0; i < count; i++)
            wide[i] = (double)narrow[i];
    }
    free(narrow);
    return wide;
}

static void put_images(const zm_golden *g, zm_gpu *gpu, const zm_tape *tape,
                       const zm_tensor *t)
{
    const size_t pixels = (size_t)t->dim[1] * t->dim[2];
    float *last = zm_calloc(zm_tensor_count(t), sizeof *last);
    cr_assert(last);
    for (size_t i = 0; i < t->dim[0]; i++)
        for (size_t p = 0; p < pixels; p++)
            for (size_t b = 0; b < ZM_BANDS; b++)
                last[(i * pixels + p) * ZM_BANDS + b] =
                    g->images[(i * ZM_BANDS + b) * pixels + p];
    put(gpu, tape, t, last);
    free(last);
}

static void put_patch_numbers(zm_gpu *gpu, const zm_tape *tape, const zm_tensor *t)
{
    const uint64_t count = zm_tensor_count(t);
    uint32_t *all = zm_calloc(count, sizeof *all);
    cr_assert(all);
    for (uint64_t i = 0; i < count; i++)
        all[i] = (uint32_t)(i % t->dim[1]);
    MUST(zm_gpu_upload(gpu, zm_tape_slice(tape, t), all));
    free(all);
}

// Inputs of the loss: redshifts or their bins, weights of one.
typedef struct labels {
    zm_tensor *z, *bin, *ones;
} labels;

static zm_tensor *record_loss(const zm_golden *g, zm_tape *tape, uint32_t rows,
                              zm_tensor *outputs, labels *l)
{
    const zm_head_kind kind = zm_model_head(g->model)->kind;
    const float mean = 1.0f / (float)rows;
    const uint32_t dims[] = {rows};
    l->ones = zm_tape_input(tape, zm_tape_real(tape), 1, dims);
    if (kind == ZM_HEAD_PDF) {
        l->bin = zm_tape_input(tape, ZM_U32, 1, dims);
        return zm_cross_entropy(tape, outputs, l->bin, l->ones, mean, 1.0f, NULL);
    }
    l->z = zm_tape_input(tape, zm_tape_real(tape), 1, dims);
    return kind == ZM_HEAD_GAUSS
               ? zm_gauss_nll(tape, outputs, l->z, l->ones, mean, 1.0f, NULL)
               : zm_squared_error(tape, outputs, l->z, l->ones, mean, 1.0f, NULL);
}

static void put_labels(const zm_golden *g, zm_gpu *gpu, const zm_tape *tape,
                       uint32_t rows, const labels *l)
{
    float *one = zm_calloc(rows, sizeof *one);
    uint32_t *bin = zm_calloc(rows, sizeof *bin);
    cr_assert(one && bin);
    for (uint32_t i = 0; i < rows; i++) {
        one[i] = 1.0f;
        if (l->bin)
            bin[i] = zm_head_bin(zm_model_head(g->model), (double)g->z[i]);
    }
    put(gpu, tape, l->ones, one);
    if (l->z)
        put(gpu, tape, l->z, g->z);
    else
        MUST(zm_gpu_upload(gpu, zm_tape_slice(tape, l->bin), bin));
    free(one);
    free(bin);
}

void zm_golden_run(zm_golden *g, zm_gpu *gpu, uint32_t rows, bool training,
                   zm_golden_pass *out)
{
    zm_params *ps = &g->model->params;
    const zm_vit_config *vit = zm_model_vit(g->model);
    const uint32_t patches = zm_vit_patches(vit), s = vit->image;
    MUST(zm_params_allocate(ps, gpu, training));
    MUST(zm_params_upload(ps, g->model->host));
    *out = (zm_golden_pass){0};
    MUST(zm_tape_create(gpu, training, &out->tape));
    zm_tape *tape = out->tape;
    const zm_dtype real = zm_tape_real(tape);
    zm_tensor *image = zm_tape_input(tape, real, 4, (uint32_t[]){rows, s, s, ZM_BANDS});
    zm_tensor *all = zm_tape_input(tape, ZM_U32, 2, (uint32_t[]){rows, patches});
    zm_tensor *noise = NULL, *mags = NULL;
    labels label = {0};
    if (g->noise) {
        noise = zm_tape_input(tape, real, 2, (uint32_t[]){rows, patches});
        const zm_mae_out mae =
            zm_mae_forward(tape, ps, &g->model->mae, image, noise, all, training, 1.0f);
        out->loss = mae.loss;
        out->pred = mae.pred;
        out->hidden = mae.mask.hidden;
    } else {
        mags = zm_tape_input(tape, real, 2, (uint32_t[]){rows, ZM_BANDS});
        out->outputs = zm_astromae_forward(tape, ps, &g->model->astromae, image, mags,
                                           all, training);
        zm_tape_keep(tape, out->outputs);
        out->loss = record_loss(g, tape, rows, out->outputs, &label);
    }
    zm_tape_backward(tape);
    cr_assert_eq(zm_tape_compile(tape), ZM_OK, "%s: %s", g->name, zm_error_detail());
    put_images(g, gpu, tape, image);
    put_patch_numbers(gpu, tape, all);
    if (noise) {
        put(gpu, tape, noise, g->noise);
    } else {
        put(gpu, tape, mags, g->mags);
        put_labels(g, gpu, tape, rows, &label);
    }
    MUST(zm_tape_replay(tape));
}

void zm_golden_finish(zm_golden *g, zm_golden_pass *pass)
{
    zm_tape_destroy(&pass->tape);
    zm_params_finish_device(&g->model->params);
}

double zm_golden_number_error(const json_t *want, double found)
{
    const double value = json_number_value(want);
    return fabs(found - value) / fabs(value);
}

double zm_golden_error(const zm_golden *g, const char *what, const json_t *array,
                       const double *values, uint64_t count, double scale)
{
    const json_t *at = json_object_get(array, "at");
    const json_t *shape = json_object_get(array, "shape");
    const double most = json_number_value(json_object_get(array, "max"));
    const double norm = json_number_value(json_object_get(array, "norm"));
    const size_t listed = json_array_size(at);
    uint64_t size = 1;
    for (size_t i = 0; i < json_array_size(shape); i++)
        size *= (uint64_t)json_integer_value(json_array_get(shape, i));
    cr_assert_eq(size, count, "%s: %s has %llu values", g->name, what,
                 (unsigned long long)count);
    cr_assert_gt(listed, 0, "%s: %s", g->name, what);
    scale = ZM_MAX(scale, most);
    double worst = 0, sum = 0;
    for (size_t i = 0; i < listed; i++) {
        const uint64_t e =
            listed == size ? i : (uint64_t)(i + 1) * UINT64_C(2654435761) % size;
        const double want = json_number_value(json_array_get(at, i));
        const double error = fabs(values[e] - want) / scale;
        worst = error <= worst ? worst : error; // a NaN stays
    }
    for (uint64_t i = 0; i < count; i++)
        sum += values[i] * values[i];
    const double error = fabs(sqrt(sum) - norm) / (scale * sqrt((double)size));
    return error <= worst ? worst : error;
}
