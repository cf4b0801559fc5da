#include "core/survey/source_mags.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/data/extinction.h"
#include "core/data/photometry.h"

// How a catalogue may name the magnitudes of a kind; %b is the band. In SDSS, dered_x and
// the plain letters are model magnitudes.
typedef struct mag_form {
    zm_mag_kind kind;
    const char *pattern; // five columns, or
    const char *vector;  // one column of five
    bool is_flux, is_dereddened;
} mag_form;

static const mag_form forms[] = {
    {ZM_MAG_MODEL, "dered_%b", NULL, false, true},
    {ZM_MAG_MODEL, "%b_dered", NULL, false, true},
    {ZM_MAG_MODEL, "modelmag_%b", "MODELMAG", false, false},
    {ZM_MAG_MODEL, "modelflux_%b", "MODELFLUX", true, false},
    {ZM_MAG_MODEL, "%b", NULL, false, false},
    {ZM_MAG_CMODEL, "cmodelmag_%b", "CMODELMAG", false, false},
    {ZM_MAG_CMODEL, "cmodelflux_%b", "CMODELFLUX", true, false},
    {ZM_MAG_PETRO, "petromag_%b", "PETROMAG", false, false},
    {ZM_MAG_PETRO, "petroflux_%b", "PETROFLUX", true, false},
};

typedef struct five_columns {
    zm_source_column band[ZM_BANDS];
    bool found;
} five_columns;

static zm_status find_five(zm_source_table *table, const char *pattern,
                           const char *vector, five_columns *out)
{
    out->found = true;
    for (uint32_t b = 0; b < ZM_BANDS; b++) {
        char name[32];
        const size_t before = strcspn(pattern, "%");
        snprintf(name, sizeof name, "%.*s%c%s", (int)before, pattern, "ugriz"[b],
                 pattern + before + 2);
        ZM_TRY(zm_source_table_find(table, name, 1, &out->band[b]));
        out->found &= out->band[b].found;
    }
    for (uint32_t b = 0; b < ZM_BANDS && vector && !out->found; b++) {
        ZM_TRY(zm_source_table_find(table, vector, ZM_BANDS, &out->band[b]));
        out->band[b].element = b;
        out->found = b == ZM_BANDS - 1 && out->band[b].found;
    }
    return ZM_OK;
}

// The first form that the table has of the kind that is wanted.
static zm_status choose_form(const char *path, zm_source_table *table,
                             zm_mag_choice choice, const mag_form **form,
                             five_columns *columns)
{
    static const zm_mag_kind kinds[] = {[ZM_MAGS_AUTO] = ZM_MAG_APERTURE,
                                        [ZM_MAGS_MODEL] = ZM_MAG_MODEL,
                                        [ZM_MAGS_CMODEL] = ZM_MAG_CMODEL,
                                        [ZM_MAGS_PETRO] = ZM_MAG_PETRO};
    *form = NULL;
    if (choice == ZM_MAGS_APERTURE)
        return ZM_OK;
    for (size_t i = 0; i < ZM_COUNT_OF(forms); i++) {
        if (choice != ZM_MAGS_AUTO && forms[i].kind != kinds[choice])
            continue;
        ZM_TRY(find_five(table, forms[i].pattern, forms[i].vector, columns));
        if (columns->found) {
            *form = &forms[i];
            return ZM_OK;
        }
    }
    if (choice != ZM_MAGS_AUTO)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: expected %s magnitudes in five bands, found none", path,
                       zm_mag_kind_name(kinds[choice]));
    return ZM_OK;
}

// A table while its magnitudes are read.
typedef struct reader {
    const char *path;
    zm_source_table *table;
    const zm_log *log;
    zm_tally *bad;
    double *scratch;    // (rows)
    double *extinction; // (rows, ZM_BANDS) mag, or NULL: no such columns
    zm_source_list *list;
} reader;

static zm_status read_column(reader *r, const zm_source_column *column)
{
    return zm_source_table_f64(r->table, column, r->log, r->bad, r->scratch);
}

// The first column of those names as E(B-V), after a division.
static zm_status read_ebv_column(reader *r, const char *const *names, size_t count,
                                 double divisor)
{
    zm_source_column column = {.found = false};
    for (size_t i = 0; i < count && !column.found; i++)
        ZM_TRY(zm_source_table_find(r->table, names[i], 1, &column));
    ZM_TRY(read_column(r, &column));
    for (uint64_t i = 0; i < r->list->count; i++)
        if (fabs(r->scratch[i]) < 100.0) // not -9999
            r->list->sources[i].row.ebv = (float)(r->scratch[i] / divisor);
    return ZM_OK;
}

static zm_status read_extinctions(reader *r)
{
    const uint64_t rows = r->list->count;
    five_columns columns;
    zm_ebv_fit fit = {0};
    ZM_TRY(find_five(r->table, "extinction_%b", "EXTINCTION", &columns));
    if (!columns.found)
        return ZM_OK;
    r->extinction = zm_calloc(rows, ZM_BANDS * sizeof *r->extinction);
    if (!r->extinction)
        return ZM_FAIL(ZM_ERR_MEMORY,
                       "%s: no memory for the extinction of %" PRIu64 " rows", r->path,
                       rows);
    for (uint64_t b = 0; b < ZM_BANDS; b++) {
        ZM_TRY(read_column(r, &columns.band[b]));
        for (uint64_t i = 0; i < rows; i++)
            r->extinction[i * ZM_BANDS + b] = r->scratch[i];
    }
    for (uint64_t i = 0; i < rows; i++)
        r->list->sources[i].row.ebv =
            (float)zm_ebv_fit_row(&fit, &r->extinction[i * ZM_BANDS]);
    const double factor = zm_ebv_fit_factor(&fit);
    for (uint64_t i = 0; i < rows; i++)
        r->list->sources[i].row.ebv =
            (float)((double)r->list->sources[i].row.ebv * factor);
    return ZM_OK;
}

// E(B-V) of every row, where anything tells it; the best source comes last.
static zm_status read_ebv(reader *r)
{
    static const char *const names[] = {"ebv", "e_bv", "ebv_sfd"};
    static const char *const r_names[] = {"extinction_r", "ext_r"};
    ZM_TRY(read_extinctions(r));
    if (!r->extinction)
        ZM_TRY(read_ebv_column(r, r_names, ZM_COUNT_OF(r_names),
                               zm_sfd_extinction_per_ebv[2]));
    return read_ebv_column(r, names, ZM_COUNT_OF(names), 1.0);
}

static void take_values(const mag_form *form, int band, const double *values,
                        zm_source_list *list)
{
    for (uint64_t i = 0; i < list->count; i++) {
        double mag = values[i];
        if (form->is_flux)
            mag = isfinite(mag) ? zm_asinh_mag(mag, band) : mag;
        if (mag > 0.0 && mag < 40.0)
            list->sources[i].row.mags[band] = (float)mag;
    }
}

static void deredden(const reader *r, int band)
{
    for (uint64_t i = 0; i < r->list->count; i++) {
        zm_row *row = &r->list->sources[i].row;
        const double given =
            r->extinction ? r->extinction[i * ZM_BANDS + (uint64_t)band] : (double)NAN;
        const double a_mag = zm_extinction_mag(given, (double)row->ebv, band);
        if (isnan(a_mag))
            row->flags |= ZM_FLAG_NOT_DEREDDENED;
        else
            row->mags[band] = (float)((double)row->mags[band] - a_mag);
    }
}

static zm_status read_mags(reader *r, const mag_form *form, const five_columns *columns)
{
    ZM_TRY(read_ebv(r));
    r->list->mag_kind = form ? form->kind : ZM_MAG_APERTURE;
    for (int band = 0; form && band < ZM_BANDS; band++) {
        ZM_TRY(read_column(r, &columns->band[band]));
        take_values(form, band, r->scratch, r->list);
        if (!form->is_dereddened)
            deredden(r, band);
    }
    return ZM_OK;
}

zm_status zm_source_mags_read(const char *path, zm_source_table *table,
                              zm_mag_choice choice, const zm_log *log, zm_tally *bad,
                              double *scratch, zm_source_list *list)
{
    const mag_form *form = NULL;
    five_columns columns;
    reader r = {.path = path,
                .table = table,
                .log = log,
                .bad = bad,
                .scratch = scratch,
                .list = list};
    ZM_TRY(choose_form(path, table, choice, &form, &columns));
    const zm_status st = read_mags(&r, form, &columns);
    free(r.extinction);
    return st;
}
