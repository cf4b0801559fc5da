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

static const char *const id_names[] = {"object_id", "objid", "id", NULL};
static const char *const phot_names[] = {"z_phot", "zphot", "photo_z", NULL};
static const char *const spec_names[] = {"z_spec",   "zspec", "specz",
                                         "redshift", "z",     NULL};

static zm_status out_of_memory(const char *path)
{
    return ZM_FAIL(ZM_ERR_MEMORY, "%s: out of memory", path);
}

// ---- reading
// ---------------------------------------------------------------------------

static int64_t csv_column(const zm_csv *csv, const char *const *names)
{
    int64_t column = -1;
    for (; column < 0 && *names; names++)
        column = zm_csv_find(csv, *names);
    return column;
}

static zm_status csv_numbers(const zm_csv *csv, int64_t column, double **out)
{
    const uint64_t rows = zm_csv_rows(csv);
    if (column < 0)
        return ZM_OK;
    double *values = *out = zm_calloc(rows, sizeof *values);
    if (!values)
        return ZM_FAIL(ZM_ERR_MEMORY, "out of memory");
    for (uint64_t i = 0; i < rows; i++)
        ZM_TRY(zm_csv_f64(csv, i, column, &values[i]));
    return ZM_OK;
}

static zm_status csv_ids(const zm_csv *csv, int64_t column, int64_t **out)
{
    const uint64_t rows = zm_csv_rows(csv);
    if (column < 0)
        return ZM_OK;
    int64_t *values = *out = zm_calloc(rows, sizeof *values);
    if (!values)
        return ZM_FAIL(ZM_ERR_MEMORY, "out of memory");
    for (uint64_t i = 0; i < rows; i++)
        ZM_TRY(zm_csv_i64(csv, i, column, -1, &values[i]));
    return ZM_OK;
}

static zm_status read_csv(const char *path, zm_redshift_table *t)
{
    zm_csv *csv = NULL;
    ZM_TRY(zm_csv_read(path, &csv));
    t->count = zm_csv_rows(csv);
    zm_status st = ZM_OK;
    if (t->count == 0)
        st = ZM_FAIL(ZM_ERR_FORMAT, "no rows");
    if (st == ZM_OK)
        st = csv_ids(csv, csv_column(csv, id_names), &t->object_id);
    if (st == ZM_OK)
        st = csv_numbers(csv, csv_column(csv, phot_names), &t->z_phot);
    if (st == ZM_OK)
        st = csv_numbers(csv, csv_column(csv, spec_names), &t->z_spec);
    zm_csv_destroy(&csv);
    return st;
}

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
                              double **out)
{
    zm_fits_column column;
    ZM_TRY(fits_column(fits, hdu, names, &column));
    if (column.number == 0)
        return ZM_OK;
    *out = zm_calloc(column.rows, sizeof **out);
    if (!*out)
        return ZM_FAIL(ZM_ERR_MEMORY, "out of memory");
    return zm_fits_column_f64(fits, &column, 0, column.rows, *out);
}

static zm_status fits_ids(zm_fits *fits, uint32_t hdu, int64_t **out)
{
    zm_fits_column column;
    ZM_TRY(fits_column(fits, hdu, id_names, &column));
    if (column.number == 0)
        return ZM_OK;
    *out = zm_calloc(column.rows, sizeof **out);
    if (!*out)
        return ZM_FAIL(ZM_ERR_MEMORY, "out of memory");
    return zm_fits_column_i64(fits, &column, 0, column.rows, -1, *out);
}

static zm_status read_fits(const char *path, zm_redshift_table *t)
{
    zm_fits *fits = NULL;
    ZM_TRY(zm_fits_open(path, zm_cli_helper(), &fits));
    const int32_t found = zm_fits_find_table(fits, NULL);
    zm_status st = ZM_OK;
    if (found < 0) {
        st = ZM_FAIL(ZM_ERR_FORMAT, "no binary table");
    } else {
        const uint32_t hdu = (uint32_t)found;
        t->count = zm_fits_hdus(fits)->hdus[hdu].rows;
        if (t->count == 0)
            st = ZM_FAIL(ZM_ERR_FORMAT, "HDU %u: no rows", (unsigned)hdu);
        if (st == ZM_OK)
            st = fits_ids(fits, hdu, &t->object_id);
        if (st == ZM_OK)
            st = fits_numbers(fits, hdu, phot_names, &t->z_phot);
        if (st == ZM_OK)
            st = fits_numbers(fits, hdu, spec_names, &t->z_spec);
    }
    zm_fits_close(&fits);
    return st;
}

static zm_status read_dataset(const char *path, const zm_log *log, zm_redshift_table *t)
{
    zm_dataset *ds = NULL;
    ZM_TRY(zm_dataset_open(path, zm_cli_helper(), log, &ds));
    t->count = ds->count;
    t->z_spec = zm_calloc(ds->count, sizeof *t->z_spec);
    t->object_id = ds->has_ids ? zm_calloc(ds->count, sizeof *t->object_id) : NULL;
    zm_status st = ZM_OK;
    if (!t->z_spec || (ds->has_ids && !t->object_id))
        st = ZM_FAIL(ZM_ERR_MEMORY, "out of memory");
    for (uint64_t i = 0; st == ZM_OK && i < ds->count; i++) {
        t->z_spec[i] = (double)ds->rows[i].z;
        if (t->object_id)
            t->object_id[i] = ds->rows[i].object_id;
    }
    zm_dataset_close(&ds);
    return st;
}

// safetensors begin with a length in 8 bytes, then the JSON object; folders and files
// that hold NULs are no text either.
static zm_status looks_like_csv(const char *path, bool *fits, bool *csv)
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

zm_status zm_redshift_table_read(const char *path, const zm_log *log,
                                 zm_redshift_table *out)
{
    zm_redshift_table table = {0};
    bool fits = false, csv = false;
    ZM_TRY(looks_like_csv(path, &fits, &csv));
    zm_status st;
    if (fits)
        st = zm_error_context(read_fits(path, &table), "%s", path);
    else if (csv)
        st = zm_error_context(read_csv(path, &table), "%s", path);
    else
        st = read_dataset(path, log, &table);
    if (st == ZM_OK)
        *out = table;
    else
        zm_redshift_table_finish(&table);
    return st;
}

void zm_redshift_table_finish(zm_redshift_table *table)
{
    free(table->object_id);
    free(table->z_phot);
    free(table->z_spec);
    *table = (zm_redshift_table){0};
}

// ---- join
// ------------------------------------------------------------------------------

typedef struct entry {
    int64_t id;
    double z;
} entry;

static int by_id(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

// Redshifts sorted by object, each object once.
static zm_status make_index(const char *path, const zm_redshift_table *truth,
                            entry *index, uint64_t *count)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < truth->count; i++)
        if (isfinite(truth->z_spec[i]))
            index[n++] = (entry){truth->object_id[i], truth->z_spec[i]};
    qsort(index, (size_t)n, sizeof *index, by_id);
    uint64_t kept = 0;
    for (uint64_t i = 0; i < n; i++) {
        if (kept == 0 || index[kept - 1].id != index[i].id)
            index[kept++] = index[i];
        else if (index[kept - 1].z != index[i].z)
            return ZM_FAIL(ZM_ERR_FORMAT, "%s: object %lld has two redshifts, %g and %g",
                           path, (long long)index[i].id, index[kept - 1].z, index[i].z);
    }
    *count = kept;
    return ZM_OK;
}

static void add_pair(zm_redshift_pairs *pairs, double z_phot, double z_spec)
{
    if (!isfinite(z_phot)) {
        pairs->no_prediction++;
    } else if (!isfinite(z_spec)) {
        pairs->no_truth++;
    } else {
        pairs->z_phot[pairs->count] = z_phot;
        pairs->z_spec[pairs->count++] = z_spec;
    }
}

static zm_status join_by_id(const zm_redshift_table *pred, const char *truth_path,
                            const zm_redshift_table *truth, zm_redshift_pairs *pairs)
{
    entry *index = zm_calloc(truth->count, sizeof *index);
    if (!index)
        return out_of_memory(truth_path);
    uint64_t count = 0;
    const zm_status st = make_index(truth_path, truth, index, &count);
    for (uint64_t i = 0; st == ZM_OK && i < pred->count; i++) {
        const entry key = {pred->object_id[i], 0};
        const entry *found = bsearch(&key, index, (size_t)count, sizeof key, by_id);
        add_pair(pairs, pred->z_phot[i], found ? found->z : NAN);
    }
    pairs->by_id = true;
    free(index);
    return st;
}

static zm_status join(const char *pred_path, const zm_redshift_table *pred,
                      const char *truth_path, const zm_redshift_table *truth,
                      zm_redshift_pairs *pairs)
{
    if (truth != pred && pred->object_id && truth->object_id)
        return join_by_id(pred, truth_path, truth, pairs);
    if (truth->count != pred->count)
        return ZM_FAIL(
            ZM_ERR_FORMAT,
            "%s: without object_id in both files wanted as many rows as in %s, "
            "%llu, found %llu",
            truth_path, pred_path, (unsigned long long)pred->count,
            (unsigned long long)truth->count);
    for (uint64_t i = 0; i < pred->count; i++)
        add_pair(pairs, pred->z_phot[i], truth->z_spec[i]);
    return ZM_OK;
}

zm_status zm_redshift_join(const char *pred_path, const zm_redshift_table *pred,
                           const char *truth_path, const zm_redshift_table *truth,
                           zm_redshift_pairs *out)
{
    if (!pred->z_phot)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: no column z_phot", pred_path);
    if (!truth) {
        truth = pred;
        truth_path = pred_path;
    }
    if (!truth->z_spec)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: no column z_spec%s", truth_path,
                       truth == pred ? " (true redshifts may come from --truth)" : "");
    zm_redshift_pairs pairs = {0};
    pairs.z_phot = zm_calloc(pred->count, sizeof *pairs.z_phot);
    pairs.z_spec = zm_calloc(pred->count, sizeof *pairs.z_spec);
    zm_status st = pairs.z_phot && pairs.z_spec
                       ? join(pred_path, pred, truth_path, truth, &pairs)
                       : out_of_memory(pred_path);
    if (st == ZM_OK && pairs.count == 0)
        st = ZM_FAIL(ZM_ERR_FORMAT, "%s: no row has both a z_phot and a z_spec",
                     pred_path);
    if (st == ZM_OK)
        *out = pairs;
    else
        zm_redshift_pairs_finish(&pairs);
    return st;
}

void zm_redshift_pairs_finish(zm_redshift_pairs *pairs)
{
    free(pairs->z_phot);
    free(pairs->z_spec);
    *pairs = (zm_redshift_pairs){0};
}
