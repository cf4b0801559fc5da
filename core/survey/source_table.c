#include "core/survey/source_table.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/io/csv.h"
#include "core/io/fits.h"

enum { CHUNK_VALUES = 4096 }; // read of a vector column at a time

struct zm_source_table {
    char *path;
    zm_csv *csv; // one of the two
    zm_fits *fits;
    uint32_t hdu;
    uint64_t rows;
};

static zm_status starts_as_fits(const char *path, bool *yes)
{
    uint8_t start[8] = {0};
    FILE *f = fopen(path, "rb");
    if (!f)
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", path, strerror(errno));
    const size_t n = fread(start, 1, sizeof start, f);
    fclose(f);
    *yes = zm_fits_is_fits(start, n);
    return ZM_OK;
}

static zm_status open_fits(zm_source_table *t, const char *helper)
{
    ZM_TRY(zm_fits_open(t->path, helper, &t->fits));
    const zm_fits_list *list = zm_fits_hdus(t->fits);
    int32_t chosen = zm_fits_find_table(t->fits, NULL);
    for (uint32_t i = 0; i < list->count; i++) {
        zm_fits_column ra, dec;
        if (list->hdus[i].kind != ZM_FITS_TABLE || list->hdus[i].truncated)
            continue;
        ZM_TRY(zm_fits_column_find(t->fits, i, "RA", &ra));
        ZM_TRY(zm_fits_column_find(t->fits, i, "DEC", &dec));
        if (ra.number != 0 && dec.number != 0) {
            chosen = (int32_t)i;
            break;
        }
    }
    if (chosen < 0)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: expected a binary table, found none in %u HDUs", t->path,
                       (unsigned)list->count);
    t->hdu = (uint32_t)chosen;
    t->rows = list->hdus[chosen].rows;
    return zm_fits_verify(t->fits, t->hdu);
}

zm_status zm_source_table_open(const char *path, const char *helper,
                               zm_source_table **out)
{
    bool is_fits = false;
    ZM_TRY(starts_as_fits(path, &is_fits));
    zm_source_table *t = calloc(1, sizeof *t);
    zm_status st = ZM_OK;
    if (!t || !(t->path = zm_strdup(path)))
        st = ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to open it", path);
    else
        st = is_fits ? open_fits(t, helper) : zm_csv_read(path, &t->csv);
    if (st != ZM_OK) {
        zm_source_table_close(&t);
        return st;
    }
    if (t->csv)
        t->rows = zm_csv_rows(t->csv);
    *out = t;
    return ZM_OK;
}

void zm_source_table_close(zm_source_table **table)
{
    if (!*table)
        return;
    zm_csv_destroy(&(*table)->csv);
    zm_fits_close(&(*table)->fits);
    free((*table)->path);
    free(*table);
    *table = NULL;
}

uint64_t zm_source_table_rows(const zm_source_table *table)
{
    return table->rows;
}

zm_status zm_source_table_find(zm_source_table *t, const char *name, uint64_t repeat,
                               zm_source_column *out)
{
    *out = (zm_source_column){.found = false};
    snprintf(out->name, sizeof out->name, "%s", name);
    if (t->csv) {
        out->found = repeat == 1 && zm_csv_find(t->csv, name) >= 0;
        return ZM_OK;
    }
    zm_fits_column column;
    ZM_TRY(zm_fits_column_find(t->fits, t->hdu, name, &column));
    out->found = column.number != 0 && !column.is_text && column.repeat == repeat;
    out->is_text = column.number != 0 && column.is_text && repeat == 1;
    return ZM_OK;
}

// SkyServer writes null, other databases \N.
static bool is_null(const zm_source_table *t, uint64_t row, int64_t column)
{
    const char *cell = zm_csv_cell(t->csv, row, (uint64_t)column);
    return strcasecmp(cell, "null") == 0 || strcmp(cell, "\\N") == 0;
}

static void report(const zm_log *log, zm_tally *bad)
{
    zm_tally_add(bad, log, "%s", zm_error_detail());
}

static zm_status fits_f64(zm_source_table *t, const zm_source_column *column, double *out)
{
    double chunk[CHUNK_VALUES];
    zm_fits_column c;
    ZM_TRY(zm_fits_column_find(t->fits, t->hdu, column->name, &c));
    const uint64_t step = CHUNK_VALUES / c.repeat;
    for (uint64_t at = 0; at < t->rows; at += step) {
        const uint64_t n = ZM_MIN(step, t->rows - at);
        ZM_TRY(zm_fits_column_f64(t->fits, &c, at, n, chunk));
        for (uint64_t i = 0; i < n; i++)
            out[at + i] = chunk[i * c.repeat + column->element];
    }
    return ZM_OK;
}

zm_status zm_source_table_f64(zm_source_table *t, const zm_source_column *column,
                              const zm_log *log, zm_tally *bad, double *out)
{
    for (uint64_t i = 0; i < t->rows; i++)
        out[i] = (double)NAN;
    if (!column->found)
        return ZM_OK;
    if (t->fits)
        return fits_f64(t, column, out);
    const int64_t c = zm_csv_find(t->csv, column->name);
    for (uint64_t i = 0; i < t->rows; i++)
        if (!is_null(t, i, c) && zm_csv_f64(t->csv, i, c, &out[i]) != ZM_OK)
            report(log, bad);
    return ZM_OK;
}

// SDSS's own tables hold ids as text: "1237662301903192107".
static zm_status fits_text_i64(zm_source_table *t, const zm_fits_column *c,
                               const zm_log *log, zm_tally *bad, int64_t *out)
{
    for (uint64_t i = 0; i < t->rows; i++) {
        char cell[64];
        char *end;
        ZM_TRY(zm_fits_column_text(t->fits, c, i, sizeof cell, cell));
        errno = 0;
        const intmax_t value = strtoimax(cell, &end, 10);
        if (cell[0] == '\0')
            continue;
        if (*end == '\0' && errno == 0 && value >= INT64_MIN && value <= INT64_MAX)
            out[i] = (int64_t)value;
        else
            zm_tally_add(bad, log,
                         "%s: row %" PRIu64
                         ", column %s: expected a 64-bit integer, found "
                         "\"%.40s\"",
                         t->path, i + 1, c->name, cell);
    }
    return ZM_OK;
}

zm_status zm_source_table_i64(zm_source_table *t, const zm_source_column *column,
                              int64_t missing, const zm_log *log, zm_tally *bad,
                              int64_t *out)
{
    for (uint64_t i = 0; i < t->rows; i++)
        out[i] = missing;
    if (!column->found && !column->is_text)
        return ZM_OK;
    if (t->fits) {
        zm_fits_column c;
        ZM_TRY(zm_fits_column_find(t->fits, t->hdu, column->name, &c));
        return c.is_text ? fits_text_i64(t, &c, log, bad, out)
                         : zm_fits_column_i64(t->fits, &c, 0, t->rows, missing, out);
    }
    const int64_t c = zm_csv_find(t->csv, column->name);
    for (uint64_t i = 0; i < t->rows; i++)
        if (!is_null(t, i, c) && zm_csv_i64(t->csv, i, c, missing, &out[i]) != ZM_OK)
            report(log, bad);
    return ZM_OK;
}
