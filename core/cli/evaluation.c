#include "core/cli/evaluation.h"

#include <math.h>
#include <stdlib.h>

#include "core/cli/cli.h"
#include "core/cli/pdf_table.h"

enum { BLOCK_VALUES = 1 << 18 }; // of distributions held at a time

const char *zm_bin_axis_name(zm_bin_axis axis)
{
    static const char *const names[ZM_BIN_AXES] = {"z_spec", "z_phot", "r_mag"};
    return names[axis];
}

// ---- distributions

// Pairs come in the order of the predictions' rows, so that blocks are read once.
typedef struct pdf_reader {
    const zm_pdf_table *table;
    uint64_t first, rows, most; // in block, and room for
    double *block;              // (most, bins)
} pdf_reader;

static zm_status read_row(pdf_reader *r, uint64_t row, const double **p)
{
    if (row < r->first || row >= r->first + r->rows) {
        r->first = row;
        r->rows = ZM_MIN(r->most, r->table->column.rows - row);
        ZM_TRY(zm_pdf_table_read(r->table, row, r->rows, r->block));
    }
    *p = r->block + (row - r->first) * r->table->grid.bins;
    return ZM_OK;
}

static zm_status score_all(pdf_reader *reader, zm_evaluation *e)
{
    const zm_redshift_pairs *pairs = &e->pairs;
    for (uint64_t i = 0; i < pairs->count; i++) {
        const double *p = NULL;
        ZM_TRY(read_row(reader, pairs->row[i], &p));
        const zm_pdf_score score = zm_pdf_score_of(&e->grid, p, pairs->z_spec[i]);
        if (!isfinite(score.crps)) {
            e->no_pdf++;
            continue;
        }
        e->scores[e->pdf.count++] = score;
        zm_pdf_add(e->grid.bins, 1, p, e->stacked);
    }
    for (uint32_t k = 0; k < e->grid.bins && e->pdf.count > 0; k++)
        e->stacked[k] /= (double)e->pdf.count;
    return ZM_OK;
}

static zm_status read_pdfs(const zm_pdf_table *table, zm_evaluation *e)
{
    e->grid = table->grid;
    if (table->column.rows != e->pred.count)
        return ZM_FAIL(
            ZM_ERR_FORMAT, "wanted as many distributions as redshifts, %llu, found %llu",
            (unsigned long long)e->pred.count, (unsigned long long)table->column.rows);
    pdf_reader reader = {.table = table};
    reader.most = ZM_MIN(ZM_MAX(BLOCK_VALUES / e->grid.bins, 1), e->pred.count);
    reader.block = zm_calloc(reader.most * e->grid.bins, sizeof *reader.block);
    e->scores = zm_calloc(e->pairs.count, sizeof *e->scores);
    e->stacked = zm_calloc(e->grid.bins, sizeof *e->stacked);
    const zm_status st = reader.block && e->scores && e->stacked
                             ? score_all(&reader, e)
                             : ZM_FAIL(ZM_ERR_MEMORY, "out of memory");
    free(reader.block);
    return st;
}

static zm_status measure_pdfs(const zm_metrics_binning *b, zm_evaluation *e)
{
    if (!e->pred.is_fits)
        return ZM_OK;
    zm_pdf_table table = {0};
    ZM_TRY(zm_pdf_table_open(e->pred.path, zm_cli_helper(), &table));
    if (!table.fits)
        return ZM_OK;
    zm_status st = read_pdfs(&table, e);
    zm_pdf_table_close(&table);
    if (st == ZM_OK && e->pdf.count > 0)
        st = zm_pdf_metrics_compute(e->scores, e->pdf.count, b->seed, b->resamples,
                                    &e->pdf);
    return zm_error_context(st, "%s", e->pred.path);
}

// ---- all of it

static zm_status measure(const zm_metrics_binning *b, zm_evaluation *e)
{
    const zm_redshift_pairs *p = &e->pairs;
    const double *const axes[ZM_BIN_AXES] = {p->z_spec, p->z_phot, p->r_mag};
    zm_status st = zm_metrics_compute(p->z_phot, p->z_spec, p->count, b->seed,
                                      b->resamples, &e->metrics);
    for (int a = 0; a < ZM_BIN_AXES && st == ZM_OK; a++)
        if (axes[a])
            st = zm_metrics_binned(axes[a], p->z_phot, p->z_spec, p->count, b,
                                   &e->bins[a], &e->bin_count[a]);
    return zm_error_context(st, "%s", e->pred.path);
}

zm_status zm_evaluation_run(const zm_evaluation_args *a, const zm_log *log,
                            zm_evaluation *e)
{
    *e = (zm_evaluation){0};
    zm_status st = zm_redshift_table_read(a->pred, a->point, log, &e->pred);
    if (st == ZM_OK && a->truth)
        st = zm_redshift_table_read(a->truth, NULL, log, &e->truth);
    if (st == ZM_OK)
        st = zm_redshift_join(&e->pred, a->truth ? &e->truth : NULL, a->join, &e->pairs);
    if (st == ZM_OK)
        st = measure(&a->binning, e);
    if (st == ZM_OK)
        st = measure_pdfs(&a->binning, e);
    if (st != ZM_OK)
        zm_evaluation_finish(e);
    return st;
}

void zm_evaluation_finish(zm_evaluation *e)
{
    for (int a = 0; a < ZM_BIN_AXES; a++)
        free(e->bins[a]);
    free(e->scores);
    free(e->stacked);
    zm_redshift_pairs_finish(&e->pairs);
    zm_redshift_table_finish(&e->truth);
    zm_redshift_table_finish(&e->pred);
    *e = (zm_evaluation){0};
}
