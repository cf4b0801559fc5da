// A catalogue file as columns of numbers, whether CSV or FITS.
#ifndef ZM_SOURCE_TABLE_H
#define ZM_SOURCE_TABLE_H

#include "core/survey/tally.h"

typedef struct zm_source_table zm_source_table;

// Opens a CSV file, or the first binary table of a FITS file that has RA and DEC (else
// its first one). helper as in zm_dataset_open.
zm_status zm_source_table_open(const char *path, const char *helper,
                               zm_source_table **out);
void zm_source_table_close(zm_source_table **table);
uint64_t zm_source_table_rows(const zm_source_table *table);

// A column of numbers, or one element of a vector column.
typedef struct zm_source_column {
    char name[32];
    uint32_t element; // of a vector
    bool found;
    bool is_text; // of FITS: numbers written out, read by zm_source_table_i64 alone
} zm_source_column;

// Finds a column with that many elements a row, in any case: of numbers, else not found
// (is_text says that there is one of text).
zm_status zm_source_table_find(zm_source_table *table, const char *name, uint64_t repeat,
                               zm_source_column *out);

// All values, (rows): NaN, or missing, where a cell is empty or "null". A cell that is no
// number is missing too; it is reported and counted in bad.
zm_status zm_source_table_f64(zm_source_table *table, const zm_source_column *column,
                              const zm_log *log, zm_tally *bad, double *out);
zm_status zm_source_table_i64(zm_source_table *table, const zm_source_column *column,
                              int64_t missing, const zm_log *log, zm_tally *bad,
                              int64_t *out);

#endif
