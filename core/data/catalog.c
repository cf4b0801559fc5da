#include "core/data/catalog.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fitsio.h>

#include "core/data/photometry.h"
#include "core/data/sky_model.h"

#define CHUNK_ROWS 4096
#define Z_LOWEST   (-0.02)
#define Z_HIGHEST  10.0
#define R_BAND     2

typedef struct column {
    int number;  // 0 = absent
    long repeat; // numbers in a row
} column;

typedef struct table {
    const char *path;
    fitsfile *fits;
    uint64_t rows;
    column flux, extinction, z, ra, dec, r50;
} table;

static zm_status fail_cfitsio(const char *path, const char *doing, int code)
{
    char text[FLEN_STATUS] = "";
    fits_get_errstatus(code, text);
    fits_clear_errmsg();
    return ZM_FAIL(code == MEMORY_ALLOCATION ? ZM_ERR_MEMORY : ZM_ERR_FORMAT,
                   "%s: %s: %s", path, doing, text);
}

// cfitsio would also open compressed files and formats of others; these are refused.
static zm_status check_plain(const char *path, uint64_t *size_bytes)
{
    static const char magic[] = "SIMPLE  =";
    char head[sizeof magic] = "";
    FILE *f = fopen(path, "rb");
    if (!f)
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", path, strerror(errno));
    const size_t got = fread(head, 1, sizeof magic - 1, f);
    const bool seekable = fseek(f, 0, SEEK_END) == 0;
    const long size = seekable ? ftell(f) : -1;
    fclose(f);
    if (size < 0)
        return ZM_FAIL(ZM_ERR_IO, "%s: expected a regular file", path);
    if (got != sizeof magic - 1 || memcmp(head, magic, sizeof magic - 1) != 0)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: expected an uncompressed FITS file (%s...)",
                       path, magic);
    *size_bytes = (uint64_t)size;
    return ZM_OK;
}

// Looks a column up. An absent one is number 0; repeat a or b is accepted.
static zm_status find_column(const table *t, const char *name, long a, long b,
                             column *out)
{
    int code = 0, number = 0, type = 0;
    long repeat = 0, width = 0;
    char pattern[FLEN_VALUE];
    snprintf(pattern, sizeof pattern, "%s", name);
    *out = (column){0};
    if (fits_get_colnum(t->fits, CASEINSEN, pattern, &number, &code)) {
        fits_clear_errmsg();
        return ZM_OK;
    }
    if (fits_get_coltype(t->fits, number, &type, &repeat, &width, &code))
        return fail_cfitsio(t->path, name, code);
    const bool numeric = type == TBYTE || type == TSHORT || type == TUSHORT ||
                         type == TINT || type == TLONG || type == TULONG ||
                         type == TLONGLONG || type == TFLOAT || type == TDOUBLE;
    if (!numeric || (repeat != a && repeat != b))
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: column %s: expected %ld number%s a row, found %ld of type %d",
                       t->path, name, a, a == 1 ? "" : "s", repeat, type);
    *out = (column){number, repeat};
    return ZM_OK;
}

static zm_status find_columns(table *t)
{
    static const char *const sizes[] = {"PETROTH50", "PETROR50", "PETRO_TH50",
                                        "PETROR50_R"};
    ZM_TRY(find_column(t, "MODELFLUX", ZM_BANDS, ZM_BANDS, &t->flux));
    ZM_TRY(find_column(t, "EXTINCTION", ZM_BANDS, ZM_BANDS, &t->extinction));
    ZM_TRY(find_column(t, "Z", 1, 1, &t->z));
    ZM_TRY(find_column(t, "RA", 1, 1, &t->ra));
    ZM_TRY(find_column(t, "DEC", 1, 1, &t->dec));
    for (size_t i = 0; i < ZM_COUNT_OF(sizes) && t->r50.number == 0; i++)
        ZM_TRY(find_column(t, sizes[i], 1, ZM_BANDS, &t->r50));
    return ZM_OK;
}

// Goes to the first binary table with MODELFLUX and checks that the rest is there.
static zm_status find_table(table *t, uint64_t size_bytes)
{
    int code = 0, type = 0;
    bool found = false;
    while (!found && !fits_movrel_hdu(t->fits, 1, &type, &code)) {
        if (type != BINARY_TBL)
            continue;
        *t = (table){.path = t->path, .fits = t->fits};
        ZM_TRY(find_columns(t));
        found = t->flux.number != 0;
    }
    if (!found) {
        fits_clear_errmsg();
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: expected a binary table with a column MODELFLUX, found none",
                       t->path);
    }
    if (t->z.number == 0 || t->extinction.number == 0)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: the table with MODELFLUX has no column %s (needed: "
                       "MODELFLUX[5], EXTINCTION[5], Z)",
                       t->path, t->z.number == 0 ? "Z" : "EXTINCTION");
    LONGLONG rows = 0, row_bytes = 0;
    if (fits_get_num_rowsll(t->fits, &rows, &code) ||
        fits_read_key(t->fits, TLONGLONG, "NAXIS1", &row_bytes, NULL, &code))
        return fail_cfitsio(t->path, "size of the table", code);
    uint64_t table_bytes = 0;
    if (rows <= 0 || row_bytes <= 0)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: expected rows in the table, found %lld",
                       t->path, (long long)rows);
    if (!zm_mul_u64((uint64_t)rows, (uint64_t)row_bytes, &table_bytes) ||
        table_bytes > size_bytes)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: %lld rows of %lld bytes expected, the file has %llu bytes",
                       t->path, (long long)rows, (long long)row_bytes,
                       (unsigned long long)size_bytes);
    t->rows = (uint64_t)rows;
    return ZM_OK;
}

// Reads a column of rows first..first+count-1 into (count, repeat) doubles.
static zm_status read_column(const table *t, const char *name, const column *c,
                             uint64_t first, uint64_t count, double *values)
{
    int code = 0, nulls = 0; // cfitsio 4.2 writes through the last pointer unasked
    double null = NAN;
    if (fits_read_col(t->fits, TDOUBLE, c->number, (LONGLONG)first + 1, 1,
                      (LONGLONG)count * c->repeat, &null, values, &nulls, &code)) {
        char doing[80];
        snprintf(doing, sizeof doing, "column %s, rows from %llu", name,
                 (unsigned long long)first);
        return fail_cfitsio(t->path, doing, code);
    }
    return ZM_OK;
}

static zm_status fail_value(const table *t, const char *name, uint64_t row, double value)
{
    return ZM_FAIL(ZM_ERR_FORMAT, "%s: column %s, row %llu: expected %s, found %g",
                   t->path, name, (unsigned long long)row,
                   strcmp(name, "Z") == 0 ? "a redshift in -0.02..10" : "a finite number",
                   value);
}

// E(B-V) and the squared misfit, both for one set of coefficients.
static double fit_ebv(const double a_mag[ZM_BANDS], const double per_ebv[ZM_BANDS],
                      double *misfit)
{
    double product = 0.0, square = 0.0;
    for (int b = 0; b < ZM_BANDS; b++) {
        product += a_mag[b] * per_ebv[b];
        square += per_ebv[b] * per_ebv[b];
    }
    const double ebv = product / square;
    for (int b = 0; b < ZM_BANDS; b++) {
        const double miss = a_mag[b] - ebv * per_ebv[b];
        *misfit += miss * miss;
    }
    return ebv;
}

typedef struct chunk {
    double flux[CHUNK_ROWS * ZM_BANDS], extinction[CHUNK_ROWS * ZM_BANDS];
    double r50[CHUNK_ROWS * ZM_BANDS];
    double z[CHUNK_ROWS], ra[CHUNK_ROWS], dec[CHUNK_ROWS];
} chunk;

static zm_status read_chunk(const table *t, uint64_t first, uint64_t count, chunk *c)
{
    ZM_TRY(read_column(t, "MODELFLUX", &t->flux, first, count, c->flux));
    ZM_TRY(read_column(t, "EXTINCTION", &t->extinction, first, count, c->extinction));
    ZM_TRY(read_column(t, "Z", &t->z, first, count, c->z));
    if (t->ra.number != 0 && t->dec.number != 0) {
        ZM_TRY(read_column(t, "RA", &t->ra, first, count, c->ra));
        ZM_TRY(read_column(t, "DEC", &t->dec, first, count, c->dec));
    }
    if (t->r50.number != 0)
        ZM_TRY(read_column(t, "PETROTH50", &t->r50, first, count, c->r50));
    return ZM_OK;
}

// Sums of squared misfits to the extinction coefficients of SFD98 and of SF11.
typedef struct misfits {
    double sfd98, sf11;
} misfits;

static zm_status take_row(const table *t, const chunk *c, uint64_t i, uint64_t row,
                          misfits *m, zm_catalog_row *out)
{
    const bool has_position = t->ra.number != 0 && t->dec.number != 0;
    const long place = t->r50.repeat == ZM_BANDS ? R_BAND : 0;
    const double r50 = t->r50.number != 0 ? c->r50[(long)i * t->r50.repeat + place] : NAN;
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
    out->ebv = (float)fit_ebv(a_mag, zm_sfd_extinction_per_ebv, &m->sfd98);
    fit_ebv(a_mag, zm_extinction_per_ebv, &m->sf11);
    out->z = (float)c->z[i];
    out->ra_deg = has_position ? c->ra[i] : NAN;
    out->dec_deg = has_position ? c->dec[i] : NAN;
    out->r50_arcsec = r50 > 0.0 && r50 < 100.0 ? (float)r50 : NAN;
    return ZM_OK;
}

// Both sets of coefficients are per SFD98 E(B-V), so only the fit changes, by one factor
// for a table that follows SF11.
static void rescale_ebv(zm_catalog *catalog)
{
    double product = 0.0, square = 0.0;
    for (int b = 0; b < ZM_BANDS; b++) {
        product += zm_extinction_per_ebv[b] * zm_sfd_extinction_per_ebv[b];
        square += zm_sfd_extinction_per_ebv[b] * zm_sfd_extinction_per_ebv[b];
    }
    for (uint64_t i = 0; i < catalog->count; i++)
        catalog->rows[i].ebv = (float)((double)catalog->rows[i].ebv * square / product);
}

static zm_status read_rows(const table *t, zm_catalog *catalog)
{
    chunk *c = zm_calloc(1, sizeof *c);
    if (!c)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: %zu bytes", t->path, sizeof *c);
    misfits m = {0};
    zm_status st = ZM_OK;
    for (uint64_t first = 0; st == ZM_OK && first < t->rows; first += CHUNK_ROWS) {
        const uint64_t count = ZM_MIN(t->rows - first, (uint64_t)CHUNK_ROWS);
        st = read_chunk(t, first, count, c);
        for (uint64_t i = 0; st == ZM_OK && i < count; i++)
            st = take_row(t, c, i, first + i, &m, &catalog->rows[first + i]);
    }
    if (st == ZM_OK && m.sf11 < m.sfd98)
        rescale_ebv(catalog);
    free(c);
    return st;
}

zm_status zm_catalog_read(const char *path, zm_catalog **out)
{
    zm_catalog *catalog = NULL;
    table t = {.path = path};
    uint64_t size_bytes = 0;
    int code = 0;
    ZM_TRY(check_plain(path, &size_bytes));
    if (fits_open_diskfile(&t.fits, path, READONLY, &code))
        return fail_cfitsio(path, "opening", code);
    zm_status st = find_table(&t, size_bytes);
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
    code = 0;
    fits_close_file(t.fits, &code);
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
