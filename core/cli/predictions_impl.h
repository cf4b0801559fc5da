// What the formats of predictions share: rows, columns, and what a format provides.
#ifndef ZM_PREDICTIONS_IMPL_H
#define ZM_PREDICTIONS_IMPL_H

#include "core/cli/predictions.h"
#include "core/io/fits.h"

// One row. Redshifts are NaN where there is nothing to say.
typedef struct zm_prediction {
    int64_t object_id;
    double ra_deg, dec_deg;
    double z_phot;
    zm_pdf_summary pdf; // of distributions
    double z_spec;
    int32_t flags;
    const char *file; // or NULL
} zm_prediction;

typedef enum zm_column_kind {
    ZM_COLUMN_I64,
    ZM_COLUMN_I32,
    ZM_COLUMN_F64, // degrees
    ZM_COLUMN_F32, // redshifts: kept as double, written as float
    ZM_COLUMN_TEXT,
} zm_column_kind;

typedef struct zm_column {
    const char *name;
    zm_column_kind kind;
    size_t offset; // in zm_prediction
    const char *unit;
} zm_column;

enum { ZM_PREDICTIONS_MAX_COLUMNS = 24 };

typedef struct zm_predictions_ops {
    zm_status (*create)(const char *path, zm_predictions *table);
    zm_status (*rows)(zm_predictions *table, uint32_t n, const double *values);
    zm_status (*finish)(zm_predictions *table);
    void (*abort)(zm_predictions *table); // also after finish; frees
} zm_predictions_ops;

struct zm_predictions {
    const zm_predictions_info *info;
    const zm_predictions_ops *ops;
    const zm_column *columns[ZM_PREDICTIONS_MAX_COLUMNS]; // those of this table
    uint32_t column_count;
    uint64_t done;       // rows written
    zm_prediction *rows; // (batch) those being written
    void *state;         // of the format
};

extern const zm_predictions_ops zm_predictions_csv;
extern const zm_predictions_ops zm_predictions_fits;
extern const zm_predictions_ops zm_predictions_qp;

// Provenance as FITS cards of the table that is being written.
zm_status zm_predictions_cards(zm_fits_writer *w, const zm_predictions_info *info);

#endif
