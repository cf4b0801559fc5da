// Which objects a step sees.
#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/train/order.h"

// A data set without images: z is NaN for every third row when gaps.
static zm_dataset labels(uint64_t count, bool gaps)
{
    zm_dataset ds = {.path = "labels", .count = count};
    ds.rows = zm_calloc(count, sizeof *ds.rows);
    for (uint64_t i = 0; i < count; i++)
        ds.rows[i].z = gaps && i % 3 == 2 ? NAN : 0.1f;
    return ds;
}

static void open_order(zm_order *o, const zm_dataset *ds, bool labelled, double val,
                       bool shuffle, uint64_t seed)
{
    cr_assert_eq(zm_order_init(o, ds, labelled, val, shuffle, seed), ZM_OK, "%s",
                 zm_error_detail());
}

Test(order, every_epoch_holds_every_training_object_once)
{
    static const uint64_t counts[] = {1, 2, 17, 100};
    for (size_t c = 0; c < ZM_COUNT_OF(counts); c++) {
        zm_dataset ds = labels(counts[c], true);
        zm_order o;
        open_order(&o, &ds, true, 0.25, true, 3);
        for (uint64_t epoch = 0; epoch < 5; epoch++) {
            int seen[100] = {0};
            for (uint64_t i = 0; i < o.train_count; i++)
                seen[zm_order_at(&o, epoch * o.train_count + i)]++;
            for (uint64_t i = 0; i < o.train_count; i++)
                cr_expect_eq(seen[o.train[i]], 1);
            for (uint64_t i = 0; i < o.val_count; i++)
                cr_expect_eq(seen[o.val[i]], 0);
            for (uint64_t i = 0; i < counts[c]; i++)
                cr_expect(isfinite(ds.rows[i].z) || seen[i] == 0);
        }
        zm_order_finish(&o);
        free(ds.rows);
    }
}

Test(order, validation_is_apart_and_of_the_size_asked_for)
{
    zm_dataset ds = labels(90, true);
    zm_order o;
    open_order(&o, &ds, true, 0.2, true, 3);
    cr_expect_eq(o.val_count, 12, "a fifth of 60");
    cr_expect_eq(o.train_count, 48);
    int seen[90] = {0};
    for (uint32_t i = 0; i < o.train_count; i++) {
        seen[o.train[i]]++;
        cr_expect(i == 0 || o.train[i] > o.train[i - 1]);
    }
    for (uint32_t i = 0; i < o.val_count; i++)
        seen[o.val[i]]++;
    for (int i = 0; i < 90; i++)
        cr_expect_eq(seen[i], i % 3 != 2);
    zm_order_finish(&o);
    free(ds.rows);
}

Test(order, it_depends_on_the_seed_only)
{
    zm_dataset ds = labels(50, false);
    zm_order a, b, c;
    open_order(&a, &ds, false, 0.2, true, 3);
    open_order(&b, &ds, false, 0.2, true, 3);
    open_order(&c, &ds, false, 0.2, true, 4);
    cr_expect_eq(memcmp(a.val, b.val, a.val_count * sizeof *a.val), 0);
    cr_expect_neq(memcmp(a.val, c.val, a.val_count * sizeof *a.val), 0);
    uint32_t forward[200], same = 0, as_epoch_0 = 0;
    for (uint32_t i = 0; i < 200; i++)
        forward[i] = zm_order_at(&a, i);
    for (uint32_t i = 200; i-- > 0;) { // asked for backwards: no hidden state
        cr_expect_eq(zm_order_at(&b, i), forward[i]);
        same += zm_order_at(&c, i) == forward[i];
    }
    for (uint32_t i = 0; i < 40; i++)
        as_epoch_0 += forward[i] == forward[40 + i];
    cr_expect_lt(same, 50, "another seed is another order");
    cr_expect_lt(as_epoch_0, 20, "another epoch is another order");
    zm_order_finish(&a);
    zm_order_finish(&b);
    zm_order_finish(&c);
    free(ds.rows);
}

Test(order, file_order_wraps_round)
{
    zm_dataset ds = labels(7, false);
    zm_order o;
    open_order(&o, &ds, false, 0, false, 3);
    for (uint32_t i = 0; i < 30; i++)
        cr_expect_eq(zm_order_at(&o, i), i % 7);
    cr_expect_eq(o.val_count, 0);
    zm_order_finish(&o);
    free(ds.rows);
}

Test(order, rows_that_show_nothing_take_no_part)
{
    zm_dataset ds = labels(6, false);
    zm_order o;
    ds.rows[1].flags = ZM_FLAG_NO_IMAGE;
    ds.rows[4].flags = ZM_FLAG_BAD_ROW | ZM_FLAG_DUPLICATE_ID;
    ds.rows[5].flags = ZM_FLAG_DUPLICATE_ID;
    for (int labelled = 0; labelled < 2; labelled++) {
        open_order(&o, &ds, labelled, 0, false, 3);
        cr_assert_eq(o.train_count, 4);
        for (uint32_t i = 0; i < 4; i++)
            cr_expect_eq(o.train[i], ((const uint32_t[]){0, 2, 3, 5})[i]);
        zm_order_finish(&o);
    }
    free(ds.rows);
}

Test(order, nothing_to_train_on_is_refused)
{
    zm_dataset ds = labels(3, false);
    zm_order o;
    for (int i = 0; i < 3; i++)
        ds.rows[i].z = NAN;
    cr_expect_eq(zm_order_init(&o, &ds, true, 0, true, 3), ZM_ERR_FORMAT);
    zm_order_finish(&o);
    cr_expect_eq(zm_order_init(&o, &ds, false, 1.0, true, 3), ZM_ERR_FORMAT);
    zm_order_finish(&o);
    free(ds.rows);
}
