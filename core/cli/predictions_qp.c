// The layout that LSST-DESC qp reads as an ensemble of the kind "interp", in FITS: meta
// (one row: pdf_name, pdf_version, xvals), data (yvals), ancil (a row per object). Points
// are the centres of the bins; between them qp draws straight lines and normalises.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cli/predictions_impl.h"

typedef struct qp_state {
    zm_fits_writer *w;
    zm_prediction *all; // (ds->count), written when the distributions are
    double *density;    // (batch, bins)
} qp_state;

static zm_status write_meta(const char *path, qp_state *s, const zm_z_grid *grid)
{
    char form[24];
    const char *const name = "interp";
    const int64_t version = 0;
    snprintf(form, sizeof form, "%uD", grid->bins);
    const zm_fits_field fields[] = {{"pdf_name", "6A", NULL, NULL},
                                    {"pdf_version", "K", NULL, NULL},
                                    {"xvals", form, NULL, NULL}};
    for (uint32_t k = 0; k < grid->bins; k++)
        s->density[k] = zm_z_grid_centre(grid, k);
    ZM_TRY(zm_fits_writer_create(path, "meta", 1, fields, ZM_COUNT_OF(fields), &s->w));
    ZM_TRY(zm_fits_writer_cells(s->w, 0, 0, 1, &name));
    ZM_TRY(zm_fits_writer_cells(s->w, 1, 0, 1, &version));
    return zm_fits_writer_cells(s->w, 2, 0, 1, s->density);
}

static zm_status create(const char *path, zm_predictions *t)
{
    char form[24];
    const zm_predictions_info *info = t->info;
    qp_state *s = t->state = zm_calloc(1, sizeof *s);
    if (!s)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to write it", path);
    s->all = zm_calloc(info->ds->count, sizeof *s->all);
    s->density = zm_calloc((uint64_t)info->batch * info->grid->bins, sizeof *s->density);
    if (!s->all || !s->density)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to write it", path);
    ZM_TRY(write_meta(path, s, info->grid));
    snprintf(form, sizeof form, "%uD", info->grid->bins);
    return zm_fits_writer_table(s->w, "data", info->ds->count,
                                &(zm_fits_field){"yvals", form, NULL, NULL}, 1);
}

static zm_status write_rows(zm_predictions *t, uint32_t n, const double *values)
{
    qp_state *s = t->state;
    const double width = zm_z_grid_width(t->info->grid);
    const size_t count = (size_t)n * t->info->grid->bins;
    for (size_t i = 0; i < count; i++)
        s->density[i] = values[i] / width;
    memcpy(s->all + t->done, t->rows, n * sizeof *s->all);
    return zm_fits_writer_cells(s->w, 0, t->done, n, s->density);
}

static bool has(const zm_predictions *t, const char *name)
{
    for (uint32_t c = 0; c < t->column_count; c++)
        if (strcmp(t->columns[c]->name, name) == 0)
            return true;
    return false;
}

// Names as RAIL has them: zmode, zmean, zmedian, redshift (the true one).
static zm_status write_ancil(const zm_predictions *t)
{
    static const zm_fits_field fields[] = {
        {"object_id", "K", NULL, NULL}, {"ra", "D", "deg", NULL},
        {"dec", "D", "deg", NULL},      {"zmode", "D", NULL, NULL},
        {"zmean", "D", NULL, NULL},     {"zmedian", "D", NULL, NULL},
        {"flags", "J", NULL, NULL},     {"redshift", "D", NULL, NULL}};
    const qp_state *s = t->state;
    const bool truth = has(t, "z_spec");
    const uint64_t n = t->info->ds->count;
    ZM_TRY(zm_fits_writer_table(s->w, "ancil", n, fields,
                                ZM_COUNT_OF(fields) - (truth ? 0 : 1)));
    ZM_TRY(zm_predictions_cards(s->w, t->info));
    for (uint64_t i = 0; i < n; i++) {
        const zm_prediction *p = &s->all[i];
        ZM_TRY(zm_fits_writer_cells(s->w, 0, i, 1, &p->object_id));
        ZM_TRY(zm_fits_writer_cells(s->w, 1, i, 1, &p->ra_deg));
        ZM_TRY(zm_fits_writer_cells(s->w, 2, i, 1, &p->dec_deg));
        ZM_TRY(zm_fits_writer_cells(s->w, 3, i, 1, &p->pdf.mode));
        ZM_TRY(zm_fits_writer_cells(s->w, 4, i, 1, &p->pdf.mean));
        ZM_TRY(zm_fits_writer_cells(s->w, 5, i, 1, &p->pdf.median));
        ZM_TRY(zm_fits_writer_cells(s->w, 6, i, 1, &p->flags));
        if (truth)
            ZM_TRY(zm_fits_writer_cells(s->w, 7, i, 1, &p->z_spec));
    }
    return ZM_OK;
}

static zm_status finish(zm_predictions *t)
{
    qp_state *s = t->state;
    ZM_TRY(write_ancil(t));
    return zm_fits_writer_finish(&s->w);
}

static void give_up(zm_predictions *t)
{
    qp_state *s = t->state;
    if (!s)
        return;
    zm_fits_writer_abort(&s->w);
    free(s->all);
    free(s->density);
    free(s);
}

const zm_predictions_ops zm_predictions_qp = {create, write_rows, finish, give_up};
