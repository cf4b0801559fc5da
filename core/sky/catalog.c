#include "core/sky/catalog.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/data/extinction.h"
#include "core/io/fits.h"
#include "core/sky/sky_model.h"

#define CHUNK_ROWS 4096
#define Z_LOWEST   (-0.02)
#define Z_HIGHEST  10.0
#define R_BAND     2

typedef struct table {
    const char *path;
    zm_fits *fits;
    uint64_t rows;
    bool has_position;
    zm_fits_column flux, extinction, z, ra, dec, r50;
} table;

// Looks a column up. An absent one has number 0; any other holds wanted numbers a row.
static zm_status find_column(const table *t, uint32_t hdu, const char *name,
                             uint64_t wanted, zm_fits_column *out)
{
    ZM_TRY(zm_fits_column_find(t->fits, hdu, name, out));
    if (out->number == 0)
        return ZM_OK;
    if (out->is_text || out->repeat != wanted)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: column %s: expected %llu number%s a row, found %llu%s",
                       t->path, name, (unsigned long long)wanted, wanted == 1 ? "" : "s",
                       (unsigned long long)out->repeat, out->is_text ? " texts" : "");
    return ZM_OK;
}

// Sizes serve where they are there in a known shape, else they are drawn.
static zm_status find_size(const table *t, uint32_t hdu, zm_fits_column *out)
{
    static const char *const names[] = {"PETROTH50", "PETROR50", "PETRO_TH50",
                                        "PETROR50_R"};
    for (size_t i = 0; i < ZM_COUNT_OF(names); i++) {
        ZM_TRY(zm_fits_column_find(t->fits, hdu, names[i], out));
        if (out->number != 0 && !out->is_text &&
            (out->repeat == 1 || out->repeat == ZM_BANDS))
            return ZM_OK;
        out->number = 0;
    }
    return ZM_OK;
}

static zm_status find_columns(table *t, uint32_t hdu)
{
    ZM_TRY(find_column(t, hdu, "EXTINCTION", ZM_BANDS, &t->extinction));
    ZM_TRY(find_column(t, hdu, "Z", 1, &t->z));
    if (t->z.number == 0 || t->extinction.number == 0)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: the table with MODELFLUX has no column %s (needed: "
                       "MODELFLUX[5], EXTINCTION[5], Z)",
                       t->path, t->z.number == 0 ? "Z" : "EXTINCTION");
    ZM_TRY(find_column(t, hdu, "RA", 1, &t->ra));
    ZM_TRY(find_column(t, hdu, "DEC", 1, &t->dec));
    t->has_position = t->ra.number != 0 && t->dec.number != 0;
    t->rows = t->flux.rows;
    if (t->rows == 0)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: expected rows in the table, found 0", t->path);
    return find_size(t, hdu, &t->r50);
}

// Finds the first binary table with MODELFLUX and checks that the rest is there.
static zm_status find_table(table *t)
{
    const zm_fits_list *list = zm_fits_hdus(t->fits);
    for (uint32_t hdu = 0; hdu < list->count; hdu++) {
        if (list->hdus[hdu].kind != ZM_FITS_TABLE)
            continue;
        ZM_TRY(find_column(t, hdu, "MODELFLUX", ZM_BANDS, &t->flux));
        if (t->flux.number != 0)
            return find_columns(t, hdu);
    }
    return ZM_FAIL(ZM_ERR_FORMAT,
                   "%s: expected a binary table with a column MODELFLUX, found none%s%s",
                   t->path, list->note[0] ? ": " : "", list->note);
}

static zm_status fail_value(const table *t, const char *name, uint64_t row, double value)
{
    return ZM_FAIL(ZM_ERR_FORMAT, "%s: column %s, row %llu: expected %s, found %g",
                   t->path, name, (unsigned long long)row,
                   strcmp(name, "Z") == 0 ? "a redshift in -0.02..10" : "a finite number",
                   value);
}

typedef struct chunk {
    uint64_t first_row;
    double flux[CHUNK_ROWS * ZM_BANDS], extinction[CHUNK_ROWS * ZM_BANDS];
    double r50[CHUNK_ROWS * ZM_BANDS];
    double z[CHUNK_ROWS], ra[CHUNK_ROWS], dec[CHUNK_ROWS];
} chunk;

static zm_status read_chunk(const table *t, uint64_t count, chunk *c)
{
    const uint64_t first = c->first_row;
    ZM_TRY(zm_fits_column_f64(t->fits, &t->flux, first, count, c->flux));
    ZM_TRY(zm_fits_column_f64(t->fits, &t->extinction, first, count, c->extinction));
    ZM_TRY(zm_fits_column_f64(t->fits, &t->z, first, count, c->z));
    if (t->has_position) {
        ZM_TRY(zm_fits_column_f64(t->fits, &t->ra, first, count, c->ra));
        ZM_TRY(zm_fits_column_f64(t->fits, &t->dec, first, count, c->dec));
    }
    if (t->r50.number != 0)
        ZM_TRY(zm_fits_column_f64(t->fits, &t->r50, first, count, c->r50));
    return ZM_OK;
}

static zm_status take_row(const table *t, const chunk *c, uint64_t i, zm_ebv_fit *fit,
                          zm_catalog_row *out)
{
    const uint64_t row = c->first_row + i;
    const uint64_t place = t->r50.repeat == ZM_BANDS ? R_BAND : 0;
    const double r50 = t->r50.number != 0 ? c->r50[i * t->r50.repeat + place] : NAN;
    for (int b = 0; b < ZM_BANDS; b++) {
        const double flux = c->flux[i * ZM_BANDS + (uint64_t)b];
        const double a_mag = c->extinction[i * ZM_BANDS + (uint64_t)b];
        if (!isfinite((float)flux))
            return fail_value(t, "MODELFLUX", row, flux);
        if (!isfinite((float)a_mag))
            return fail_value(t, "EXTINCTION", row, a_mag);
        out->flux_nmgy[b] = (float)flux;
    }
    if (!(c->z[i] >= Z_LOWEST && c->z[i] <= Z_HIGHEST))
        return fail_value(t, "Z", row, c->z[i]);
    const double *a_mag = &c->extinction[i * ZM_BANDS];
    out->ebv = (float)zm_ebv_fit_row(fit, a_mag);
    if (isnan(out->ebv))
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: column EXTINCTION, row %llu: expected -1 to 100 mag, found "
                       "%g %g %g %g %g",
                       t->path, (unsigned long long)row, a_mag[0], a_mag[1], a_mag[2],
                       a_mag[3], a_mag[4]);
    out->z = (float)c->z[i];
    out->ra_deg = t->has_position ? c->ra[i] : NAN;
    out->dec_deg = t->has_position ? c->dec[i] : NAN;
    out->r50_arcsec = r50 > 0.0 && r50 < 100.0 ? (float)r50 : NAN;
    return ZM_OK;
}

static zm_status read_rows(const table *t, zm_catalog *catalog)
{
    chunk *c = zm_calloc(1, sizeof *c);
    if (!c)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: %zu bytes", t->path, sizeof *c);
    zm_ebv_fit fit = {0};
    zm_status st = ZM_OK;
    for (uint64_t first = 0; st == ZM_OK && first < t->rows; first += CHUNK_ROWS) {
        const uint64_t count = ZM_MIN(t->rows - first, (uint64_t)CHUNK_ROWS);
        c->first_row = first;
        st = read_chunk(t, count, c);
        for (uint64_t i = 0; st == ZM_OK && i < count; i++)
            st = take_row(t, c, i, &fit, &catalog->rows[first + i]);
    }
    const double factor = zm_ebv_fit_factor(&fit);
    for (uint64_t i = 0; st == ZM_OK && i < t->rows; i++)
        catalog->rows[i].ebv = (float)((double)catalog->rows[i].ebv * factor);
    free(c);
    return st;
}

zm_status zm_catalog_read(const char *path, zm_catalog **out)
{
    zm_catalog *catalog = NULL;
    table t = {.path = path};
    ZM_TRY(zm_fits_open(path, NULL, &t.fits));
    zm_status st = find_table(&t);
    if (st == ZM_OK) {
        catalog = zm_calloc(1, sizeof *catalog);
        if (catalog)
            catalog->rows = zm_calloc(t.rows, sizeof *catalog->rows);
        if (!catalog || !catalog->rows)
            st =
                ZM_FAIL(ZM_ERR_MEMORY, "%s: %llu rows", path, (unsigned long long)t.rows);
    }
    if (st == ZM_OK) {
        catalog->count = t.rows;
        st = read_rows(&t, catalog);
    }
    zm_fits_close(&t.fits);
    if (st != ZM_OK) {
        zm_catalog_destroy(&catalog);
        return st;
    }
    *out = catalog;
    return ZM_OK;
}

void zm_catalog_destroy(zm_catalog **catalog)
{
    if (!*catalog)
        return;
    free((*catalog)->rows);
    free(*catalog);
    *catalog = NULL;
}
