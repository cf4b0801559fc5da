// Columns of FITS tables.
#include "core/io/fits_impl.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static zm_status column_failure(const zm_fits *fits, const zm_fits_column *column,
                                int status)
{
    char text[FLEN_ERRMSG];
    return ZM_FAIL(ZM_ERR_FORMAT, "%s: HDU %u: column %s: %s", fits->path,
                   (unsigned)column->hdu, column->name, zm_fits_message(status, text));
}

static zm_status move_to_table(zm_fits *fits, uint32_t hdu)
{
    const zm_fits_list *list = &fits->list;
    int status = 0;
    int type = 0;
    char text[FLEN_ERRMSG];
    if (hdu >= list->count ||
        (list->hdus[hdu].kind != ZM_FITS_TABLE && list->hdus[hdu].kind != ZM_FITS_ASCII))
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: HDU %u: expected a table, found %s",
                       fits->path, (unsigned)hdu,
                       hdu < list->count ? zm_fits_kind_name(list->hdus[hdu].kind)
                                         : "no such HDU");
    if (list->hdus[hdu].truncated)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: HDU %u: expected %" PRIu64
                       " bytes of data, found fewer (truncated)",
                       fits->path, (unsigned)hdu, list->hdus[hdu].data_size);
    LONGLONG rows = 0;
    fits_movabs_hdu(fits->f, (int)hdu + 1, &type, &status);
    if (status == 0 && type != IMAGE_HDU)
        fits_get_num_rowsll(fits->f, &rows, &status);
    if (status != 0)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: HDU %u: %s", fits->path, (unsigned)hdu,
                       zm_fits_message(status, text));
    if (type == IMAGE_HDU || rows < 0 || (uint64_t)rows != list->hdus[hdu].rows)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: HDU %u: contradictory header", fits->path,
                       (unsigned)hdu);
    return ZM_OK;
}

static bool is_integer_type(int type)
{
    return type == TBYTE || type == TSBYTE || type == TSHORT || type == TUSHORT ||
           type == TINT || type == TUINT || type == TLONG || type == TULONG ||
           type == TLONGLONG || type == TULONGLONG;
}

// Type, repeat and unit; TSCAL and TZERO make fits_get_eqcoltype differ.
static zm_status column_type(zm_fits *fits, zm_fits_column *c)
{
    int status = 0;
    int type = 0;
    LONGLONG repeat = 0;
    LONGLONG width = 0;
    fits_get_eqcoltypell(fits->f, c->number, &type, &repeat, &width, &status);
    if (status != 0)
        return column_failure(fits, c, status);
    if (type < 0 || repeat < 0)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: HDU %u: column %s: expected a fixed length, found a variable "
                       "one",
                       fits->path, (unsigned)c->hdu, c->name);
    c->is_integer = is_integer_type(type);
    c->is_text = type == TSTRING;
    c->is_f32 = type == TFLOAT;
    c->repeat = c->is_text ? 1 : (uint64_t)repeat;
    return ZM_OK;
}

static zm_status column_shape(zm_fits *fits, zm_fits_column *c)
{
    int status = 0;
    int naxis = 0;
    LONGLONG axes[ZM_FITS_MAX_AXES] = {0};
    if (fits->list.hdus[c->hdu].kind == ZM_FITS_ASCII || c->is_text) {
        c->naxis = 1;
        c->axes[0] = 1;
        return ZM_OK;
    }
    fits_read_tdimll(fits->f, c->number, ZM_FITS_MAX_AXES, &naxis, axes, &status);
    if (status != 0)
        return column_failure(fits, c, status);
    if (naxis < 1 || naxis > ZM_FITS_MAX_AXES)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: HDU %u: column %s: expected TDIM of 1 to %d axes, found %d",
                       fits->path, (unsigned)c->hdu, c->name, ZM_FITS_MAX_AXES, naxis);
    c->naxis = (uint32_t)naxis;
    uint64_t product = 1;
    for (uint32_t i = 0; i < c->naxis; i++) {
        c->axes[i] = axes[i] < 0 ? 0 : (uint64_t)axes[i];
        if (!zm_mul_u64(product, c->axes[i], &product))
            product = UINT64_MAX;
    }
    if (product != c->repeat)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: HDU %u: column %s: expected %" PRIu64
                       " elements by TFORM, found another number by TDIM",
                       fits->path, (unsigned)c->hdu, c->name, c->repeat);
    return ZM_OK;
}

zm_status zm_fits_column_find(zm_fits *fits, uint32_t hdu, const char *name,
                              zm_fits_column *out)
{
    zm_fits_column c = {.hdu = hdu};
    int status = 0;
    snprintf(c.name, sizeof c.name, "%s", name);
    ZM_TRY(move_to_table(fits, hdu));
    fits_get_colnum(fits->f, CASEINSEN, c.name, &c.number, &status);
    if (status == COL_NOT_FOUND) {
        fits_clear_errmsg();
        c.number = 0;
        *out = c;
        return ZM_OK;
    }
    if (status != 0 && status != COL_NOT_UNIQUE)
        return column_failure(fits, &c, status);
    if (status == COL_NOT_UNIQUE)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: HDU %u: expected one column %s, found several",
                       fits->path, (unsigned)hdu, name);
    c.rows = fits->list.hdus[hdu].rows;
    ZM_TRY(column_type(fits, &c));
    ZM_TRY(column_shape(fits, &c));
    char key[FLEN_KEYWORD];
    char unit[FLEN_VALUE] = "";
    snprintf(key, sizeof key, "TUNIT%d", c.number);
    if (fits_read_key(fits->f, TSTRING, key, unit, NULL, &status) == 0)
        snprintf(c.unit, sizeof c.unit, "%s", unit);
    else
        fits_clear_errmsg();
    *out = c;
    return ZM_OK;
}

static zm_status read_cells(zm_fits *fits, const zm_fits_column *c, uint64_t first,
                            uint64_t rows, int type, void *undefined, void *out)
{
    uint64_t elements;
    int status = 0;
    int any = 0;
    if (c->number == 0 || c->is_text)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: HDU %u: column %s: expected numbers, found %s",
                       fits->path, (unsigned)c->hdu, c->name,
                       c->is_text ? "text" : "no such column");
    if (first > c->rows || rows > c->rows - first ||
        !zm_mul_u64(rows, c->repeat, &elements) || elements > INT64_MAX)
        return ZM_FAIL(ZM_ERR_SHAPE,
                       "%s: HDU %u: rows %" PRIu64 " + %" PRIu64 " asked of %" PRIu64,
                       fits->path, (unsigned)c->hdu, first, rows, c->rows);
    if (elements == 0)
        return ZM_OK;
    ZM_TRY(move_to_table(fits, c->hdu));
    if (fits_read_col(fits->f, type, c->number, (LONGLONG)first + 1, 1,
                      (LONGLONG)elements, undefined, out, &any, &status) != 0)
        return column_failure(fits, c, status);
    return ZM_OK;
}

zm_status zm_fits_column_f32(zm_fits *fits, const zm_fits_column *column, uint64_t first,
                             uint64_t rows, float *out)
{
    float undefined = NAN; // without it floats keep their bits
    return read_cells(fits, column, first, rows, TFLOAT,
                      column->is_f32 ? NULL : &undefined, out);
}

zm_status zm_fits_column_f64(zm_fits *fits, const zm_fits_column *column, uint64_t first,
                             uint64_t rows, double *out)
{
    double undefined = (double)NAN;
    return read_cells(fits, column, first, rows, TDOUBLE,
                      column->is_integer ? &undefined : NULL, out);
}

zm_status zm_fits_column_i64(zm_fits *fits, const zm_fits_column *column, uint64_t first,
                             uint64_t rows, int64_t missing, int64_t *out)
{
    LONGLONG undefined = missing;
    if (column->number != 0 && !column->is_integer)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: HDU %u: column %s: expected integers",
                       fits->path, (unsigned)column->hdu, column->name);
    return read_cells(fits, column, first, rows, TLONGLONG, &undefined, out);
}

zm_status zm_fits_column_text(zm_fits *fits, const zm_fits_column *column, uint64_t row,
                              size_t size, char *out)
{
    int status = 0, any = 0, width = 0;
    char blank[1] = "";
    if (column->number == 0 || !column->is_text || row >= column->rows)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: HDU %u: column %s: expected text in row %" PRIu64, fits->path,
                       (unsigned)column->hdu, column->name, row + 1);
    ZM_TRY(move_to_table(fits, column->hdu));
    if (fits_get_col_display_width(fits->f, column->number, &width, &status) != 0)
        return column_failure(fits, column, status);
    char *cell = zm_calloc((uint64_t)ZM_MAX(width, 0) + 1, 1);
    if (!cell)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for a text", fits->path);
    fits_read_col_str(fits->f, column->number, (LONGLONG)row + 1, 1, 1, blank, &cell,
                      &any, &status);
    if (status == 0)
        snprintf(out, size, "%s", cell);
    free(cell);
    if (status != 0)
        return column_failure(fits, column, status);
    zm_fits_printable(out);
    size_t n = strlen(out);
    while (n != 0 && out[n - 1] == ' ')
        out[--n] = '\0';
    return ZM_OK;
}
