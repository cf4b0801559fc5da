#include "core/data/sample.h"

#include <math.h>
#include <stdlib.h>

#include "core/data/photometry.h"

zm_status zm_sampler_init(zm_sampler *s, zm_dataset *ds, uint32_t size)
{
    *s = (zm_sampler){.ds = ds, .size = size};
    if (size > ds->height || size > ds->width)
        return ZM_FAIL(ZM_ERR_SHAPE, "%s: cutouts of %u x %u pixels, the model needs %u",
                       ds->path, ds->width, ds->height, size);
    s->image = zm_calloc((uint64_t)ZM_BANDS * ds->height * ds->width, sizeof *s->image);
    return s->image ? ZM_OK
                    : ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for a cutout", ds->path);
}

void zm_sampler_finish(zm_sampler *s)
{
    free(s->image);
    s->image = NULL;
}

static bool all_finite(const float mags[ZM_BANDS])
{
    for (int b = 0; b < ZM_BANDS; b++)
        if (!isfinite(mags[b]))
            return false;
    return true;
}

static void choose_mags(const zm_sampler *s, uint64_t row, float mags[ZM_BANDS],
                        uint32_t *flags)
{
    const zm_row *r = &s->ds->rows[row];
    const bool given = s->ds->has_mags && all_finite(r->mags);
    for (int b = 0; given && b < ZM_BANDS; b++)
        mags[b] = r->mags[b];
    if (given)
        return;
    if (s->ds->has_mags)
        *flags |= ZM_FLAG_BAD_MAGS;
    zm_aperture_mags(s->image, s->ds->height, s->ds->width, r->ebv, mags, flags);
}

// The square in the middle, bands innermost, under the sampler's symmetry.
static void cut(const zm_sampler *s, float *out)
{
    const size_t height = s->ds->height, width = s->ds->width, n = s->size;
    const size_t top = (height - n) / 2, left = (width - n) / 2;
    const bool transpose = s->symmetry & ZM_SYMMETRY_TRANSPOSE;
    for (size_t b = 0; b < ZM_BANDS; b++) {
        for (size_t y = 0; y < n; y++) {
            const float *line = s->image + (b * height + top + y) * width + left;
            const size_t v = s->symmetry & ZM_SYMMETRY_FLIP_Y ? n - 1 - y : y;
            for (size_t x = 0; x < n; x++) {
                const size_t u = s->symmetry & ZM_SYMMETRY_FLIP_X ? n - 1 - x : x;
                out[(transpose ? u * n + v : v * n + u) * ZM_BANDS + b] = line[x];
            }
        }
    }
}

zm_status zm_sampler_read(zm_sampler *s, uint64_t row, float *out, float mags[ZM_BANDS],
                          uint32_t *flags)
{
    uint32_t found = 0;
    ZM_TRY(zm_dataset_image(s->ds, row, s->image, &found));
    found |= s->ds->rows[row].flags;
    cut(s, out);
    if (mags)
        choose_mags(s, row, mags, &found);
    if (flags)
        *flags = found;
    return ZM_OK;
}

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

static float median(float *values, size_t n)
{
    qsort(values, n, sizeof *values, by_value);
    return n % 2 ? values[n / 2] : 0.5f * (values[n / 2 - 1] + values[n / 2]);
}

zm_status zm_sampler_sigma(zm_sampler *s, const uint32_t *which, uint64_t count,
                           uint64_t limit, float sigma[ZM_BANDS])
{
    enum { PER_ROW = 256 }; // pixels taken of a row and band
    const uint64_t rows = ZM_MIN(limit, count);
    const size_t pixels = (size_t)s->ds->height * s->ds->width;
    const size_t take = ZM_MIN((size_t)PER_ROW, pixels);
    float *values = zm_calloc(rows * ZM_BANDS, take * sizeof *values);
    if (!values)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to measure the noise", s->ds->path);
    zm_status st = ZM_OK;
    for (uint64_t i = 0; i < rows && st == ZM_OK; i++) {
        uint32_t flags;
        st = zm_dataset_image(s->ds, which[i * count / rows], s->image, &flags);
        for (size_t b = 0; b < ZM_BANDS && st == ZM_OK; b++)
            for (size_t j = 0; j < take; j++)
                values[(b * rows + i) * take + j] =
                    s->image[b * pixels + j * pixels / take];
    }
    for (size_t b = 0; b < ZM_BANDS && st == ZM_OK; b++) {
        float *band = values + b * rows * take;
        const size_t n = (size_t)rows * take;
        const float centre = median(band, n);
        for (size_t j = 0; j < n; j++)
            band[j] = fabsf(band[j] - centre);
        sigma[b] = 1.4826f * median(band, n);
        if (!(sigma[b] > 0.0f))
            st = ZM_FAIL(ZM_ERR_FORMAT, "%s: band %c has no noise to scale the pixels by",
                         s->ds->path, "ugriz"[b]);
    }
    free(values);
    return st;
}
