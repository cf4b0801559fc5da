// The first line names the columns; floats with nine digits; a missing value is an empty
// field, but z_phot is always a number (nan where there is no prediction).
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/cli/predictions_impl.h"
#include "core/io/bytes.h"
#include "core/io/csv.h"

static zm_status check(const zm_atomic_file *file)
{
    return ferror(file->f)
               ? ZM_FAIL(ZM_ERR_IO, "%s: cannot be written (disk full?)", file->path)
               : ZM_OK;
}

static zm_status create(const char *path, zm_predictions *t)
{
    zm_atomic_file *file = t->state = zm_calloc(1, sizeof *file);
    if (!file)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to write it", path);
    ZM_TRY(zm_atomic_begin(path, file));
    for (uint32_t i = 0; i < t->column_count; i++)
        fprintf(file->f, "%s%s", i ? "," : "", t->columns[i]->name);
    fputc('\n', file->f);
    return check(file);
}

static void write_cell(FILE *f, const zm_column *column, const zm_prediction *row)
{
    const void *cell = (const char *)row + column->offset;
    char text[ZM_NUMBER_BYTES] = "";
    double value = NAN;
    switch (column->kind) {
    case ZM_COLUMN_I64:
        fprintf(f, "%" PRId64, *(const int64_t *)cell);
        return;
    case ZM_COLUMN_I32:
        fprintf(f, "%" PRId32, *(const int32_t *)cell);
        return;
    case ZM_COLUMN_TEXT:
        zm_csv_write_field(f, *(const char *const *)cell);
        return;
    case ZM_COLUMN_F64:
    case ZM_COLUMN_F32:
        memcpy(&value, cell, sizeof value);
        break;
    }
    if (isfinite(value) || strcmp(column->name, "z_phot") == 0) {
        if (column->kind == ZM_COLUMN_F64)
            zm_format_f64(value, text);
        else
            zm_format_f32((float)value, text);
    }
    fputs(text, f);
}

static zm_status write_rows(zm_predictions *t, uint32_t n, const double *values)
{
    const zm_atomic_file *file = t->state;
    (void)values;
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t c = 0; c < t->column_count; c++) {
            if (c > 0)
                fputc(',', file->f);
            write_cell(file->f, t->columns[c], &t->rows[i]);
        }
        fputc('\n', file->f);
    }
    return check(file);
}

static zm_status finish(zm_predictions *t)
{
    return zm_atomic_commit(t->state);
}

static void give_up(zm_predictions *t)
{
    if (t->state)
        zm_atomic_abort(t->state);
    free(t->state);
}

const zm_predictions_ops zm_predictions_csv = {create, write_rows, finish, give_up};
