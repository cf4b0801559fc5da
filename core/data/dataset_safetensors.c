// Data sets as safetensors: images (N, 5, H, W) and optional columns.
#include "core/data/dataset_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/io/safetensors.h"

typedef struct st_source {
    zm_safetensors *st;
    const zm_st_entry *images;
    const zm_st_entry *noise; // or NULL
    uint64_t image_count;     // elements of one image
} st_source;

static zm_status read_image(void *state, uint64_t row, float *image)
{
    const st_source *s = state;
    return zm_safetensors_read_f32(s->st, s->images, row * s->image_count, s->image_count,
                                   image);
}

static zm_status read_noise(void *state, uint64_t row, float *noise)
{
    const st_source *s = state;
    return zm_safetensors_read_f32(s->st, s->noise, row * s->noise->shape[1],
                                   s->noise->shape[1], noise);
}

static void close_source(void *state)
{
    st_source *s = state;
    zm_safetensors_close(&s->st);
    free(s);
}

static const zm_dataset_ops ops = {
    .image = read_image, .mask_noise = read_noise, .close = close_source};

static void format_shape(const zm_st_entry *e, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < e->rank && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%" PRIu64, i ? ", " : "",
                                 e->shape[i]);
}

// An optional tensor of (count) or (count, columns); columns 0 = any number.
static zm_status find_column(const zm_safetensors *st, const char *name, uint64_t count,
                             uint32_t rank, uint64_t columns, const zm_st_entry **out)
{
    const zm_st_entry *e = zm_safetensors_find(st, name);
    *out = e;
    if (!e || (e->rank == rank && e->shape[0] == count &&
               (rank == 1 || columns == 0 || e->shape[1] == columns)))
        return ZM_OK;
    char found[160];
    char second[32] = "";
    format_shape(e, found, sizeof found);
    if (rank == 2)
        snprintf(second, sizeof second, columns ? ", %" PRIu64 : ", patches", columns);
    return ZM_FAIL(ZM_ERR_FORMAT,
                   "%s: tensor %s: expected shape (%" PRIu64 "%s), found (%s)",
                   zm_safetensors_path(st), name, count, second, found);
}

static zm_status find_images(zm_dataset *ds, st_source *s)
{
    const zm_st_entry *e = zm_safetensors_find(s->st, "images");
    char found[160];
    if (!e) {
        const uint64_t count = zm_safetensors_count(s->st);
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: expected a tensor images, found %" PRIu64
                       " other tensors%s%s (is this a model?)",
                       ds->path, count, count ? ", first " : "",
                       count ? zm_safetensors_at(s->st, 0)->name : "");
    }
    format_shape(e, found, sizeof found);
    if (e->rank != 4 || e->shape[1] != ZM_BANDS || e->shape[0] == 0)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: tensor images: expected shape (N, 5, H, W), found (%s)",
                       ds->path, found);
    if (e->dtype != ZM_ST_F32 && e->dtype != ZM_ST_F16)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: tensor images: expected F32 or F16", ds->path);
    ZM_TRY(zm_dataset_set_size(ds, e->shape[2], e->shape[3]));
    s->images = e;
    s->image_count = ZM_BANDS * e->shape[2] * e->shape[3];
    return zm_dataset_alloc_rows(ds, e->shape[0]);
}

// What prepare says of a cutout.
static zm_status read_flags(zm_dataset *ds, const st_source *s)
{
    const zm_st_entry *coverage, *flags;
    ZM_TRY(find_column(s->st, "coverage", ds->count, 1, 0, &coverage));
    ZM_TRY(find_column(s->st, "flags", ds->count, 1, 0, &flags));
    for (uint64_t i = 0; i < ds->count; i++) {
        int64_t value = 0;
        if (coverage)
            ZM_TRY(zm_safetensors_read_f32(s->st, coverage, i, 1, &ds->rows[i].coverage));
        if (flags)
            ZM_TRY(zm_safetensors_read_i64(s->st, flags, i, 1, &value));
        if (value < 0 || value > INT32_MAX)
            return ZM_FAIL(ZM_ERR_FORMAT,
                           "%s: tensor flags: row %" PRIu64
                           ": expected 0 to 2^31 - 1, found %" PRId64,
                           ds->path, i, value);
        ds->rows[i].flags = (uint32_t)value;
    }
    return ZM_OK;
}

// Integers may also be given as I32, reals as any real dtype.
static zm_status read_columns(zm_dataset *ds, st_source *s)
{
    const zm_st_entry *id, *ra, *dec, *z, *ebv, *mags, *label;
    const uint64_t n = ds->count;
    ZM_TRY(find_column(s->st, "object_id", n, 1, 0, &id));
    ZM_TRY(find_column(s->st, "ra", n, 1, 0, &ra));
    ZM_TRY(find_column(s->st, "dec", n, 1, 0, &dec));
    ZM_TRY(find_column(s->st, "z", n, 1, 0, &z));
    ZM_TRY(find_column(s->st, "ebv", n, 1, 0, &ebv));
    ZM_TRY(find_column(s->st, "mags", n, 2, ZM_BANDS, &mags));
    ZM_TRY(find_column(s->st, "label", n, 1, 0, &label));
    ZM_TRY(find_column(s->st, "mask_noise", n, 2, 0, &s->noise));
    for (uint64_t i = 0; i < n; i++) {
        zm_row *row = &ds->rows[i];
        int64_t value = -1;
        if (id)
            ZM_TRY(zm_safetensors_read_i64(s->st, id, i, 1, &row->object_id));
        if (ra)
            ZM_TRY(zm_safetensors_read_f64(s->st, ra, i, 1, &row->ra_deg));
        if (dec)
            ZM_TRY(zm_safetensors_read_f64(s->st, dec, i, 1, &row->dec_deg));
        if (z)
            ZM_TRY(zm_safetensors_read_f32(s->st, z, i, 1, &row->z));
        if (ebv)
            ZM_TRY(zm_safetensors_read_f32(s->st, ebv, i, 1, &row->ebv));
        if (mags)
            ZM_TRY(
                zm_safetensors_read_f32(s->st, mags, i * ZM_BANDS, ZM_BANDS, row->mags));
        if (label)
            ZM_TRY(zm_safetensors_read_i64(s->st, label, i, 1, &value));
        if (value < INT32_MIN || value > INT32_MAX)
            return ZM_FAIL(ZM_ERR_FORMAT,
                           "%s: tensor label: row %" PRIu64 ": %" PRId64
                           " is out of range",
                           ds->path, i, value);
        row->label = (int32_t)value;
    }
    ZM_TRY(read_flags(ds, s));
    ds->has_ids = id != NULL;
    ds->has_mask_noise = s->noise != NULL;
    if (s->noise && (s->noise->shape[1] == 0 || s->noise->shape[1] > UINT32_MAX))
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: tensor mask_noise: no patches", ds->path);
    ds->mask_patches = s->noise ? (uint32_t)s->noise->shape[1] : 0;
    return ZM_OK;
}

zm_status zm_dataset_open_safetensors(zm_dataset *ds, const zm_log *log)
{
    st_source *s = calloc(1, sizeof *s);
    if (!s)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to open it", ds->path);
    ds->format = "safetensors";
    zm_status st = zm_safetensors_open(ds->path, &s->st);
    if (st == ZM_OK)
        st = find_images(ds, s);
    if (st == ZM_OK)
        st = read_columns(ds, s);
    if (st != ZM_OK) {
        close_source(s);
        return st;
    }
    const char *kind = zm_safetensors_meta(s->st, "mag_kind");
    const char *simulated = zm_safetensors_meta(s->st, "simulated");
    const char *unit = zm_safetensors_meta(s->st, "unit");
    if (kind && zm_mag_kind_parse(kind, &ds->mag_kind) != ZM_OK)
        zm_log_write(log, ZM_LOG_WARN, "%s: %s; taken as aperture", ds->path,
                     zm_error_detail());
    ds->simulated = simulated && strcmp(simulated, "true") == 0;
    zm_dataset_check_unit(log, ds->path, unit ? unit : "");
    return zm_dataset_set_source(ds, &ops, s);
}
