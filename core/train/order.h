// Which objects a step sees: split into training and validation, order of every epoch.
#ifndef ZM_ORDER_H
#define ZM_ORDER_H

#include "core/data/dataset.h"

typedef struct zm_order {
    uint64_t seed;
    bool shuffle;
    uint32_t *train, *val; // row numbers, rising
    uint32_t train_count, val_count;
    uint32_t *shuffled; // of epoch
    uint64_t epoch;     // UINT64_MAX = none yet
} zm_order;

// Rows flagged ZM_FLAG_NO_IMAGE or _BAD_ROW take no part; labelled: nor do rows without
// a finite redshift. val_fraction of them, drawn by seed, become
// the validation part. ZM_ERR_FORMAT when nothing is left to train on.
zm_status zm_order_init(zm_order *order, const zm_dataset *ds, bool labelled,
                        double val_fraction, bool shuffle, uint64_t seed);
void zm_order_finish(zm_order *order);

// Row number of the n-th object since the start of training: epoch after epoch, wrapping
// round, each epoch in an order of its own that depends on (seed, epoch) only.
uint32_t zm_order_at(zm_order *order, uint64_t n);

#endif
