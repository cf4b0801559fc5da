// The numbers behind a figure, as CSV beside it.
#ifndef ZM_PLOT_TABLE_H
#define ZM_PLOT_TABLE_H

#include "core/base.h"

enum { ZM_PLOT_TABLE_COLUMNS = 8 };

typedef struct zm_plot_table {
    const char *header; // "z_spec,count"
    uint32_t columns;   // at most ZM_PLOT_TABLE_COLUMNS
    uint64_t rows;
    const double *column[ZM_PLOT_TABLE_COLUMNS]; // (rows) each; NaN = empty
} zm_plot_table;

// Writes FOLDER/NAME, atomically, numbers with 9 digits.
zm_status zm_plot_table_write(const char *folder, const char *name,
                              const zm_plot_table *table);

#endif
