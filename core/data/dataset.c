#include "core/data/dataset_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "core/data/photometry.h"
#include "core/io/zip.h"

static const char *const mag_kind_names[] = {"aperture", "model", "cmodel", "petro"};

const char *zm_mag_kind_name(zm_mag_kind kind)
{
    return mag_kind_names[kind];
}

zm_status zm_mag_kind_parse(const char *name, zm_mag_kind *out)
{
    for (size_t i = 0; i < ZM_COUNT_OF(mag_kind_names); i++) {
        if (strcasecmp(name, mag_kind_names[i]) == 0) {
            *out = (zm_mag_kind)i;
            return ZM_OK;
        }
    }
    return ZM_FAIL(
        ZM_ERR_USAGE,
        "expected magnitudes of kind aperture, model, cmodel or petro, found %s", name);
}

zm_row zm_row_unknown(int64_t object_id)
{
    zm_row row = {.object_id = object_id, .label = -1};
    row.ra_deg = row.dec_deg = (double)NAN;
    row.z = row.ebv = row.coverage = NAN;
    for (int band = 0; band < ZM_BANDS; band++)
        row.mags[band] = NAN;
    return row;
}

zm_status zm_dataset_set_size(zm_dataset *ds, uint64_t height, uint64_t width)
{
    if (height == 0 || width == 0 || height > ZM_DATASET_MAX_SIDE ||
        width > ZM_DATASET_MAX_SIDE)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: expected cutouts of 1 to %d pixels a side, found %" PRIu64
                       " x %" PRIu64,
                       ds->path, ZM_DATASET_MAX_SIDE, width, height);
    ds->height = (uint32_t)height;
    ds->width = (uint32_t)width;
    return ZM_OK;
}

zm_status zm_dataset_alloc_rows(zm_dataset *ds, uint64_t count)
{
    if (count == 0)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: expected at least one cutout, found none",
                       ds->path);
    ds->rows = zm_calloc(count, sizeof *ds->rows);
    if (!ds->rows)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for %" PRIu64 " rows", ds->path,
                       count);
    ds->count = count;
    for (uint64_t i = 0; i < count; i++)
        ds->rows[i] = zm_row_unknown((int64_t)i);
    return ZM_OK;
}

zm_status zm_dataset_set_source(zm_dataset *ds, const zm_dataset_ops *ops, void *state)
{
    ds->source = calloc(1, sizeof *ds->source);
    if (!ds->source || pthread_mutex_init(&ds->source->lock, NULL) != 0) {
        ops->close(state);
        free(ds->source);
        ds->source = NULL;
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to open it", ds->path);
    }
    ds->source->ops = ops;
    ds->source->state = state;
    return ZM_OK;
}

bool zm_dataset_is_nanomaggy(const char *unit)
{
    static const char *const known[] = {"nanomag", "nmgy", "nmagg"};
    for (size_t i = 0; i < ZM_COUNT_OF(known); i++)
        if (strncasecmp(unit, known[i], strlen(known[i])) == 0)
            return true;
    return false;
}

void zm_dataset_check_unit(const zm_log *log, const char *path, const char *unit)
{
    if (unit[0] != '\0' && !zm_dataset_is_nanomaggy(unit))
        zm_log_write(log, ZM_LOG_WARN,
                     "%s: expected pixels in nanomaggies, found unit \"%s\"; taken as "
                     "they are",
                     path, unit);
}

// Reads what the first bytes say; a file that is none of the formats gets a message that
// says which other thing it is.
static zm_status open_file(zm_dataset *ds, const char *helper, const zm_log *log)
{
    uint8_t start[9] = {0};
    FILE *f = fopen(ds->path, "rb");
    if (!f)
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", ds->path, strerror(errno));
    const size_t n = fread(start, 1, sizeof start, f);
    const bool failed = ferror(f) != 0;
    fclose(f);
    if (failed)
        return ZM_FAIL(ZM_ERR_IO, "%s: cannot read", ds->path);
    if (zm_fits_is_fits(start, n))
        return zm_dataset_open_fits(ds, helper, log);
    if (n == 9 && start[8] == '{')
        return zm_dataset_open_safetensors(ds, log);
    if (zm_zip_is_zip(start, n))
        return zm_dataset_open_npz(ds, log);
    const char *found = "something else";
    if (n >= 4 && memcmp(start, "\x89HDF", 4) == 0)
        found = "an HDF5 file, which zmae does not read";
    else if (n == 0)
        found = "an empty file";
    return ZM_FAIL(ZM_ERR_FORMAT,
                   "%s: expected a data set (safetensors, FITS table or cube, npz, "
                   "directory), "
                   "found %s",
                   ds->path, found);
}

zm_status zm_dataset_open(const char *path, const char *helper, const zm_log *log,
                          zm_dataset **out)
{
    struct stat info;
    zm_status st;
    if (stat(path, &info) != 0)
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", path, strerror(errno));
    zm_dataset *ds = calloc(1, sizeof *ds);
    if (!ds || !(ds->path = zm_strdup(path)))
        st = ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to open it", path);
    else if (S_ISDIR(info.st_mode))
        st = zm_dataset_open_directory(ds, helper, log);
    else if (S_ISREG(info.st_mode))
        st = open_file(ds, helper, log);
    else
        st = ZM_FAIL(ZM_ERR_IO, "%s: expected a file or a directory", path);
    for (uint64_t i = 0; st == ZM_OK && i < ds->count; i++) {
        for (int band = 0; band < ZM_BANDS; band++)
            ds->has_mags |= isfinite(ds->rows[i].mags[band]);
        if (!isfinite(ds->rows[i].z))
            ds->rows[i].z = NAN;
        if (!isfinite(ds->rows[i].ebv))
            ds->rows[i].ebv = NAN;
    }
    if (st != ZM_OK) {
        zm_dataset_close(&ds);
        return st;
    }
    *out = ds;
    return ZM_OK;
}

void zm_dataset_close(zm_dataset **ds)
{
    if (!*ds)
        return;
    if ((*ds)->source) {
        (*ds)->source->ops->close((*ds)->source->state);
        pthread_mutex_destroy(&(*ds)->source->lock);
        free((*ds)->source);
    }
    free((*ds)->rows);
    free((*ds)->path);
    free(*ds);
    *ds = NULL;
}

static zm_status check_row(const zm_dataset *ds, uint64_t row)
{
    return row < ds->count
               ? ZM_OK
               : ZM_FAIL(ZM_ERR_SHAPE, "%s: row %" PRIu64 " asked of %" PRIu64, ds->path,
                         row, ds->count);
}

zm_status zm_dataset_pixels(zm_dataset *ds, uint64_t row, float *image)
{
    ZM_TRY(check_row(ds, row));
    pthread_mutex_lock(&ds->source->lock);
    const zm_status st = ds->source->ops->image(ds->source->state, row, image);
    pthread_mutex_unlock(&ds->source->lock);
    return st;
}

// Sets what is not finite to 0, flags it and counts it.
static uint64_t mask_band(const zm_dataset *ds, float *pixel, uint32_t *flags)
{
    uint64_t masked = 0;
    for (uint32_t y = 0; y < ds->height; y++) {
        for (uint32_t x = 0; x < ds->width; x++, pixel++) {
            if (isfinite(*pixel))
                continue;
            *pixel = 0.0f;
            masked++;
            *flags |= ZM_FLAG_MASKED;
            if (zm_aperture_weight(ds->height, ds->width, y, x) > 0.0)
                *flags |= ZM_FLAG_CENTRE_MASKED;
        }
    }
    return masked;
}

zm_status zm_dataset_image(zm_dataset *ds, uint64_t row, float *image, uint32_t *flags)
{
    ZM_TRY(zm_dataset_pixels(ds, row, image));
    const uint64_t pixels = (uint64_t)ds->height * ds->width;
    uint32_t found = 0, empty_bands = 0;
    for (int band = 0; band < ZM_BANDS; band++) {
        const uint64_t masked = mask_band(ds, image + (uint64_t)band * pixels, &found);
        empty_bands += masked == pixels;
    }
    if (empty_bands == ZM_BANDS)
        found |= ZM_FLAG_NO_IMAGE;
    else if (empty_bands > 0)
        found |= ZM_FLAG_MISSING_BAND;
    *flags = found;
    return ZM_OK;
}

const char *zm_dataset_file(const zm_dataset *ds, uint64_t row)
{
    const struct zm_dataset_source *source = ds->source;
    return source->ops->file ? source->ops->file(source->state, row) : NULL;
}

zm_status zm_dataset_mask_noise(zm_dataset *ds, uint64_t row, float *noise)
{
    ZM_TRY(check_row(ds, row));
    if (!ds->has_mask_noise)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: expected mask_noise, found none", ds->path);
    pthread_mutex_lock(&ds->source->lock);
    const zm_status st = ds->source->ops->mask_noise(ds->source->state, row, noise);
    pthread_mutex_unlock(&ds->source->lock);
    ZM_TRY(st);
    for (uint32_t i = 0; i < ds->mask_patches; i++) // patches are ordered by it
        if (!isfinite(noise[i]))
            return ZM_FAIL(ZM_ERR_FORMAT,
                           "%s: tensor mask_noise: row %" PRIu64 " is not finite",
                           ds->path, row);
    return ZM_OK;
}
