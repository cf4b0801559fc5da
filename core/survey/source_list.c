#include "core/survey/source_list.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/data/photometry.h"
#include "core/survey/source_mags.h"
#include "core/survey/source_table.h"

typedef struct reader {
    const char *path;
    zm_source_table *table;
    zm_source_list *list;
    const zm_log *log;
    zm_tally bad_cells;
    double *reals; // (rows) a column
    int64_t *integers;
} reader;

zm_source zm_source_unknown(void)
{
    return (zm_source){.row = zm_row_unknown(0), .run = -1, .camcol = -1, .number = -1};
}

zm_status zm_source_list_add(zm_source_list *list, const zm_source *source)
{
    if (list->count == list->capacity) {
        const uint64_t capacity = ZM_MAX(list->capacity * 2, UINT64_C(64));
        uint64_t bytes;
        zm_source *sources = NULL;
        if (zm_mul_u64(capacity, sizeof *sources, &bytes) && bytes <= SIZE_MAX)
            sources = realloc(list->sources, (size_t)bytes);
        if (!sources)
            return ZM_FAIL(ZM_ERR_MEMORY, "no memory for %" PRIu64 " sources", capacity);
        list->sources = sources;
        list->capacity = capacity;
    }
    list->sources[list->count++] = *source;
    return ZM_OK;
}

void zm_source_list_finish(zm_source_list *list)
{
    free(list->sources);
    *list = (zm_source_list){0};
}

// The first column that the table has of some names; none is no error.
static zm_status find_any(reader *r, const char *const *names, size_t count,
                          zm_source_column *out)
{
    *out = (zm_source_column){.found = false};
    for (size_t i = 0; i < count && !out->found && !out->is_text; i++)
        ZM_TRY(zm_source_table_find(r->table, names[i], 1, out));
    return ZM_OK;
}

static zm_status read_reals(reader *r, const zm_source_column *column)
{
    return zm_source_table_f64(r->table, column, r->log, &r->bad_cells, r->reals);
}

static zm_status read_integers(reader *r, const zm_source_column *column, int64_t missing)
{
    return zm_source_table_i64(r->table, column, missing, r->log, &r->bad_cells,
                               r->integers);
}

static zm_status read_positions(reader *r)
{
    zm_source_column ra, dec;
    zm_tally bad = {.what = "rows without a position"};
    ZM_TRY(zm_source_table_find(r->table, "ra", 1, &ra));
    ZM_TRY(zm_source_table_find(r->table, "dec", 1, &dec));
    if (!ra.found || !dec.found)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: expected columns ra and dec in degrees, found no %s", r->path,
                       ra.found ? "dec" : "ra");
    ZM_TRY(read_reals(r, &ra));
    for (uint64_t i = 0; i < r->list->count; i++)
        r->list->sources[i].row.ra_deg = r->reals[i];
    ZM_TRY(read_reals(r, &dec));
    for (uint64_t i = 0; i < r->list->count; i++) {
        zm_row *row = &r->list->sources[i].row;
        row->dec_deg = r->reals[i];
        if (fabs(row->ra_deg) <= 360.0 && fabs(row->dec_deg) <= 90.0)
            continue;
        zm_tally_add(&bad, r->log,
                     "%s: row %" PRIu64 ": expected RA -360..360 and Dec -90..90, found "
                     "%g %g",
                     r->path, i + 1, row->ra_deg, row->dec_deg);
        row->flags |= ZM_FLAG_BAD_ROW;
    }
    zm_tally_finish(&bad, r->log);
    r->list->faults += bad.count;
    return ZM_OK;
}

static zm_status read_field_numbers(reader *r)
{
    static const char *const names[3] = {"run", "camcol", "field"};
    for (int k = 0; k < 3; k++) {
        zm_source_column column;
        ZM_TRY(zm_source_table_find(r->table, names[k], 1, &column));
        ZM_TRY(read_integers(r, &column, -1));
        for (uint64_t i = 0; i < r->list->count; i++) {
            zm_source *s = &r->list->sources[i];
            int32_t *out[3] = {&s->run, &s->camcol, &s->number};
            const int64_t v = r->integers[i];
            *out[k] = v < 0 || v > INT32_MAX ? -1 : (int32_t)v;
        }
    }
    return ZM_OK;
}

static zm_status read_redshifts(reader *r)
{
    static const char *const names[] = {"z_spec", "zspec", "specz", "redshift"};
    zm_source_column z, u, warning;
    ZM_TRY(find_any(r, names, ZM_COUNT_OF(names), &z));
    ZM_TRY(zm_source_table_find(r->table, "u", 1, &u));
    if (!z.found && !u.found) // "u, g, r, i, z" are magnitudes
        ZM_TRY(zm_source_table_find(r->table, "z", 1, &z));
    ZM_TRY(zm_source_table_find(r->table, "zwarning", 1, &warning));
    if (!warning.found)
        ZM_TRY(zm_source_table_find(r->table, "z_warning", 1, &warning));
    ZM_TRY(read_reals(r, &z));
    ZM_TRY(read_integers(r, &warning, 0));
    uint64_t refused = 0;
    for (uint64_t i = 0; i < r->list->count; i++) {
        const double value = r->reals[i];
        if (!(value > -1.0 && value < 20.0)) // -9999 and the like
            continue;
        if (r->integers[i] != 0)
            refused++;
        else
            r->list->sources[i].row.z = (float)value;
    }
    if (refused != 0)
        zm_log_write(r->log, ZM_LOG_INFO,
                     "%s: %" PRIu64 " redshifts with zWarning are not taken", r->path,
                     refused);
    return ZM_OK;
}

static zm_status read_ids(reader *r)
{
    static const char *const names[] = {"object_id", "objid", "bestobjid"};
    zm_source_column id;
    ZM_TRY(find_any(r, names, ZM_COUNT_OF(names), &id));
    ZM_TRY(read_integers(r, &id, INT64_MIN));
    for (uint64_t i = 0; i < r->list->count; i++)
        r->list->sources[i].row.object_id =
            r->integers[i] == INT64_MIN ? (int64_t)i : r->integers[i];
    return ZM_OK;
}

typedef struct numbered_id {
    int64_t id;
    uint64_t row;
} numbered_id;

static int by_id(const void *a, const void *b)
{
    const numbered_id *x = a, *y = b;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static zm_status find_duplicates(reader *r)
{
    zm_source_list *list = r->list;
    zm_tally repeated = {.what = "repeated ids"};
    numbered_id *ids = zm_calloc(list->count, sizeof *ids);
    if (!ids)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for its ids", r->path);
    for (uint64_t i = 0; i < list->count; i++)
        ids[i] = (numbered_id){list->sources[i].row.object_id, i};
    qsort(ids, (size_t)list->count, sizeof *ids, by_id);
    for (uint64_t i = 1, first = 0; i < list->count; i++) {
        if (ids[i].id != ids[first].id) {
            first = i;
            continue;
        }
        list->sources[ids[i].row].row.flags |= ZM_FLAG_DUPLICATE_ID;
        zm_tally_add(&repeated, r->log,
                     "%s: row %" PRIu64 ": has the object_id %" PRId64 " of row %" PRIu64,
                     r->path, ids[i].row + 1, ids[i].id, ids[first].row + 1);
    }
    free(ids);
    zm_tally_finish(&repeated, r->log);
    list->faults += repeated.count;
    return ZM_OK;
}

static zm_status allocate(reader *r)
{
    const uint64_t count = zm_source_table_rows(r->table);
    if (count == 0)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: expected at least one row, found none",
                       r->path);
    r->list->sources = zm_calloc(count, sizeof *r->list->sources);
    r->reals = zm_calloc(count, sizeof *r->reals);
    r->integers = zm_calloc(count, sizeof *r->integers);
    if (!r->list->sources || !r->reals || !r->integers)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for %" PRIu64 " rows", r->path,
                       count);
    r->list->count = r->list->capacity = count;
    for (uint64_t i = 0; i < count; i++)
        r->list->sources[i] = zm_source_unknown();
    return ZM_OK;
}

static zm_status read_all(reader *r, zm_mag_choice mags)
{
    ZM_TRY(allocate(r));
    ZM_TRY(read_positions(r));
    ZM_TRY(read_ids(r));
    ZM_TRY(read_field_numbers(r));
    ZM_TRY(read_redshifts(r));
    ZM_TRY(zm_source_mags_read(r->path, r->table, mags, r->log, &r->bad_cells, r->reals,
                               r->list));
    return find_duplicates(r);
}

zm_status zm_source_list_read(const char *path, const char *helper, zm_mag_choice mags,
                              const zm_log *log, zm_source_list *out)
{
    zm_source_list list = {0};
    reader r = {.path = path,
                .list = &list,
                .log = log,
                .bad_cells = {.what = "cells that are not numbers"}};
    ZM_TRY(zm_source_table_open(path, helper, &r.table));
    const zm_status st = read_all(&r, mags);
    zm_source_table_close(&r.table);
    free(r.reals);
    free(r.integers);
    if (st != ZM_OK) {
        zm_source_list_finish(&list);
        return st;
    }
    zm_tally_finish(&r.bad_cells, log);
    list.faults += r.bad_cells.count;
    *out = list;
    return ZM_OK;
}
