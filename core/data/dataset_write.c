// Data sets written row by row: FITS binary table OBJECTS, or safetensors.
#include "core/data/dataset_impl.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/data/photometry.h"
#include "core/io/path.h"
#include "core/io/safetensors.h"

enum {
    FIELD_ID,
    FIELD_RA,
    FIELD_DEC,
    FIELD_Z,
    FIELD_MAGS,
    FIELD_EBV,
    FIELD_IMAGE,
    FIELD_COVERAGE, // the last two are optional
    FIELD_FLAGS,
    FIELD_COUNT,
};

struct zm_dataset_writer {
    char *path;
    uint64_t count, written;
    uint64_t image_count; // elements
    zm_fits_writer *fits; // one of the two
    zm_st_writer *st;
    zm_row *rows; // safetensors: columns follow the images
    bool *placed; // (count) rows that place was given; NULL while it was not called
    uint64_t shape[4];
    bool declared, has_labels, records_flags;
};

static zm_status begin_fits(zm_dataset_writer *w, const zm_dataset_info *info)
{
    char form[32];
    char dim[64];
    char key[16];
    snprintf(form, sizeof form, "%" PRIu64 "E", w->image_count);
    snprintf(dim, sizeof dim, "(%u,%u,%d)", (unsigned)info->width, (unsigned)info->height,
             ZM_BANDS);
    const zm_fits_field fields[] = {
        [FIELD_ID] = {"OBJECT_ID", "K", NULL, NULL},
        [FIELD_RA] = {"RA", "D", "deg", NULL},
        [FIELD_DEC] = {"DEC", "D", "deg", NULL},
        [FIELD_Z] = {"Z", "E", NULL, NULL},
        [FIELD_MAGS] = {"MAGS", "5E", "mag", NULL},
        [FIELD_EBV] = {"EBV", "E", "mag", NULL},
        [FIELD_IMAGE] = {"IMAGE", form, "nanomaggy", dim},
        [FIELD_COVERAGE] = {"COVERAGE", "E", NULL, NULL},
        [FIELD_FLAGS] = {"FLAGS", "J", NULL, NULL},
    };
    const uint32_t field_count = w->records_flags ? FIELD_COUNT : FIELD_COVERAGE;
    ZM_TRY(zm_fits_writer_create(w->path, "OBJECTS", w->count, fields, field_count,
                                 &w->fits));
    for (int band = 0; band < ZM_BANDS; band++) {
        const char name[2] = {"ugriz"[band], '\0'};
        snprintf(key, sizeof key, "BAND%d", band + 1);
        ZM_TRY(zm_fits_writer_string(w->fits, key, name, "plane of IMAGE"));
    }
    ZM_TRY(zm_fits_writer_f64(w->fits, "PIXSCALE", ZM_PIXEL_ARCSEC, "[arcsec] pixel"));
    ZM_TRY(zm_fits_writer_string(w->fits, "MAGKIND", zm_mag_kind_name(info->mag_kind),
                                 "what MAGS are"));
    ZM_TRY(zm_fits_writer_bool(w->fits, "SIMULATD", info->simulated, "simulated data"));
    ZM_TRY(zm_fits_writer_string(w->fits, "CREATOR", "zmae " ZM_VERSION, NULL));
    return info->origin ? zm_fits_writer_history(w->fits, info->origin) : ZM_OK;
}

static zm_status begin_safetensors(zm_dataset_writer *w, const zm_dataset_info *info)
{
    w->rows = zm_calloc(w->count, sizeof *w->rows);
    if (!w->rows)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for %" PRIu64 " rows", w->path,
                       w->count);
    ZM_TRY(zm_st_writer_create(w->path, &w->st));
    ZM_TRY(zm_st_writer_meta(w->st, "format", "zmae data set"));
    ZM_TRY(zm_st_writer_meta(w->st, "bands", "ugriz"));
    ZM_TRY(zm_st_writer_meta(w->st, "unit", "nanomaggy"));
    ZM_TRY(zm_st_writer_meta(w->st, "mag_kind", zm_mag_kind_name(info->mag_kind)));
    ZM_TRY(zm_st_writer_meta(w->st, "simulated", info->simulated ? "true" : "false"));
    ZM_TRY(zm_st_writer_meta(w->st, "creator", "zmae " ZM_VERSION));
    return info->origin ? zm_st_writer_meta(w->st, "origin", info->origin) : ZM_OK;
}

zm_status zm_dataset_writer_create(const char *path, const zm_dataset_info *info,
                                   zm_dataset_writer **out)
{
    uint64_t total;
    if (info->count == 0 || info->height == 0 || info->width == 0 ||
        !zm_mul_u64((uint64_t)info->height * info->width, ZM_BANDS * sizeof(float),
                    &total) ||
        !zm_mul_u64(total, info->count, &total) || total > INT64_MAX)
        return ZM_FAIL(ZM_ERR_USAGE,
                       "%s: %" PRIu64 " cutouts of %u x %u pixels cannot be written",
                       path, info->count, (unsigned)info->width, (unsigned)info->height);
    zm_dataset_writer *w = calloc(1, sizeof *w);
    if (!w || !(w->path = zm_strdup(path))) {
        free(w);
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to write it", path);
    }
    w->count = info->count;
    w->image_count = (uint64_t)ZM_BANDS * info->height * info->width;
    w->records_flags = info->records_flags;
    memcpy(w->shape, (uint64_t[4]){info->count, ZM_BANDS, info->height, info->width},
           sizeof w->shape);
    const zm_status st = zm_has_extension(path, ".fits") ? begin_fits(w, info)
                                                         : begin_safetensors(w, info);
    if (st != ZM_OK) {
        zm_dataset_writer_abort(&w);
        return st;
    }
    *out = w;
    return ZM_OK;
}

// The tensors, in the order of their data; label only where the row that is given first
// has one.
static zm_status declare(zm_dataset_writer *w, const zm_row *first)
{
    const uint64_t mags[2] = {w->count, ZM_BANDS};
    w->declared = true;
    w->has_labels = first->label >= 0;
    ZM_TRY(zm_st_writer_declare(w->st, "images", ZM_ST_F32, 4, w->shape));
    ZM_TRY(zm_st_writer_declare(w->st, "mags", ZM_ST_F32, 2, mags));
    ZM_TRY(zm_st_writer_declare(w->st, "z", ZM_ST_F32, 1, mags));
    ZM_TRY(zm_st_writer_declare(w->st, "ebv", ZM_ST_F32, 1, mags));
    if (w->has_labels)
        ZM_TRY(zm_st_writer_declare(w->st, "label", ZM_ST_I32, 1, mags));
    ZM_TRY(zm_st_writer_declare(w->st, "object_id", ZM_ST_I64, 1, mags));
    ZM_TRY(zm_st_writer_declare(w->st, "ra", ZM_ST_F64, 1, mags));
    ZM_TRY(zm_st_writer_declare(w->st, "dec", ZM_ST_F64, 1, mags));
    if (!w->records_flags)
        return ZM_OK;
    ZM_TRY(zm_st_writer_declare(w->st, "coverage", ZM_ST_F32, 1, mags));
    return zm_st_writer_declare(w->st, "flags", ZM_ST_I32, 1, mags);
}

static zm_status write_fits_row(zm_dataset_writer *w, uint64_t i, const zm_row *row,
                                const float *image)
{
    ZM_TRY(zm_fits_writer_cells(w->fits, FIELD_ID, i, 1, &row->object_id));
    ZM_TRY(zm_fits_writer_cells(w->fits, FIELD_RA, i, 1, &row->ra_deg));
    ZM_TRY(zm_fits_writer_cells(w->fits, FIELD_DEC, i, 1, &row->dec_deg));
    ZM_TRY(zm_fits_writer_cells(w->fits, FIELD_Z, i, 1, &row->z));
    ZM_TRY(zm_fits_writer_cells(w->fits, FIELD_MAGS, i, 1, row->mags));
    ZM_TRY(zm_fits_writer_cells(w->fits, FIELD_EBV, i, 1, &row->ebv));
    ZM_TRY(zm_fits_writer_cells(w->fits, FIELD_IMAGE, i, 1, image));
    if (!w->records_flags)
        return ZM_OK;
    ZM_TRY(zm_fits_writer_cells(w->fits, FIELD_COVERAGE, i, 1, &row->coverage));
    return zm_fits_writer_cells(w->fits, FIELD_FLAGS, i, 1, &row->flags);
}

zm_status zm_dataset_writer_row(zm_dataset_writer *w, const zm_row *row,
                                const float *image)
{
    if (w->written == w->count)
        return ZM_FAIL(ZM_ERR_INTERNAL, "%s: more than %" PRIu64 " rows given", w->path,
                       w->count);
    if (w->fits) {
        ZM_TRY(write_fits_row(w, w->written, row, image));
    } else {
        if (!w->declared)
            ZM_TRY(declare(w, row));
        w->rows[w->written] = *row;
        ZM_TRY(zm_st_writer_data(w->st, image, w->image_count * sizeof *image));
    }
    w->written++;
    return ZM_OK;
}

// Makes room for every image, in safetensors; what is placed needs no order.
static zm_status begin_placing(zm_dataset_writer *w, const zm_row *row)
{
    w->placed = zm_calloc(w->count, sizeof *w->placed);
    if (!w->placed)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for %" PRIu64 " rows", w->path,
                       w->count);
    if (w->fits)
        return ZM_OK;
    ZM_TRY(declare(w, row));
    return zm_st_writer_reserve(w->st, w->count * w->image_count * sizeof(float));
}

zm_status zm_dataset_writer_place(zm_dataset_writer *w, uint64_t index, const zm_row *row,
                                  const float *image)
{
    const uint64_t image_bytes = w->image_count * sizeof *image;
    if (index >= w->count || (!w->placed && w->written != 0))
        return ZM_FAIL(ZM_ERR_INTERNAL, "%s: row %" PRIu64 " cannot be placed", w->path,
                       index);
    if (!w->placed)
        ZM_TRY(begin_placing(w, row));
    if (w->fits) {
        ZM_TRY(write_fits_row(w, index, row, image));
    } else {
        w->rows[index] = *row;
        ZM_TRY(zm_st_writer_fill(w->st, index * image_bytes, image, image_bytes));
    }
    w->written += !w->placed[index];
    w->placed[index] = true;
    return ZM_OK;
}

static zm_status write_member(zm_dataset_writer *w, size_t offset, size_t size)
{
    for (uint64_t i = 0; i < w->count; i++)
        ZM_TRY(zm_st_writer_data(w->st, (const char *)&w->rows[i] + offset, size));
    return ZM_OK;
}

static zm_status write_columns(zm_dataset_writer *w)
{
    ZM_TRY(write_member(w, offsetof(zm_row, mags), sizeof w->rows->mags));
    ZM_TRY(write_member(w, offsetof(zm_row, z), sizeof w->rows->z));
    ZM_TRY(write_member(w, offsetof(zm_row, ebv), sizeof w->rows->ebv));
    if (w->has_labels)
        ZM_TRY(write_member(w, offsetof(zm_row, label), sizeof w->rows->label));
    ZM_TRY(write_member(w, offsetof(zm_row, object_id), sizeof w->rows->object_id));
    ZM_TRY(write_member(w, offsetof(zm_row, ra_deg), sizeof w->rows->ra_deg));
    ZM_TRY(write_member(w, offsetof(zm_row, dec_deg), sizeof w->rows->dec_deg));
    if (!w->records_flags)
        return ZM_OK;
    ZM_TRY(write_member(w, offsetof(zm_row, coverage), sizeof w->rows->coverage));
    return write_member(w, offsetof(zm_row, flags), sizeof w->rows->flags);
}

zm_status zm_dataset_writer_finish(zm_dataset_writer **w)
{
    zm_status st = ZM_OK;
    if ((*w)->written != (*w)->count)
        st = ZM_FAIL(ZM_ERR_INTERNAL, "%s: %" PRIu64 " rows declared, %" PRIu64 " given",
                     (*w)->path, (*w)->count, (*w)->written);
    else if ((*w)->fits)
        st = zm_fits_writer_finish(&(*w)->fits);
    else if ((st = write_columns(*w)) == ZM_OK)
        st = zm_st_writer_finish(&(*w)->st);
    zm_dataset_writer_abort(w);
    return st;
}

void zm_dataset_writer_abort(zm_dataset_writer **w)
{
    if (!*w)
        return;
    zm_fits_writer_abort(&(*w)->fits);
    zm_st_writer_abort(&(*w)->st);
    free((*w)->rows);
    free((*w)->placed);
    free((*w)->path);
    free(*w);
    *w = NULL;
}
