#include "core/train/order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"

static void permute(uint32_t *values, uint32_t n, zm_rng rng)
{
    for (uint32_t i = n; i > 1; i--) { // Fisher-Yates
        const uint32_t j = zm_rng_below(&rng, i), t = values[i - 1];
        values[i - 1] = values[j];
        values[j] = t;
    }
}

// Rows that are known to show nothing teach nothing.
static bool takes_part(const zm_row *row, bool labelled)
{
    return !(row->flags & (ZM_FLAG_NO_IMAGE | ZM_FLAG_BAD_ROW)) &&
           (!labelled || isfinite(row->z));
}

zm_status zm_order_init(zm_order *o, const zm_dataset *ds, bool labelled,
                        double val_fraction, bool shuffle, uint64_t seed)
{
    *o = (zm_order){.seed = seed, .shuffle = shuffle, .epoch = UINT64_MAX};
    if (ds->count > UINT32_MAX)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: more than 2^32 rows", ds->path);
    const uint32_t rows = (uint32_t)ds->count;
    uint32_t *usable = zm_calloc(rows + 1, sizeof *usable), n = 0;
    bool *is_val = zm_calloc(rows + 1, sizeof *is_val);
    o->train = zm_calloc(rows + 1, sizeof *o->train);
    o->val = zm_calloc(rows + 1, sizeof *o->val);
    o->shuffled = zm_calloc(rows + 1, sizeof *o->shuffled);
    zm_status st = ZM_OK;
    if (!usable || !is_val || !o->train || !o->val || !o->shuffled) {
        st = ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for the order of %u rows", ds->path,
                     rows);
        goto done;
    }
    for (uint32_t i = 0; i < rows; i++)
        if (takes_part(&ds->rows[i], labelled))
            usable[n++] = i;
    const uint32_t val = (uint32_t)lround(val_fraction * n);
    permute(usable, n, zm_rng_init(seed, ZM_RNG_SPLIT, 0, 0));
    for (uint32_t i = 0; i < val; i++)
        is_val[usable[i]] = true;
    for (uint32_t i = 0; i < rows; i++)
        if (takes_part(&ds->rows[i], labelled)) {
            if (is_val[i])
                o->val[o->val_count++] = i;
            else
                o->train[o->train_count++] = i;
        }
    if (o->train_count == 0)
        st = ZM_FAIL(ZM_ERR_FORMAT, "%s: no object%s to train on among %u rows", ds->path,
                     labelled ? " with a redshift" : "", rows);
done:
    free(usable);
    free(is_val);
    return st;
}

void zm_order_finish(zm_order *o)
{
    free(o->train);
    free(o->val);
    free(o->shuffled);
    *o = (zm_order){0};
}

uint32_t zm_order_at(zm_order *o, uint64_t n)
{
    const uint64_t epoch = n / o->train_count;
    const uint32_t place = (uint32_t)(n % o->train_count);
    if (!o->shuffle)
        return o->train[place];
    if (epoch != o->epoch) {
        memcpy(o->shuffled, o->train, o->train_count * sizeof *o->train);
        permute(o->shuffled, o->train_count,
                zm_rng_init(o->seed, ZM_RNG_SHUFFLE, 0, (uint32_t)epoch));
        o->epoch = epoch;
    }
    return o->shuffled[place];
}
