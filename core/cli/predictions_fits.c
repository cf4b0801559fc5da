// Table PREDICTIONS, with a vector column pdf where asked for, and table ZGRID.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cli/predictions_impl.h"

typedef struct fits_state {
    zm_fits_writer *w;
    void *cells;        // (batch) of one column
    float *pdf;         // (batch, bins)
    char text_form[24]; // "12A"
    char pdf_form[24];
} fits_state;

static bool with_pdf(const zm_predictions *t)
{
    return t->info->grid && t->info->pdf;
}

static size_t longest_file(const zm_dataset *ds)
{
    size_t longest = 1;
    for (uint64_t i = 0; i < ds->count; i++)
        longest = ZM_MAX(longest, strlen(zm_dataset_file(ds, i)));
    return longest;
}

static zm_fits_field field_of(const zm_column *column, fits_state *s,
                              const zm_dataset *ds)
{
    static const char *const forms[] = {[ZM_COLUMN_I64] = "K",
                                        [ZM_COLUMN_I32] = "J",
                                        [ZM_COLUMN_F64] = "D",
                                        [ZM_COLUMN_F32] = "E"};
    if (column->kind != ZM_COLUMN_TEXT)
        return (zm_fits_field){column->name, forms[column->kind], column->unit, NULL};
    snprintf(s->text_form, sizeof s->text_form, "%zuA", longest_file(ds));
    return (zm_fits_field){column->name, s->text_form, NULL, NULL};
}

static zm_status create(const char *path, zm_predictions *t)
{
    zm_fits_field fields[ZM_PREDICTIONS_MAX_COLUMNS + 1];
    uint32_t count = 0;
    const zm_predictions_info *info = t->info;
    fits_state *s = t->state = zm_calloc(1, sizeof *s);
    if (!s || !(s->cells = zm_calloc(info->batch, sizeof(double))))
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to write it", path);
    for (uint32_t c = 0; c < t->column_count; c++)
        fields[count++] = field_of(t->columns[c], s, info->ds);
    if (with_pdf(t)) {
        snprintf(s->pdf_form, sizeof s->pdf_form, "%uE", info->grid->bins);
        fields[count++] = (zm_fits_field){"pdf", s->pdf_form, NULL, NULL};
        s->pdf = zm_calloc((uint64_t)info->batch * info->grid->bins, sizeof *s->pdf);
        if (!s->pdf)
            return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to write it", path);
    }
    ZM_TRY(zm_fits_writer_create(path, "PREDICTIONS", info->ds->count, fields, count,
                                 &s->w));
    return zm_predictions_cards(s->w, info);
}

// One column of the rows at hand, in the type of the file.
static const void *gather(const zm_column *column, const zm_prediction *rows, uint32_t n,
                          void *cells)
{
    for (uint32_t i = 0; i < n; i++) {
        const char *from = (const char *)&rows[i] + column->offset;
        if (column->kind == ZM_COLUMN_F32) {
            double value;
            memcpy(&value, from, sizeof value);
            ((float *)cells)[i] = (float)value;
        } else if (column->kind == ZM_COLUMN_I32) {
            memcpy((int32_t *)cells + i, from, sizeof(int32_t));
        } else if (column->kind == ZM_COLUMN_TEXT) {
            memcpy((const char **)cells + i, from, sizeof(const char *));
        } else {
            memcpy((uint64_t *)cells + i, from, sizeof(uint64_t)); // int64 or double
        }
    }
    return cells;
}

static zm_status write_rows(zm_predictions *t, uint32_t n, const double *values)
{
    fits_state *s = t->state;
    for (uint32_t c = 0; c < t->column_count; c++)
        ZM_TRY(zm_fits_writer_cells(s->w, c, t->done, n,
                                    gather(t->columns[c], t->rows, n, s->cells)));
    if (!with_pdf(t))
        return ZM_OK;
    const size_t count = (size_t)n * t->info->grid->bins;
    for (size_t i = 0; i < count; i++)
        s->pdf[i] = (float)values[i];
    return zm_fits_writer_cells(s->w, t->column_count, t->done, n, s->pdf);
}

static zm_status write_grid(zm_fits_writer *w, const zm_z_grid *grid)
{
    static const zm_fits_field fields[] = {
        {"z_lo", "D", NULL, NULL}, {"z_hi", "D", NULL, NULL}, {"z_mid", "D", NULL, NULL}};
    ZM_TRY(zm_fits_writer_table(w, "ZGRID", grid->bins, fields, ZM_COUNT_OF(fields)));
    for (uint32_t k = 0; k < grid->bins; k++) {
        const double low = zm_z_grid_edge(grid, k), high = zm_z_grid_edge(grid, k + 1);
        const double middle = zm_z_grid_centre(grid, k);
        ZM_TRY(zm_fits_writer_cells(w, 0, k, 1, &low));
        ZM_TRY(zm_fits_writer_cells(w, 1, k, 1, &high));
        ZM_TRY(zm_fits_writer_cells(w, 2, k, 1, &middle));
    }
    return ZM_OK;
}

static zm_status finish(zm_predictions *t)
{
    fits_state *s = t->state;
    if (with_pdf(t))
        ZM_TRY(write_grid(s->w, t->info->grid));
    return zm_fits_writer_finish(&s->w);
}

static void give_up(zm_predictions *t)
{
    fits_state *s = t->state;
    if (!s)
        return;
    zm_fits_writer_abort(&s->w);
    free(s->cells);
    free(s->pdf);
    free(s);
}

const zm_predictions_ops zm_predictions_fits = {create, write_rows, finish, give_up};
