#include "core/data/npz_labels.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/data/extinction.h"

enum { CHUNK_BYTES = 64 << 10 };

static bool is_number(const zm_npy_field *f)
{
    return f->count == 1 &&
           (f->kind == ZM_NPY_FLOAT || f->kind == ZM_NPY_INT || f->kind == ZM_NPY_UINT);
}

static zm_status find_number(const zm_npz_array *a, const char *name,
                             const zm_npy_field **out)
{
    *out = zm_npy_find(&a->npy, name);
    if (!*out || is_number(*out))
        return ZM_OK;
    return ZM_FAIL(ZM_ERR_FORMAT,
                   "%s: column %s: expected one number a row, found %" PRIu64
                   " of type %s",
                   a->label, (*out)->name, (*out)->count, (*out)->type);
}

// PREFIXu to PREFIXz; five columns or none.
static zm_status find_bands(const zm_npz_array *a, const char *prefix,
                            const zm_npy_field *out[ZM_BANDS])
{
    char name[32];
    bool all = true;
    for (int band = 0; band < ZM_BANDS; band++) {
        snprintf(name, sizeof name, "%s%c", prefix, "ugriz"[band]);
        ZM_TRY(find_number(a, name, &out[band]));
        all = all && out[band];
    }
    for (int band = 0; band < ZM_BANDS; band++)
        out[band] = all ? out[band] : NULL;
    return ZM_OK;
}

// Identifiers have up to 64 bits: a column of floating point has lost some of them.
static void find_id(zm_npz_labels *l, const zm_log *log)
{
    static const char *const names[] = {"specObjID", "dr7ObjID", "objID", "object_id"};
    for (size_t i = 0; i < ZM_COUNT_OF(names) && !l->id; i++) {
        const zm_npy_field *f = zm_npy_find(&l->array->npy, names[i]);
        if (!f)
            continue;
        const bool exact = f->kind == ZM_NPY_INT || f->kind == ZM_NPY_UINT ||
                           f->kind == ZM_NPY_TEXT || f->kind == ZM_NPY_UNICODE;
        if (exact && f->count == 1)
            l->id = f;
        else
            zm_log_write(log, ZM_LOG_WARN,
                         "%s: column %s: expected integers of 64 bits, found type %s; "
                         "not used as object_id",
                         l->array->label, f->name, f->type);
    }
}

static zm_status find_columns(zm_npz_labels *l, const zm_log *log)
{
    const zm_npz_array *a = l->array;
    ZM_TRY(find_number(a, "z", &l->z));
    ZM_TRY(find_number(a, "EBV", &l->ebv));
    ZM_TRY(find_number(a, "ra", &l->ra));
    ZM_TRY(find_number(a, "dec", &l->dec));
    ZM_TRY(find_number(a, "dered_petro_r", &l->dered_petro_r));
    ZM_TRY(find_number(a, "primtarget", &l->primtarget));
    ZM_TRY(find_bands(a, "extinction_", l->extinction));
    ZM_TRY(find_bands(a, "modelMag_", l->mags));
    l->mag_kind = ZM_MAG_MODEL;
    if (!l->mags[0]) {
        ZM_TRY(find_bands(a, "cModelMag_", l->mags));
        l->mag_kind = l->mags[0] ? ZM_MAG_CMODEL : ZM_MAG_APERTURE;
    }
    find_id(l, log);
    return ZM_OK;
}

static zm_status check_shape(const zm_npz_array *a, uint64_t rows)
{
    char shape[200];
    zm_npy_format_shape(&a->npy, shape, sizeof shape);
    if (!a->npy.record)
        return ZM_FAIL(
            ZM_ERR_FORMAT,
            "%s: expected a record array with named columns, found one of type "
            "%s, shape %s",
            a->label, a->npy.fields[0].type, shape);
    if (a->npy.rank != 1 || a->npy.shape[0] != rows)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: expected shape (%" PRIu64 ",), one row a cutout, found %s",
                       a->label, rows, shape);
    return ZM_OK;
}

zm_status zm_npz_labels_open(zm_zip *zip, const char *path, uint64_t rows,
                             const zm_log *log, zm_npz_labels *out)
{
    zm_npz_labels l = {0};
    ZM_TRY(zm_npz_array_open(zip, path, "labels", &l.array));
    if (!l.array) {
        *out = l;
        return ZM_OK;
    }
    zm_status st = check_shape(l.array, rows);
    if (st == ZM_OK)
        st = find_columns(&l, log);
    if (st == ZM_OK) {
        const uint64_t item = ZM_MAX(l.array->npy.item_size, UINT64_C(1));
        l.chunk_capacity = ZM_MAX(CHUNK_BYTES / item, UINT64_C(1));
        l.chunk = zm_calloc(l.chunk_capacity, item);
        if (!l.chunk)
            st = ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to read it", l.array->label);
    }
    if (st != ZM_OK) {
        zm_npz_labels_close(&l);
        return st;
    }
    *out = l;
    return ZM_OK;
}

void zm_npz_labels_close(zm_npz_labels *labels)
{
    zm_npz_array_close(&labels->array);
    free(labels->chunk);
    *labels = (zm_npz_labels){0};
}

// A number of a row, NaN where there is no such column or it lies outside low..high: SDSS
// writes -9999 for what it has not measured.
static double read_number(const zm_npy_field *field, const uint8_t *item, double low,
                          double high)
{
    double value = (double)NAN;
    if (!field || !zm_npy_f64(field, item, &value))
        return (double)NAN;
    return value >= low && value <= high ? value : (double)NAN;
}

static void read_mags(const zm_npz_labels *l, const uint8_t *item, zm_row *row)
{
    for (int band = 0; band < ZM_BANDS; band++) {
        const double mag = read_number(l->mags[band], item, -10, 60);
        const double given = read_number(l->extinction[band], item, -1, 100);
        const double extinction = zm_extinction_mag(given, (double)row->ebv, band);
        if (isnan(extinction))
            row->flags |= ZM_FLAG_NOT_DEREDDENED;
        row->mags[band] = (float)(mag - (isnan(extinction) ? 0 : extinction));
    }
}

// value <= limit, both rounded to the precision of the column.
static bool at_most(const zm_npy_field *field, const uint8_t *item, double limit)
{
    double value;
    if (!field || !zm_npy_f64(field, item, &value))
        return false;
    return field->size == 4 ? (float)value <= (float)limit : value <= limit;
}

static bool is_mgs(const zm_npz_labels *l, const uint8_t *item)
{
    double target;
    return at_most(l->dered_petro_r, item, 17.8) && at_most(l->z, item, 0.4) &&
           l->primtarget && zm_npy_f64(l->primtarget, item, &target) && target >= 64;
}

zm_status zm_npz_labels_need_mgs(const zm_npz_labels *l, const char *path)
{
    if (l->dered_petro_r && l->z && l->primtarget)
        return ZM_OK;
    return ZM_FAIL(ZM_ERR_FORMAT,
                   "%s: the cuts of the main galaxy sample need columns that the labels "
                   "lack:%s%s%s",
                   path, l->dered_petro_r ? "" : " dered_petro_r", l->z ? "" : " z",
                   l->primtarget ? "" : " primtarget");
}

static zm_status fill_chunk(zm_npz_labels *l, uint64_t row)
{
    const uint64_t left = l->array->npy.count - row;
    l->chunk_rows = 0; // nothing valid should reading fail
    const uint64_t rows = ZM_MIN(left, l->chunk_capacity);
    ZM_TRY(zm_npz_array_read(l->array, row, rows, l->chunk));
    l->chunk_first = row;
    l->chunk_rows = rows;
    return ZM_OK;
}

zm_status zm_npz_labels_row(zm_npz_labels *l, uint64_t row, zm_npz_label *out)
{
    if (row >= l->array->npy.count)
        return ZM_FAIL(ZM_ERR_SHAPE, "%s: row %" PRIu64 " asked of %" PRIu64,
                       l->array->label, row, l->array->npy.count);
    if (row < l->chunk_first || row - l->chunk_first >= l->chunk_rows)
        ZM_TRY(fill_chunk(l, row));
    const uint8_t *item = l->chunk + (row - l->chunk_first) * l->array->npy.item_size;
    zm_row r = zm_row_unknown((int64_t)row);
    r.ra_deg = read_number(l->ra, item, 0, 360);
    r.dec_deg = read_number(l->dec, item, -90, 90);
    r.z = (float)read_number(l->z, item, -0.99, 100);
    r.ebv = (float)read_number(l->ebv, item, -1, 100);
    if (l->mags[0])
        read_mags(l, item, &r);
    if (l->id && !zm_npy_i64(l->id, item, &r.object_id))
        r.object_id = (int64_t)row;
    out->row = r;
    out->mgs = is_mgs(l, item);
    return ZM_OK;
}
