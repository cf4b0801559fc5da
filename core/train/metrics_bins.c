#include "core/train/metrics_bins.h"

#include <math.h>
#include <stdlib.h>

// The objects with an x, sorted by it; an array a column, as the metrics want them.
typedef struct by_x {
    uint64_t count;
    double *x, *z_phot, *z_spec;
} by_x;

typedef struct row {
    double x, z_phot, z_spec;
} row;

static int compare(const void *a, const void *b)
{
    const row *p = a, *q = b;
    return (p->x > q->x) - (p->x < q->x);
}

static void finish(by_x *s)
{
    free(s->x);
    free(s->z_phot);
    free(s->z_spec);
}

static zm_status sort(const double *x, const double *z_phot, const double *z_spec,
                      uint64_t count, by_x *out)
{
    row *rows = zm_calloc(count, sizeof *rows);
    by_x s = {.x = zm_calloc(count, sizeof *s.x),
              .z_phot = zm_calloc(count, sizeof *s.z_phot),
              .z_spec = zm_calloc(count, sizeof *s.z_spec)};
    if (!rows || !s.x || !s.z_phot || !s.z_spec) {
        free(rows);
        finish(&s);
        return ZM_FAIL(ZM_ERR_MEMORY, "metrics: %llu objects", (unsigned long long)count);
    }
    for (uint64_t i = 0; i < count; i++)
        if (isfinite(x[i]))
            rows[s.count++] = (row){x[i], z_phot[i], z_spec[i]};
    qsort(rows, (size_t)s.count, sizeof *rows, compare);
    for (uint64_t i = 0; i < s.count; i++) {
        s.x[i] = rows[i].x;
        s.z_phot[i] = rows[i].z_phot;
        s.z_spec[i] = rows[i].z_spec;
    }
    free(rows);
    *out = s;
    return ZM_OK;
}

// Edges of bins that hold equal counts; equal edges fall together. Returns the bins.
static uint32_t count_edges(const by_x *s, uint32_t wanted, double *edges)
{
    const uint64_t room = ZM_MAX(s->count / ZM_METRICS_BIN_OBJECTS, 1);
    const uint32_t bins = (uint32_t)ZM_MIN((uint64_t)wanted, room);
    uint32_t n = 0;
    edges[0] = s->x[0];
    for (uint32_t k = 1; k < bins; k++) {
        const double x = s->x[s->count * k / bins];
        if (x > edges[n])
            edges[++n] = x;
    }
    edges[++n] = s->x[s->count - 1];
    return n;
}

static uint32_t width_edges(const by_x *s, uint32_t bins, double *edges)
{
    const double low = s->x[0], high = s->x[s->count - 1];
    const uint32_t n = high > low ? bins : 1;
    for (uint32_t k = 0; k <= n; k++)
        edges[k] = k == n ? high : low + (high - low) * k / n;
    return n;
}

static zm_status measure(const by_x *s, const zm_metrics_binning *b, const double *edges,
                         uint32_t bins, zm_metrics_bin *out)
{
    uint64_t first = 0;
    for (uint32_t k = 0; k < bins; k++) {
        uint64_t end = first;
        while (end < s->count && (k + 1 == bins || s->x[end] < edges[k + 1]))
            end++;
        out[k].low = edges[k];
        out[k].high = edges[k + 1];
        out[k].median_x =
            end > first ? (s->x[(first + end - 1) / 2] + s->x[(first + end) / 2]) / 2
                        : NAN;
        for (int m = 0; m < ZM_METRIC_COUNT; m++)
            out[k].metrics.value[m] = out[k].metrics.error[m] = NAN;
        if (end > first)
            ZM_TRY(zm_metrics_compute(s->z_phot + first, s->z_spec + first, end - first,
                                      b->seed, b->resamples, &out[k].metrics));
        first = end;
    }
    return ZM_OK;
}

zm_status zm_metrics_binned(const double *x, const double *z_phot, const double *z_spec,
                            uint64_t count, const zm_metrics_binning *b,
                            zm_metrics_bin **out, uint32_t *found)
{
    if (b->bins < 1 || b->bins > ZM_METRICS_MAX_BINS)
        return ZM_FAIL(ZM_ERR_USAGE, "metrics: wanted 1 to %d bins, found %u",
                       ZM_METRICS_MAX_BINS, (unsigned)b->bins);
    by_x s = {0};
    double edges[ZM_METRICS_MAX_BINS + 1];
    *out = NULL;
    *found = 0;
    ZM_TRY(sort(x, z_phot, z_spec, count, &s));
    zm_metrics_bin *bins = NULL;
    uint32_t n = 0;
    zm_status st = ZM_OK;
    if (s.count > 0) {
        n = b->equal_widths ? width_edges(&s, b->bins, edges)
                            : count_edges(&s, b->bins, edges);
        bins = zm_calloc(n, sizeof *bins);
        st = bins ? measure(&s, b, edges, n, bins)
                  : ZM_FAIL(ZM_ERR_MEMORY, "metrics: no memory for bins");
    }
    finish(&s);
    if (st == ZM_OK) {
        *out = bins;
        *found = n;
    } else {
        free(bins);
    }
    return st;
}
