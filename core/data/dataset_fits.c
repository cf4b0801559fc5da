// Data sets as FITS: a binary table with a column IMAGE, or one cube of five bands.
#include "core/data/dataset_impl.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct fits_source {
    zm_fits *fits;
    zm_fits_column image; // of a table
    zm_fits_image *cube;  // of a cube
} fits_source;

static zm_status table_image(void *state, uint64_t row, float *image)
{
    fits_source *s = state;
    return zm_fits_column_f32(s->fits, &s->image, row, 1, image);
}

static zm_status cube_image(void *state, uint64_t row, float *image)
{
    const fits_source *s = state;
    const zm_fits_image *c = s->cube;
    (void)row;
    memcpy(image, c->data, (size_t)c->width * c->height * c->depth * sizeof *image);
    return ZM_OK;
}

static void close_source(void *state)
{
    fits_source *s = state;
    zm_fits_close(&s->fits);
    zm_fits_image_destroy(&s->cube);
    free(s);
}

static const zm_dataset_ops table_ops = {.image = table_image, .close = close_source};
static const zm_dataset_ops cube_ops = {.image = cube_image, .close = close_source};

zm_status zm_dataset_load_cube(zm_fits *fits, const zm_log *log, zm_fits_image **out)
{
    zm_fits_image *cube = NULL;
    const char *path = zm_fits_path(fits);
    const int32_t hdu = zm_fits_find_image(fits);
    if (hdu >= 0) { // before any pixel is read
        const zm_fits_hdu *h = &zm_fits_hdus(fits)->hdus[hdu];
        if (h->naxis == 2)
            return ZM_FAIL(ZM_ERR_FORMAT,
                           "%s: HDU %d: expected NAXIS3 = 5 (u g r i z), found 2 axes "
                           "%" PRIu64 " x %" PRIu64,
                           path, (int)hdu, h->axes[0], h->axes[1]);
        if (h->axes[2] != ZM_BANDS)
            return ZM_FAIL(ZM_ERR_FORMAT,
                           "%s: HDU %d: expected NAXIS3 = 5 (u g r i z), found %" PRIu64,
                           path, (int)hdu, h->axes[2]);
    }
    ZM_TRY(zm_fits_image_load(fits, hdu, 0, &cube));
    double soft_bias = 0; // corrected frames keep the keyword, their pixels have none
    if (zm_fits_key_f64(cube->header, "SOFTBIAS", &soft_bias) && soft_bias != 0.0 &&
        !zm_dataset_is_nanomaggy(cube->unit)) {
        zm_fits_image_destroy(&cube);
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: HDU %d: expected calibrated pixels, found an fpC image "
                       "(SOFTBIAS = %g)",
                       path, (int)hdu, soft_bias);
    }
    zm_dataset_check_unit(log, path, cube->unit);
    *out = cube;
    return ZM_OK;
}

void zm_dataset_header_row(const zm_fits_image *cube, zm_row *row)
{
    char type[ZM_FITS_TEXT] = "";
    double x = 0;
    double y = 0;
    double ra = (double)NAN;
    double dec = (double)NAN;
    double ebv = (double)NAN;
    // The reference position is the object's only where it is the centre of the cutout.
    if (zm_fits_key_string(cube->header, "CTYPE1", type) &&
        strncmp(type, "RA--", 4) == 0 && zm_fits_key_f64(cube->header, "CRPIX1", &x) &&
        zm_fits_key_f64(cube->header, "CRPIX2", &y) &&
        fabs(x - (cube->width + 1.0) / 2) <= 0.5 &&
        fabs(y - (cube->height + 1.0) / 2) <= 0.5 &&
        zm_fits_key_f64(cube->header, "CRVAL1", &ra) &&
        zm_fits_key_f64(cube->header, "CRVAL2", &dec)) {
        row->ra_deg = ra;
        row->dec_deg = dec;
    }
    if (zm_fits_key_f64(cube->header, "EBV", &ebv))
        row->ebv = (float)ebv;
}

static zm_status open_cube(zm_dataset *ds, fits_source *s, const zm_log *log)
{
    ds->format = "fits-cube";
    ZM_TRY(zm_dataset_load_cube(s->fits, log, &s->cube));
    ZM_TRY(zm_dataset_set_size(ds, s->cube->height, s->cube->width));
    ZM_TRY(zm_dataset_alloc_rows(ds, 1));
    zm_dataset_header_row(s->cube, &ds->rows[0]);
    return ZM_OK;
}

// Width and height from TDIM (W, H, 5), or a square from the number of elements.
static zm_status image_size(zm_dataset *ds, const zm_fits_column *c)
{
    if (c->naxis == 3 && c->axes[2] == ZM_BANDS)
        return zm_dataset_set_size(ds, c->axes[1], c->axes[0]);
    if (c->naxis == 1 && c->repeat % ZM_BANDS == 0) {
        const uint64_t side = (uint64_t)lround(sqrt((double)(c->repeat / ZM_BANDS)));
        if (side * side * ZM_BANDS == c->repeat)
            return zm_dataset_set_size(ds, side, side);
    }
    return ZM_FAIL(
        ZM_ERR_FORMAT,
        "%s: HDU %u: column IMAGE: expected TDIM (W,H,5), found %u axes, %" PRIu64
        " elements",
        ds->path, (unsigned)c->hdu, (unsigned)c->naxis, c->repeat);
}

// Finds an optional column and checks its length.
static zm_status find_column(zm_dataset *ds, fits_source *s, const char *name,
                             uint64_t repeat, zm_fits_column *out)
{
    ZM_TRY(zm_fits_column_find(s->fits, s->image.hdu, name, out));
    if (out->number != 0 && (out->repeat != repeat || out->is_text))
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: HDU %u: column %s: expected %" PRIu64
                       " numbers a row, found %" PRIu64 "%s",
                       ds->path, (unsigned)out->hdu, name, repeat, out->repeat,
                       out->is_text ? " texts" : "");
    return ZM_OK;
}

static zm_status read_ids(zm_dataset *ds, fits_source *s)
{
    zm_fits_column id;
    ZM_TRY(find_column(ds, s, "OBJECT_ID", 1, &id));
    ds->has_ids = id.number != 0;
    for (uint64_t i = 0; ds->has_ids && i < ds->count; i++)
        ZM_TRY(
            zm_fits_column_i64(s->fits, &id, i, 1, (int64_t)i, &ds->rows[i].object_id));
    return ZM_OK;
}

// What prepare says of a cutout.
static zm_status read_flags(zm_dataset *ds, fits_source *s)
{
    zm_fits_column coverage, flags;
    ZM_TRY(find_column(ds, s, "COVERAGE", 1, &coverage));
    ZM_TRY(find_column(ds, s, "FLAGS", 1, &flags));
    for (uint64_t i = 0; i < ds->count; i++) {
        int64_t value = 0;
        if (coverage.number)
            ZM_TRY(zm_fits_column_f32(s->fits, &coverage, i, 1, &ds->rows[i].coverage));
        if (flags.number)
            ZM_TRY(zm_fits_column_i64(s->fits, &flags, i, 1, 0, &value));
        if (value < 0 || value > INT32_MAX)
            return ZM_FAIL(ZM_ERR_FORMAT,
                           "%s: HDU %u: column FLAGS: row %" PRIu64
                           ": expected 0 to 2^31 - 1, found %" PRId64,
                           ds->path, (unsigned)s->image.hdu, i + 1, value);
        ds->rows[i].flags = (uint32_t)value;
    }
    return ZM_OK;
}

static zm_status read_columns(zm_dataset *ds, fits_source *s)
{
    zm_fits_column ra, dec, z, ebv, mags;
    ZM_TRY(find_column(ds, s, "RA", 1, &ra));
    ZM_TRY(find_column(ds, s, "DEC", 1, &dec));
    ZM_TRY(find_column(ds, s, "Z", 1, &z));
    ZM_TRY(find_column(ds, s, "EBV", 1, &ebv));
    ZM_TRY(find_column(ds, s, "MAGS", ZM_BANDS, &mags));
    ZM_TRY(read_ids(ds, s));
    for (uint64_t i = 0; i < ds->count; i++) { // row by row: columns lie side by side
        zm_row *row = &ds->rows[i];
        if (ra.number)
            ZM_TRY(zm_fits_column_f64(s->fits, &ra, i, 1, &row->ra_deg));
        if (dec.number)
            ZM_TRY(zm_fits_column_f64(s->fits, &dec, i, 1, &row->dec_deg));
        if (z.number)
            ZM_TRY(zm_fits_column_f32(s->fits, &z, i, 1, &row->z));
        if (ebv.number)
            ZM_TRY(zm_fits_column_f32(s->fits, &ebv, i, 1, &row->ebv));
        if (mags.number)
            ZM_TRY(zm_fits_column_f32(s->fits, &mags, i, 1, row->mags));
    }
    return ZM_OK;
}

static zm_status read_table_header(zm_dataset *ds, fits_source *s, const zm_log *log)
{
    char *header = NULL;
    char text[ZM_FITS_TEXT] = "";
    ZM_TRY(zm_fits_header(s->fits, s->image.hdu, &header));
    if (zm_fits_key_string(header, "MAGKIND", text) &&
        zm_mag_kind_parse(text, &ds->mag_kind) != ZM_OK)
        zm_log_write(log, ZM_LOG_WARN, "%s: %s; taken as aperture", ds->path,
                     zm_error_detail());
    ds->simulated = zm_fits_key_bool(header, "SIMULATD");
    free(header);
    zm_dataset_check_unit(log, ds->path, s->image.unit);
    return ZM_OK;
}

static zm_status open_table(zm_dataset *ds, fits_source *s, uint32_t hdu,
                            const zm_log *log)
{
    ds->format = "fits-table";
    ZM_TRY(zm_fits_verify(s->fits, hdu));
    ZM_TRY(zm_fits_column_find(s->fits, hdu, "IMAGE", &s->image));
    if (s->image.number == 0 || s->image.is_text)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: HDU %u: expected a column IMAGE of numbers",
                       ds->path, (unsigned)hdu);
    ZM_TRY(image_size(ds, &s->image));
    ZM_TRY(zm_dataset_alloc_rows(ds, s->image.rows));
    ZM_TRY(read_columns(ds, s));
    ZM_TRY(read_flags(ds, s));
    return read_table_header(ds, s, log);
}

// The table OBJECTS, else the first table with a column IMAGE; -1 where there is none.
static zm_status find_objects(fits_source *s, int32_t *hdu)
{
    const zm_fits_list *list = zm_fits_hdus(s->fits);
    *hdu = zm_fits_find_table(s->fits, "OBJECTS");
    for (uint32_t i = 0; *hdu < 0 && i < list->count; i++) {
        zm_fits_column image = {0};
        if (list->hdus[i].kind != ZM_FITS_TABLE || list->hdus[i].truncated)
            continue;
        ZM_TRY(zm_fits_column_find(s->fits, i, "IMAGE", &image));
        if (image.number != 0)
            *hdu = (int32_t)i;
    }
    return ZM_OK;
}

zm_status zm_dataset_open_fits(zm_dataset *ds, const char *helper, const zm_log *log)
{
    int32_t hdu = -1;
    fits_source *s = calloc(1, sizeof *s);
    if (!s)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to open it", ds->path);
    zm_status st = zm_fits_open(ds->path, helper, &s->fits);
    if (st == ZM_OK)
        st = find_objects(s, &hdu);
    if (st == ZM_OK && hdu < 0 && zm_fits_find_image(s->fits) < 0) {
        const zm_fits_list *list = zm_fits_hdus(s->fits);
        st = ZM_FAIL(
            ZM_ERR_FORMAT,
            "%s: expected a table with a column IMAGE or a cube with NAXIS3 = 5, "
            "found neither in %u HDUs%s%s",
            ds->path, (unsigned)list->count, list->note[0] ? "; " : "", list->note);
    }
    if (st == ZM_OK)
        st = hdu >= 0 ? open_table(ds, s, (uint32_t)hdu, log) : open_cube(ds, s, log);
    if (st != ZM_OK) {
        close_source(s);
        return st;
    }
    return zm_dataset_set_source(ds, hdu >= 0 ? &table_ops : &cube_ops, s);
}
