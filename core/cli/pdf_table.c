#include "core/cli/pdf_table.h"

#include <math.h>

// A column that must be there.
static zm_status need(zm_fits *fits, int32_t hdu, const char *name, zm_fits_column *out)
{
    ZM_TRY(zm_fits_column_find(fits, (uint32_t)hdu, name, out));
    if (out->number == 0 || out->is_text)
        return ZM_FAIL(ZM_ERR_FORMAT, "HDU %d: no column %s of numbers", (int)hdu, name);
    return ZM_OK;
}

// Edges from the first and the last bin; every other one must lie where equal bins put
// it.
static zm_status even_grid(uint64_t bins, const double *edges, zm_z_grid *out)
{
    const zm_z_grid grid = {(uint32_t)bins, edges[0], edges[bins]};
    const double width = zm_z_grid_width(&grid);
    for (uint64_t k = 0; k <= bins; k++)
        if (!(fabs(edges[k] - zm_z_grid_edge(&grid, (uint32_t)k)) <= 1e-3 * width))
            return ZM_FAIL(ZM_ERR_FORMAT,
                           "redshift grid: wanted bins of equal width, found edge %llu "
                           "at %g",
                           (unsigned long long)k, edges[k]);
    *out = grid;
    return ZM_OK;
}

static zm_status check_bins(uint64_t bins)
{
    if (bins < 1 || bins > ZM_HEAD_MAX_BINS)
        return ZM_FAIL(ZM_ERR_FORMAT, "redshift grid: wanted 1 to %d bins, found %llu",
                       ZM_HEAD_MAX_BINS, (unsigned long long)bins);
    return ZM_OK;
}

static zm_status open_predict(zm_pdf_table *t, int32_t grid_hdu)
{
    zm_fits_column low, high;
    ZM_TRY(need(t->fits, grid_hdu, "z_lo", &low));
    ZM_TRY(need(t->fits, grid_hdu, "z_hi", &high));
    ZM_TRY(check_bins(low.rows));
    if (low.repeat != 1 || high.repeat != 1 || t->column.repeat != low.rows)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "column %s: wanted one number for each of %llu bins, found %llu",
                       t->column.name, (unsigned long long)low.rows,
                       (unsigned long long)t->column.repeat);
    double edges[ZM_HEAD_MAX_BINS + 1];
    ZM_TRY(zm_fits_column_f64(t->fits, &low, 0, low.rows, edges));
    ZM_TRY(zm_fits_column_f64(t->fits, &high, low.rows - 1, 1, &edges[low.rows]));
    return even_grid(low.rows, edges, &t->grid);
}

// Points become the centres of bins: half a step is added at either end.
static zm_status centres_to_edges(uint64_t bins, double *x)
{
    if (bins < 2)
        return ZM_FAIL(ZM_ERR_FORMAT, "xvals: wanted at least 2 points, found 1");
    const double first = x[0], step = (x[bins - 1] - x[0]) / (double)(bins - 1);
    for (uint64_t k = 0; k < bins; k++)
        if (!(step > 0 && fabs(x[k] - first - step * (double)k) <= 1e-3 * step))
            return ZM_FAIL(ZM_ERR_FORMAT, "xvals: wanted even steps, found %g at %llu",
                           x[k], (unsigned long long)k);
    for (uint64_t k = 0; k <= bins; k++) {
        const double edge = first + step * ((double)k - 0.5);
        x[k] = fabs(edge) < 1e-9 * step ? 0 : edge; // 0 up to rounding
    }
    return ZM_OK;
}

static zm_status open_qp(zm_pdf_table *t, int32_t meta, int32_t data)
{
    zm_fits_column grid;
    ZM_TRY(zm_fits_column_find(t->fits, (uint32_t)meta, "xvals", &grid));
    const bool interp = grid.number > 0;
    if (!interp)
        ZM_TRY(zm_fits_column_find(t->fits, (uint32_t)meta, "bins", &grid));
    if (grid.number == 0 || grid.is_text)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "HDU %d: wanted xvals (interp) or bins (hist), the "
                       "other kinds of qp are not read",
                       (int)meta);
    ZM_TRY(need(t->fits, data, interp ? "yvals" : "pdfs", &t->column));
    const uint64_t bins = t->column.repeat;
    ZM_TRY(check_bins(bins));
    if (grid.rows != 1 || grid.repeat != bins + !interp)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "column %s: wanted %llu numbers in one row for %s, found %llu",
                       grid.name, (unsigned long long)(bins + !interp), t->column.name,
                       (unsigned long long)grid.repeat);
    double edges[ZM_HEAD_MAX_BINS + 1];
    ZM_TRY(zm_fits_column_f64(t->fits, &grid, 0, 1, edges));
    if (interp)
        ZM_TRY(centres_to_edges(bins, edges));
    return even_grid(bins, edges, &t->grid);
}

// Finds the distributions of an open file; column.number stays 0 where it has none.
static zm_status find(zm_pdf_table *t)
{
    const int32_t meta = zm_fits_find_table(t->fits, "meta");
    const int32_t data = zm_fits_find_table(t->fits, "data");
    if (meta >= 0 && data >= 0)
        return open_qp(t, meta, data);
    const int32_t first = zm_fits_find_table(t->fits, NULL);
    const int32_t grid = zm_fits_find_table(t->fits, "ZGRID");
    if (first < 0 || grid < 0)
        return ZM_OK;
    ZM_TRY(zm_fits_column_find(t->fits, (uint32_t)first, "pdf", &t->column));
    return t->column.number > 0 && !t->column.is_text ? open_predict(t, grid) : ZM_OK;
}

zm_status zm_pdf_table_open(const char *path, const char *helper, zm_pdf_table *out)
{
    zm_pdf_table table = {0};
    *out = (zm_pdf_table){0};
    ZM_TRY(zm_fits_open(path, helper, &table.fits));
    const zm_status st = zm_error_context(find(&table), "%s", path);
    if (st == ZM_OK && table.column.number > 0)
        *out = table;
    else
        zm_fits_close(&table.fits);
    return st;
}

void zm_pdf_table_close(zm_pdf_table *table)
{
    zm_fits_close(&table->fits);
    *table = (zm_pdf_table){0};
}

zm_status zm_pdf_table_read(const zm_pdf_table *t, uint64_t first, uint64_t rows,
                            double *p)
{
    ZM_TRY(zm_fits_column_f64(t->fits, &t->column, first, rows, p));
    for (uint64_t i = 0; i < rows; i++) {
        double *row = p + i * t->grid.bins;
        if (!zm_pdf_normalise(t->grid.bins, row))
            for (uint32_t k = 0; k < t->grid.bins; k++)
                row[k] = NAN;
    }
    return ZM_OK;
}
