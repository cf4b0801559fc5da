#include "core/cli/reconstruction.h"

#include <math.h>
#include <stdlib.h>

#include "core/data/sample.h"
#include "core/ops/ops.h"

// asinh(x / 3 sigma): so is the factor of the stretch defined.
static const double sigmas_of_scale = 3;
static const double most_stretched = 20; // sinh(20) sigma is brighter than any galaxy

typedef struct geometry {
    uint32_t side, patch, grid;
    size_t values; // of a patch
} geometry;

// Where value i of a patch lies in the image.
static size_t pixel_of(const geometry *g, uint32_t patch, size_t i)
{
    const size_t band = i % ZM_BANDS, column = i / ZM_BANDS % g->patch;
    const size_t row = i / ZM_BANDS / g->patch;
    const size_t y = (size_t)(patch / g->grid) * g->patch + row;
    const size_t x = (size_t)(patch % g->grid) * g->patch + column;
    return (y * g->side + x) * ZM_BANDS + band;
}

static double stretched(const zm_preprocess *pre, double flux, size_t band)
{
    const double x = flux * (double)pre->scale[band];
    return pre->stretch == ZM_STRETCH_ASINH ? asinh(x) : x;
}

static double unstretched(const zm_preprocess *pre, double value, size_t band)
{
    const double most = pre->stretch == ZM_STRETCH_ASINH ? most_stretched : INFINITY;
    const double v = fmin(fmax(value, -most), most);
    return (pre->stretch == ZM_STRETCH_ASINH ? sinh(v) : v) / (double)pre->scale[band];
}

// Mean and standard deviation that zm_patch_norm took out of a patch.
static void patch_moments(const zm_preprocess *pre, const geometry *g,
                          const float *original, uint32_t patch, double *mean, double *sd)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < g->values; i++)
        sum += stretched(pre, (double)original[pixel_of(g, patch, i)], i % ZM_BANDS);
    *mean = sum / (double)g->values;
    for (size_t i = 0; i < g->values; i++) {
        const double d =
            stretched(pre, (double)original[pixel_of(g, patch, i)], i % ZM_BANDS) - *mean;
        squares += d * d;
    }
    *sd = sqrt(squares / (double)(g->values - 1) + 1e-6);
}

static void paint(const zm_model *model, const geometry *g, const float *original,
                  const float *pred, float *painted)
{
    const zm_preprocess *pre = &model->pre;
    for (uint32_t patch = 0; patch < g->grid * g->grid; patch++) {
        const float *from = pred + patch * g->values;
        double mean = 0, sd = 1;
        if (model->mae.config.norm_pix)
            patch_moments(pre, g, original, patch, &mean, &sd);
        for (size_t i = 0; i < g->values; i++)
            painted[pixel_of(g, patch, i)] =
                (float)unstretched(pre, mean + sd * (double)from[i], i % ZM_BANDS);
    }
}

static zm_status find_sigma(const zm_model *model, zm_sampler *sampler, uint32_t count,
                            double sigma[ZM_BANDS])
{
    float measured[ZM_BANDS] = {0};
    const bool known = model->pre.recorded && model->pre.stretch == ZM_STRETCH_ASINH;
    if (!known) {
        uint32_t *rows = zm_calloc(count, sizeof *rows);
        if (!rows)
            return ZM_FAIL(ZM_ERR_MEMORY, "no memory for the noise");
        for (uint32_t i = 0; i < count; i++)
            rows[i] = i;
        const zm_status st = zm_sampler_sigma(sampler, rows, count, 64, measured);
        free(rows);
        ZM_TRY(st);
    }
    for (int b = 0; b < ZM_BANDS; b++) {
        sigma[b] = known ? 1 / (sigmas_of_scale * (double)model->pre.scale[b])
                         : (double)measured[b];
        if (!(sigma[b] > 0)) // a constant band
            sigma[b] = 1;
    }
    return ZM_OK;
}

zm_status zm_reconstruction_make(const zm_model *model, zm_dataset *ds, uint32_t count,
                                 const float *pred, zm_reconstruction *out)
{
    const zm_vit_config *vit = &model->mae.config.vit;
    const geometry g = {vit->image, vit->patch, vit->image / vit->patch,
                        (size_t)vit->patch * vit->patch * ZM_BANDS};
    const size_t image = (size_t)g.side * g.side * ZM_BANDS;
    zm_reconstruction r = {.count = count, .side = g.side};
    zm_sampler sampler = {0};
    ZM_TRY(zm_sampler_init(&sampler, ds, g.side));
    r.original = zm_calloc(count, image * sizeof *r.original);
    r.painted = zm_calloc(count, image * sizeof *r.painted);
    zm_status st = r.original && r.painted
                       ? find_sigma(model, &sampler, count, r.sigma)
                       : ZM_FAIL(ZM_ERR_MEMORY, "no memory for %u pictures", count);
    for (uint32_t i = 0; i < count && st == ZM_OK; i++) {
        st = zm_sampler_read(&sampler, i, r.original + i * image, NULL, NULL);
        if (st == ZM_OK)
            paint(model, &g, r.original + i * image, pred + i * image,
                  r.painted + i * image);
    }
    zm_sampler_finish(&sampler);
    if (st == ZM_OK)
        *out = r;
    else
        zm_reconstruction_finish(&r);
    return st;
}

void zm_reconstruction_finish(zm_reconstruction *r)
{
    free(r->original);
    free(r->painted);
    *r = (zm_reconstruction){0};
}
