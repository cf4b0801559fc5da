// CSV tables of moderate size, held in memory: labels.csv, catalogues, predictions.
// Source: RFC 4180, plus what SkyServer and spreadsheets add: a byte order mark, a first
// line "#Table1", CR LF or LF, blank lines. Names are compared without case.
#ifndef ZM_CSV_H
#define ZM_CSV_H

#include <stdio.h>

#include "core/base.h"

typedef struct zm_csv zm_csv;

// Reads a table whose first line names the columns. Every row must have as many fields
// as the header. Errors: ZM_ERR_IO, ZM_ERR_FORMAT (with the line), ZM_ERR_MEMORY.
zm_status zm_csv_read(const char *path, zm_csv **out);

// The same from memory: the pure function behind read, fuzzed by itself.
zm_status zm_csv_parse(const char *label, const uint8_t *data, uint64_t size,
                       zm_csv **out);
void zm_csv_destroy(zm_csv **csv);

uint64_t zm_csv_rows(const zm_csv *csv); // without the header
uint64_t zm_csv_columns(const zm_csv *csv);
const char *zm_csv_name(const zm_csv *csv, uint64_t column);
const char *zm_csv_cell(const zm_csv *csv, uint64_t row, uint64_t column);

// Column of that name in any case, or -1.
int64_t zm_csv_find(const zm_csv *csv, const char *name);

// A cell as a number: NaN where the cell is empty or the column is -1 (absent). Integers
// are exact over all 64 bits; an empty one is missing. ZM_ERR_FORMAT names row and
// column.
zm_status zm_csv_f64(const zm_csv *csv, uint64_t row, int64_t column, double *out);
zm_status zm_csv_i64(const zm_csv *csv, uint64_t row, int64_t column, int64_t missing,
                     int64_t *out);

// Writes one field, quoted where it has to be.
void zm_csv_write_field(FILE *f, const char *text);

// A number as predictions print it: "%.9g" for float, for double the fewest of 15 to 17
// digits that read back as the same value, "nan", "inf".
enum { ZM_NUMBER_BYTES = 32 };
void zm_format_f32(float value, char out[ZM_NUMBER_BYTES]);
void zm_format_f64(double value, char out[ZM_NUMBER_BYTES]);

#endif
