#include "core/survey/prepare_match.h"

#include <math.h>
#include <stdlib.h>

#include "core/data/photometry.h"

typedef struct best_fit {
    bool named; // the field that the catalogue names
    zm_field_fit fit;
} best_fit;

struct zm_matcher {
    const zm_source_list *sources;
    uint32_t size;
    uint64_t *by_dec; // (placed) rows with a position, by declination
    uint64_t placed;
    best_fit *best; // (count) so far
    uint64_t *near; // (count) scratch: rows near a field
    double *sky;    // (count, 2) of those
    zm_field_fit *fits;
    bool needs_all;      // some row names no field, or one that is not there
    zm_field_id *needed; // (needed_count) fields named, sorted, where not needs_all
    uint64_t needed_count;
};

typedef struct row_dec {
    double dec_deg;
    uint64_t row;
} row_dec;

static int by_dec(const void *a, const void *b)
{
    const row_dec *x = a, *y = b;
    if (x->dec_deg != y->dec_deg)
        return x->dec_deg < y->dec_deg ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static int by_row(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static int by_field(const void *a, const void *b)
{
    return zm_field_id_compare(a, b);
}

static zm_status sort_rows(zm_matcher *m)
{
    const zm_source_list *list = m->sources;
    row_dec *sorted = zm_calloc(list->count, sizeof *sorted);
    if (!sorted)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory to sort the catalogue");
    for (uint64_t i = 0; i < list->count; i++)
        if (!(list->sources[i].row.flags & ZM_FLAG_BAD_ROW))
            sorted[m->placed++] = (row_dec){list->sources[i].row.dec_deg, i};
    qsort(sorted, (size_t)m->placed, sizeof *sorted, by_dec);
    for (uint64_t i = 0; i < m->placed; i++)
        m->by_dec[i] = sorted[i].row;
    free(sorted);
    return ZM_OK;
}

static zm_field_id named_field(const zm_source *s)
{
    return (zm_field_id){s->run, s->camcol, s->number};
}

static void find_needed(zm_matcher *m, const zm_frame_list *frames)
{
    for (uint64_t i = 0; i < m->placed && !m->needs_all; i++) {
        const zm_field_id id = named_field(&m->sources->sources[m->by_dec[i]]);
        m->needs_all = !zm_frame_list_find(frames, &id);
        m->needed[m->needed_count++] = id;
    }
    if (m->needed_count != 0)
        qsort(m->needed, (size_t)m->needed_count, sizeof *m->needed, by_field);
}

zm_status zm_matcher_create(const zm_source_list *sources, const zm_frame_list *frames,
                            uint32_t size, zm_matcher **out)
{
    const uint64_t n = sources->count;
    zm_matcher *m = calloc(1, sizeof *m);
    if (m) {
        m->sources = sources;
        m->size = size;
        m->by_dec = zm_calloc(n, sizeof *m->by_dec);
        m->best = zm_calloc(n, sizeof *m->best);
        m->near = zm_calloc(n, sizeof *m->near);
        m->sky = zm_calloc(n, 2 * sizeof *m->sky);
        m->fits = zm_calloc(n, sizeof *m->fits);
        m->needed = zm_calloc(n, sizeof *m->needed);
    }
    zm_status st = ZM_OK;
    if (!m || !m->by_dec || !m->best || !m->near || !m->sky || !m->fits || !m->needed)
        st = ZM_FAIL(ZM_ERR_MEMORY, "no memory to match %llu positions",
                     (unsigned long long)n);
    else
        st = sort_rows(m);
    if (st != ZM_OK) {
        zm_matcher_destroy(&m);
        return st;
    }
    for (uint64_t i = 0; i < n; i++)
        m->best[i].fit.margin_px = -INFINITY;
    find_needed(m, frames);
    *out = m;
    return ZM_OK;
}

void zm_matcher_destroy(zm_matcher **matcher)
{
    zm_matcher *m = *matcher;
    if (!m)
        return;
    free(m->by_dec);
    free(m->best);
    free(m->near);
    free(m->sky);
    free(m->fits);
    free(m->needed);
    free(m);
    *matcher = NULL;
}

bool zm_matcher_needs(const zm_matcher *m, const zm_field_id *id)
{
    return m->needs_all ||
           (m->needed_count != 0 &&
            bsearch(id, m->needed, (size_t)m->needed_count, sizeof *m->needed, by_field));
}

// First of by_dec at or above a declination.
static uint64_t lower_bound(const zm_matcher *m, double dec_deg)
{
    uint64_t low = 0, high = m->placed;
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        if (m->sources->sources[m->by_dec[middle]].row.dec_deg < dec_deg)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// Adds the rows of a band's frame to near, each once.
static uint64_t collect_near(zm_matcher *m, const zm_frame *frame)
{
    const double degree = 0.017453292519943295;
    const double reach = frame->radius + m->size * ZM_PIXEL_ARCSEC / 3600.0 * degree;
    const double dec = asin(fmax(-1.0, fmin(1.0, frame->centre[2]))) / degree;
    const uint64_t last = lower_bound(m, dec + reach / degree);
    uint64_t count = 0;
    for (uint64_t i = lower_bound(m, dec - reach / degree); i < last; i++) {
        const zm_row *row = &m->sources->sources[m->by_dec[i]].row;
        double v[3];
        zm_sky_vector(row->ra_deg, row->dec_deg, v);
        const double cosine =
            v[0] * frame->centre[0] + v[1] * frame->centre[1] + v[2] * frame->centre[2];
        if (cosine > cos(reach))
            m->near[count++] = m->by_dec[i];
    }
    return count;
}

static bool is_better(const best_fit *a, const best_fit *b)
{
    return a->named != b->named ? a->named : zm_field_fit_better(&a->fit, &b->fit);
}

zm_status zm_matcher_find(zm_matcher *m, const zm_frame_field *field,
                          const uint64_t **rows, uint64_t *count)
{
    const zm_frame *any = NULL; // bands of a field lie within arcseconds of each other
    uint64_t kept = 0;
    for (int band = 0; band < ZM_BANDS && !any; band++)
        any = field->band[band].image ? &field->band[band] : NULL;
    const uint64_t near = any ? collect_near(m, any) : 0;
    if (near > UINT32_MAX)
        return ZM_FAIL(ZM_ERR_FORMAT, "more than 2^32 positions in one field");
    if (near != 0)
        qsort(m->near, (size_t)near, sizeof *m->near, by_row);
    for (uint64_t i = 0; i < near; i++) {
        m->sky[2 * i] = m->sources->sources[m->near[i]].row.ra_deg;
        m->sky[2 * i + 1] = m->sources->sources[m->near[i]].row.dec_deg;
    }
    zm_field_fit_all(field, (uint32_t)near, m->sky, m->fits);
    for (uint64_t i = 0; i < near; i++) {
        const uint64_t row = m->near[i];
        const zm_field_id id = named_field(&m->sources->sources[row]);
        const best_fit found = {.named = m->fits[i].bands != 0 &&
                                         zm_field_id_compare(&id, &field->id) == 0,
                                .fit = m->fits[i]};
        // outside by more than a cutout's diagonal there is not a pixel to cut
        if (found.fit.margin_px < -0.75 * m->size || !is_better(&found, &m->best[row]))
            continue;
        m->best[row] = found;
        m->near[kept++] = row;
    }
    *rows = m->near;
    *count = kept;
    return ZM_OK;
}
