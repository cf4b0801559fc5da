#include "core/cli/redshift_table.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cli/cli.h"
#include "core/data/dataset.h"
#include "core/io/csv.h"
#include "core/io/fits.h"

enum { R_BAND = 2 };
static const char *const id_names[] = {"object_id", "objid", "id", NULL};
static const char *const phot_names[] = {"z_phot", "zphot",   "photo_z", "zmean",
                                         "zmode",  "zmedian", NULL};
static const char *const spec_names[] = {"z_spec",   "zspec", "specz",
                                         "redshift", "z",     NULL};
static const char *const r_names[] = {"r_mag",   "mag_r",      "dered_r",
                                      "r_dered", "modelmag_r", NULL};

static zm_status out_of_memory(void)
{
    return ZM_FAIL(ZM_ERR_MEMORY, "out of memory");
}

static zm_status start_column(zm_redshift_column *column, const char *name,
                              uint64_t count)
{
    column->name = zm_strdup(name);
    column->values = zm_calloc(count, sizeof *column->values);
    return column->name && column->values ? ZM_OK : out_of_memory();
}

// ---- CSV

static int64_t csv_column(const zm_csv *csv, const char *const *names)
{
    int64_t column = -1;
    for (; column < 0 && *names; names++)
        column = zm_csv_find(csv, *names);
    return column;
}

static zm_status csv_numbers(const zm_csv *csv, const char *const *names,
                             zm_redshift_column *out)
{
    const uint64_t rows = zm_csv_rows(csv);
    const int64_t column = csv_column(csv, names);
    if (column < 0)
        return ZM_OK;
    ZM_TRY(start_column(out, zm_csv_name(csv, (uint64_t)column), rows));
    for (uint64_t i = 0; i < rows; i++)
        ZM_TRY(zm_csv_f64(csv, i, column, &out->values[i]));
    return ZM_OK;
}

static zm_status csv_ids(const zm_csv *csv, int64_t **out)
{
    const uint64_t rows = zm_csv_rows(csv);
    const int64_t column = csv_column(csv, id_names);
    if (column < 0)
        return ZM_OK;
    int64_t *values = *out = zm_calloc(rows, sizeof *values);
    if (!values)
        return out_of_memory();
    for (uint64_t i = 0; i < rows; i++)
        ZM_TRY(zm_csv_i64(csv, i, column, -1, &values[i]));
    return ZM_OK;
}

static zm_status read_csv(const char *const *points, zm_redshift_table *t)
{
    zm_csv *csv = NULL;
    ZM_TRY(zm_csv_read(t->path, &csv));
    t->count = zm_csv_rows(csv);
    zm_status st = t->count > 0 ? ZM_OK : ZM_FAIL(ZM_ERR_FORMAT, "no rows");
    if (st == ZM_OK)
        st = csv_ids(csv, &t->object_id);
    if (st == ZM_OK)
        st = csv_numbers(csv, points, &t->z_phot);
    if (st == ZM_OK)
        st = csv_numbers(csv, spec_names, &t->z_spec);
    if (st == ZM_OK)
        st = csv_numbers(csv, r_names, &t->r_mag);
    zm_csv_destroy(&csv);
    return st;
}

// ---- FITS

static zm_status fits_column(zm_fits *fits, uint32_t hdu, const char *const *names,
                             zm_fits_column *out)
{
    *out = (zm_fits_column){0};
    for (; out->number == 0 && *names; names++)
        ZM_TRY(zm_fits_column_find(fits, hdu, *names, out));
    if (out->number > 0 && (out->repeat != 1 || out->is_text))
        return ZM_FAIL(ZM_ERR_FORMAT, "column %s: wanted one number a row", out->name);
    return ZM_OK;
}

static zm_status fits_numbers(zm_fits *fits, uint32_t hdu, const char *const *names,
                              zm_redshift_column *out)
{
    zm_fits_column column;
    ZM_TRY(fits_column(fits, hdu, names, &column));
    if (column.number == 0)
        return ZM_OK;
    ZM_TRY(start_column(out, column.name, column.rows));
    return zm_fits_column_f64(fits, &column, 0, column.rows, out->values);
}

// The third of the five magnitudes of a data set.
static zm_status fits_r_of_mags(zm_fits *fits, uint32_t hdu, zm_redshift_column *out)
{
    zm_fits_column column;
    ZM_TRY(zm_fits_column_find(fits, hdu, "mags", &column));
    if (column.number == 0 || column.repeat != ZM_BANDS || column.is_text)
        return ZM_OK;
    ZM_TRY(start_column(out, "mags[2]", column.rows));
    for (uint64_t i = 0; i < column.rows; i++) {
        double mags[ZM_BANDS];
        ZM_TRY(zm_fits_column_f64(fits, &column, i, 1, mags));
        out->values[i] = mags[R_BAND];
    }
    return ZM_OK;
}

static zm_status fits_ids(zm_fits *fits, uint32_t hdu, int64_t **out)
{
    zm_fits_column column;
    ZM_TRY(fits_column(fits, hdu, id_names, &column));
    if (column.number == 0)
        return ZM_OK;
    *out = zm_calloc(column.rows, sizeof **out);
    return *out ? zm_fits_column_i64(fits, &column, 0, column.rows, -1, *out)
                : out_of_memory();
}

static zm_status fits_columns(zm_fits *fits, const char *const *points,
                              zm_redshift_table *t)
{
    const bool qp =
        zm_fits_find_table(fits, "meta") >= 0 && zm_fits_find_table(fits, "data") >= 0;
    const int32_t found = zm_fits_find_table(fits, qp ? "ancil" : NULL);
    if (found < 0)
        return ZM_FAIL(ZM_ERR_FORMAT, "no %s",
                       qp ? "table ancil with object_id and point redshifts (zmean, "
                            "zmode) beside meta and data"
                          : "binary table");
    const uint32_t hdu = (uint32_t)found;
    t->count = zm_fits_hdus(fits)->hdus[hdu].rows;
    if (t->count == 0)
        return ZM_FAIL(ZM_ERR_FORMAT, "HDU %u: no rows", (unsigned)hdu);
    ZM_TRY(fits_ids(fits, hdu, &t->object_id));
    ZM_TRY(fits_numbers(fits, hdu, points, &t->z_phot));
    ZM_TRY(fits_numbers(fits, hdu, spec_names, &t->z_spec));
    ZM_TRY(fits_numbers(fits, hdu, r_names, &t->r_mag));
    return t->r_mag.values ? ZM_OK : fits_r_of_mags(fits, hdu, &t->r_mag);
}

static zm_status read_fits(const char *const *points, zm_redshift_table *t)
{
    zm_fits *fits = NULL;
    ZM_TRY(zm_fits_open(t->path, zm_cli_helper(), &fits));
    const zm_status st = fits_columns(fits, points, t);
    zm_fits_close(&fits);
    return st;
}

// ---- data sets

static zm_status dataset_columns(const zm_dataset *ds, zm_redshift_table *t)
{
    t->count = ds->count;
    ZM_TRY(start_column(&t->z_spec, "z", ds->count));
    if (ds->has_mags)
        ZM_TRY(start_column(&t->r_mag, "mags[2]", ds->count));
    if (ds->has_ids && !(t->object_id = zm_calloc(ds->count, sizeof *t->object_id)))
        return out_of_memory();
    for (uint64_t i = 0; i < ds->count; i++) {
        t->z_spec.values[i] = (double)ds->rows[i].z;
        if (ds->has_mags)
            t->r_mag.values[i] = (double)ds->rows[i].mags[R_BAND];
        if (ds->has_ids)
            t->object_id[i] = ds->rows[i].object_id;
    }
    return ZM_OK;
}

static zm_status read_dataset(const zm_log *log, zm_redshift_table *t)
{
    zm_dataset *ds = NULL;
    ZM_TRY(zm_dataset_open(t->path, zm_cli_helper(), log, &ds));
    const zm_status st = dataset_columns(ds, t);
    zm_dataset_close(&ds);
    return st;
}

// safetensors begin with a length in 8 bytes, then the JSON object; folders and files
// that hold NULs are no text either.
static zm_status recognise(const char *path, bool *fits, bool *csv)
{
    uint8_t head[4096];
    FILE *f = fopen(path, "rb");
    if (!f)
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", path, strerror(errno));
    const size_t n = fread(head, 1, sizeof head, f);
    const bool failed = ferror(f) != 0;
    const bool folder = failed && errno == EISDIR;
    fclose(f);
    if (failed && !folder)
        return ZM_FAIL(ZM_ERR_IO, "%s: cannot be read", path);
    *fits = zm_fits_is_fits(head, n);
    *csv = !folder && !memchr(head, '\0', n);
    return ZM_OK;
}

zm_status zm_redshift_table_read(const char *path, const char *point, const zm_log *log,
                                 zm_redshift_table *out)
{
    const char *const named[] = {point, NULL};
    const char *const *points = point ? named : phot_names;
    zm_redshift_table table = {.path = zm_strdup(path)};
    bool csv = false;
    zm_status st = table.path ? recognise(path, &table.is_fits, &csv) : out_of_memory();
    if (st == ZM_OK && table.is_fits)
        st = zm_error_context(read_fits(points, &table), "%s", path);
    else if (st == ZM_OK && csv)
        st = zm_error_context(read_csv(points, &table), "%s", path);
    else if (st == ZM_OK)
        st = read_dataset(log, &table);
    if (st == ZM_OK && point && !table.z_phot.values)
        st = ZM_FAIL(ZM_ERR_FORMAT, "%s: no column %s", path, point);
    if (st == ZM_OK)
        *out = table;
    else
        zm_redshift_table_finish(&table);
    return st;
}

static void finish_column(zm_redshift_column *column)
{
    free(column->values);
    free(column->name);
}

void zm_redshift_table_finish(zm_redshift_table *table)
{
    free(table->path);
    free(table->object_id);
    finish_column(&table->z_phot);
    finish_column(&table->z_spec);
    finish_column(&table->r_mag);
    *table = (zm_redshift_table){0};
}

bool zm_redshift_table_counts_rows(const zm_redshift_table *table)
{
    if (!table->object_id)
        return false;
    for (uint64_t i = 0; i < table->count; i++)
        if (table->object_id[i] != (int64_t)i)
            return false;
    return true;
}
