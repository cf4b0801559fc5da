#include "core/data/source_mags.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

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

// E(B-V) of every row, where anything tells it.
static zm_status read_ebv(zm_source_table *table, const five_columns *extinction,
                          const zm_log *log, zm_tally *bad, double *scratch,
                          zm_source_list *list)
{
    static const char *const names[] = {"ebv", "e_bv", "ebv_sfd"};
    static const char *const r_names[] = {"extinction_r", "ext_r"};
    zm_source_column ebv = {.found = false};
    zm_source_column extinction_r = {.found = false};
    if (extinction->found)
        extinction_r = extinction->band[2];
    for (size_t i = 0; i < ZM_COUNT_OF(names) && !ebv.found; i++)
        ZM_TRY(zm_source_table_find(table, names[i], 1, &ebv));
    for (size_t i = 0; i < ZM_COUNT_OF(r_names) && !extinction_r.found; i++)
        ZM_TRY(zm_source_table_find(table, r_names[i], 1, &extinction_r));
    ZM_TRY(zm_source_table_f64(table, &extinction_r, log, bad, scratch));
    for (uint64_t i = 0; i < list->count; i++)
        if (fabs(scratch[i]) < 100.0) // not -9999
            list->sources[i].row.ebv = (float)(scratch[i] / zm_sfd_extinction_per_ebv[2]);
    ZM_TRY(zm_source_table_f64(table, &ebv, log, bad, scratch));
    for (uint64_t i = 0; i < list->count; i++)
        if (fabs(scratch[i]) < 100.0)
            list->sources[i].row.ebv = (float)scratch[i];
    return ZM_OK;
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

// Takes the extinction off: the catalogue's, else what E(B-V) amounts to.
static void deredden(int band, const double *extinction, zm_source_list *list)
{
    for (uint64_t i = 0; i < list->count; i++) {
        zm_row *row = &list->sources[i].row;
        double a_mag = fabs(extinction[i]) < 100.0 ? extinction[i] : (double)NAN;
        if (isnan(a_mag))
            a_mag = zm_sfd_extinction_per_ebv[band] * (double)row->ebv;
        if (isnan(a_mag))
            row->flags |= ZM_FLAG_NOT_DEREDDENED;
        else
            row->mags[band] = (float)((double)row->mags[band] - a_mag);
    }
}

zm_status zm_source_mags_read(const char *path, zm_source_table *table,
                              zm_mag_choice choice, const zm_log *log, zm_tally *bad,
                              double *scratch, zm_source_list *list)
{
    const mag_form *form = NULL;
    five_columns mags, extinction;
    ZM_TRY(choose_form(path, table, choice, &form, &mags));
    ZM_TRY(find_five(table, "extinction_%b", "EXTINCTION", &extinction));
    ZM_TRY(read_ebv(table, &extinction, log, bad, scratch, list));
    list->mag_kind = form ? form->kind : ZM_MAG_APERTURE;
    for (int band = 0; form && band < ZM_BANDS; band++) {
        ZM_TRY(zm_source_table_f64(table, &mags.band[band], log, bad, scratch));
        take_values(form, band, scratch, list);
        if (form->is_dereddened)
            continue;
        const zm_source_column none = {.found = false};
        ZM_TRY(zm_source_table_f64(
            table, extinction.found ? &extinction.band[band] : &none, log, bad, scratch));
        deredden(band, scratch, list);
    }
    return ZM_OK;
}
