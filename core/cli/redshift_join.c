#include "core/cli/redshift_join.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

zm_status zm_join_parse(const char *name, zm_join *out)
{
    static const char *const names[] = {"auto", "id", "row"};
    for (size_t i = 0; i < ZM_COUNT_OF(names); i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (zm_join)i;
            return ZM_OK;
        }
    return ZM_FAIL(ZM_ERR_USAGE, "--join: wanted auto, id or row, found %s", name);
}

// ---- truth sorted by object

typedef struct entry {
    int64_t id;
    uint64_t row;
    bool used;
} entry;

typedef struct id_index {
    entry *entries; // (count) by id, each id once
    uint64_t count;
} id_index;

static int by_id(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->id != y->id)
        return x->id > y->id ? 1 : -1;
    return (x->row > y->row) - (x->row < y->row);
}

// An object that stands twice must have one redshift; of equal rows the first counts.
static zm_status drop_doubles(const zm_redshift_table *truth, id_index *index)
{
    uint64_t kept = 0;
    for (uint64_t i = 0; i < index->count; i++) {
        const entry *e = &index->entries[i], *last = &index->entries[kept ? kept - 1 : 0];
        if (kept == 0 || last->id != e->id) {
            index->entries[kept++] = *e;
            continue;
        }
        const double a = truth->z_spec.values[last->row];
        const double b = truth->z_spec.values[e->row];
        if (isfinite(a) && isfinite(b) && a != b)
            return ZM_FAIL(ZM_ERR_FORMAT, "%s: object %lld has two redshifts, %g and %g",
                           truth->path, (long long)e->id, a, b);
        if (!isfinite(a))
            index->entries[kept - 1].row = e->row;
    }
    index->count = kept;
    return ZM_OK;
}

static zm_status make_index(const zm_redshift_table *truth, id_index *out)
{
    id_index index = {zm_calloc(truth->count, sizeof *index.entries), truth->count};
    if (!index.entries)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: out of memory", truth->path);
    for (uint64_t i = 0; i < truth->count; i++)
        index.entries[i] =
            (entry){truth->object_id ? truth->object_id[i] : (int64_t)i, i, false};
    qsort(index.entries, (size_t)index.count, sizeof *index.entries, by_id);
    const zm_status st = drop_doubles(truth, &index);
    if (st != ZM_OK)
        free(index.entries);
    else
        *out = index;
    return st;
}

static entry *find(const id_index *index, int64_t id)
{
    uint64_t low = 0, high = index->count;
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        if (index->entries[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < index->count && index->entries[low].id == id ? &index->entries[low]
                                                              : NULL;
}

// ---- pairs

typedef struct joiner {
    const zm_redshift_table *pred, *truth;
    const zm_redshift_table *r_from; // the table with r_mag, or NULL
    zm_redshift_pairs pairs;
} joiner;

// Row `at` of truth for prediction i; at = truth->count: there is none.
static void add_pair(joiner *j, uint64_t i, uint64_t at)
{
    zm_redshift_pairs *p = &j->pairs;
    const double z_phot = j->pred->z_phot.values[i];
    const double z_spec = at < j->truth->count ? j->truth->z_spec.values[at] : NAN;
    if (!isfinite(z_phot)) {
        p->no_prediction++;
    } else if (!isfinite(z_spec)) {
        p->no_truth++;
    } else {
        p->z_phot[p->count] = z_phot;
        p->z_spec[p->count] = z_spec;
        p->row[p->count] = i;
        if (p->r_mag)
            p->r_mag[p->count] = j->r_from->r_mag.values[j->r_from == j->pred ? i : at];
        p->count++;
    }
}

static void pair_by_id(joiner *j, const id_index *index)
{
    for (uint64_t i = 0; i < j->pred->count; i++) {
        entry *e = find(index, j->pred->object_id[i]);
        add_pair(j, i, e ? e->row : j->truth->count);
        if (e)
            e->used = true;
    }
    for (uint64_t i = 0; i < index->count; i++)
        if (!index->entries[i].used &&
            isfinite(j->truth->z_spec.values[index->entries[i].row]))
            j->pairs.unused_truth++;
    j->pairs.by_id = true;
}

static zm_status pair_by_row(joiner *j)
{
    if (j->truth->count != j->pred->count)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: to join by row wanted as many rows as in %s, %llu, found "
                       "%llu (--join id joins by object_id)",
                       j->truth->path, j->pred->path, (unsigned long long)j->pred->count,
                       (unsigned long long)j->truth->count);
    for (uint64_t i = 0; i < j->pred->count; i++)
        add_pair(j, i, i);
    return ZM_OK;
}

// Whether ids that may only count rows on one side still name the same objects.
static zm_status check_ids(const joiner *j, zm_join how, const id_index *index)
{
    uint64_t found = 0;
    for (uint64_t i = 0; i < j->pred->count; i++)
        found += find(index, j->pred->object_id[i]) != NULL;
    const bool pred_counts = zm_redshift_table_counts_rows(j->pred);
    const bool truth_counts = zm_redshift_table_counts_rows(j->truth);
    const char *why = pred_counts    ? "those of the predictions only count rows"
                      : truth_counts ? "those of the truth only count rows"
                                     : "are they of one catalogue?";
    if (found == 0)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: no object_id of %s occurs here (%s); --join row joins by row",
                       j->truth->path, j->pred->path, why);
    const bool complete = found == j->pred->count || found >= index->count;
    if (how == ZM_JOIN_AUTO && (pred_counts || truth_counts) && !complete)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: %llu of %llu object_id of %s occur here, and %s; say --join "
                       "id or --join row",
                       j->truth->path, (unsigned long long)found,
                       (unsigned long long)j->pred->count, j->pred->path, why);
    return ZM_OK;
}

static zm_status join_by_id(joiner *j, zm_join how)
{
    id_index index = {0};
    if (!j->pred->object_id)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: --join id wants a column object_id",
                       j->pred->path);
    ZM_TRY(make_index(j->truth, &index));
    const zm_status st = check_ids(j, how, &index);
    if (st == ZM_OK)
        pair_by_id(j, &index);
    free(index.entries);
    return st;
}

static zm_status join(joiner *j, zm_join how)
{
    const zm_redshift_table *pred = j->pred, *truth = j->truth;
    if (pred == truth || how == ZM_JOIN_ROW)
        return pair_by_row(j);
    if (how == ZM_JOIN_ID)
        return join_by_id(j, how);
    if (!pred->object_id || !truth->object_id)
        return pair_by_row(j);
    const bool both_count =
        zm_redshift_table_counts_rows(pred) && zm_redshift_table_counts_rows(truth);
    return both_count ? pair_by_row(j) : join_by_id(j, how);
}

static zm_status allocate(joiner *j)
{
    zm_redshift_pairs *p = &j->pairs;
    const uint64_t n = j->pred->count;
    p->z_phot = zm_calloc(n, sizeof *p->z_phot);
    p->z_spec = zm_calloc(n, sizeof *p->z_spec);
    p->row = zm_calloc(n, sizeof *p->row);
    if (j->r_from)
        p->r_mag = zm_calloc(n, sizeof *p->r_mag);
    return p->z_phot && p->z_spec && p->row && (!j->r_from || p->r_mag)
               ? ZM_OK
               : ZM_FAIL(ZM_ERR_MEMORY, "%s: out of memory", j->pred->path);
}

zm_status zm_redshift_join(const zm_redshift_table *pred, const zm_redshift_table *truth,
                           zm_join how, zm_redshift_pairs *out)
{
    const bool own = !truth;
    joiner j = {.pred = pred, .truth = own ? pred : truth};
    if (!pred->z_phot.values)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: no column z_phot", pred->path);
    if (!j.truth->z_spec.values)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: no column z_spec%s", j.truth->path,
                       own ? " (true redshifts may come from --truth)" : "");
    j.r_from = j.truth->r_mag.values ? j.truth : pred->r_mag.values ? pred : NULL;
    j.pairs.truth_rows = j.truth->count;
    j.pairs.spec_path = j.truth->path;
    j.pairs.spec_name = j.truth->z_spec.name;
    j.pairs.r_path = j.r_from ? j.r_from->path : NULL;
    j.pairs.r_name = j.r_from ? j.r_from->r_mag.name : NULL;
    zm_status st = allocate(&j);
    if (st == ZM_OK)
        st = join(&j, how);
    if (st == ZM_OK && j.pairs.count == 0)
        st = ZM_FAIL(ZM_ERR_FORMAT, "%s: no row has both a z_phot and a z_spec",
                     pred->path);
    if (st == ZM_OK)
        *out = j.pairs;
    else
        zm_redshift_pairs_finish(&j.pairs);
    return st;
}

void zm_redshift_pairs_finish(zm_redshift_pairs *pairs)
{
    free(pairs->z_phot);
    free(pairs->z_spec);
    free(pairs->r_mag);
    free(pairs->row);
    *pairs = (zm_redshift_pairs){0};
}
