#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/cli/evaluate_plots.h"
#include "core/plot/plot_table.h"

enum { WIDTH = 900, HEIGHT = 660, MIN_BINS = 10, MAX_BINS = 120 };
static const zm_box frame = {110, 90, 860, 570};
static const uint32_t grey = 0xb8b8b8, blue = 0x0077bb, red = 0xcc3311, dark = 0x262626;

typedef struct histogram {
    uint32_t bins;
    double edges[MAX_BINS + 1];
    double counts[MAX_BINS];
    uint64_t outside;
} histogram;

static void start(histogram *h, uint32_t bins, zm_range r)
{
    *h = (histogram){.bins = bins};
    for (uint32_t k = 0; k <= bins; k++)
        h->edges[k] = r.low + (r.high - r.low) * k / bins;
}

static void count(histogram *h, const double *values, uint64_t n)
{
    const double low = h->edges[0], high = h->edges[h->bins];
    for (uint64_t i = 0; i < n; i++) {
        const double at = (values[i] - low) / (high - low) * h->bins;
        if (at >= 0 && at <= h->bins)
            h->counts[(uint32_t)fmin(at, h->bins - 1)]++;
        else
            h->outside++;
    }
}

static double highest(const double *v, uint64_t n)
{
    double top = 0;
    for (uint64_t i = 0; i < n; i++)
        top = fmax(top, v[i]);
    return top;
}

// ---- dz

// Bins of the rule of Freedman & Diaconis 1981: width 2 IQR / n^(1/3).
static uint32_t bins_for(double sigma_iqr, uint64_t n, zm_range r)
{
    const double width = 2 * 1.349 * sigma_iqr / cbrt((double)n);
    const double bins = width > 0 ? (r.high - r.low) / width : MIN_BINS;
    return (uint32_t)fmin(fmax(ceil(bins), MIN_BINS), MAX_BINS);
}

// The normal law of median and sigma_mad, in objects a bin.
static void draw_normal(zm_axes *a, const zm_metrics *m, zm_range r, double bin_width)
{
    enum { POINTS = 300 };
    double x[POINTS], y[POINTS];
    const double sigma = m->value[ZM_SIGMA_MAD], centre = m->value[ZM_BIAS_MEDIAN];
    for (int i = 0; i < POINTS; i++) {
        x[i] = r.low + (r.high - r.low) * i / (POINTS - 1);
        const double t = (x[i] - centre) / sigma;
        y[i] = (double)m->count * bin_width / (sigma * sqrt(2 * acos(-1.0))) *
               exp(-0.5 * t * t);
    }
    zm_axes_curve(a, x, y, POINTS,
                  &(zm_plot_style){
                      .rgb = red, .width = 2.2, .label = "normal law of \\sigma_{MAD}"});
}

static zm_status draw_dz(const char *folder, const zm_metrics *m, const histogram *h,
                         zm_range r)
{
    char numbers[ZM_PLOT_TEXT];
    const double *v = m->value, bin_width = (r.high - r.low) / h->bins;
    const double peak =
        v[ZM_SIGMA_MAD] > 0 ? 0.4 * (double)m->count * bin_width / v[ZM_SIGMA_MAD] : 0;
    zm_plot *plot = NULL;
    zm_evaluate_headline(m, h->outside, numbers);
    ZM_TRY(zm_plot_create(WIDTH, HEIGHT, &plot));
    const double top =
        1.08 * fmax(highest(h->counts, h->bins), fmin(peak, (double)m->count));
    zm_axes *a = zm_plot_axes(
        plot, &(zm_axes_spec){.box = frame,
                              .title = "Residuals",
                              .numbers = numbers,
                              .x_label = "dz = (z_{phot} - z_{spec}) / (1 + z_{spec})",
                              .y_label = "objects per bin",
                              .x_min = r.low,
                              .x_max = r.high,
                              .y_max = top});
    zm_axes_steps(a, h->edges, h->counts, h->bins, true,
                  &(zm_plot_style){.rgb = grey, .label = "objects"});
    zm_axes_steps(a, h->edges, h->counts, h->bins, false,
                  &(zm_plot_style){.rgb = 0x777777, .width = 1.2});
    if (v[ZM_SIGMA_MAD] > 0)
        draw_normal(a, m, r, bin_width);
    zm_axes_line(
        a, v[ZM_BIAS_MEDIAN], 0, v[ZM_BIAS_MEDIAN], top,
        &(zm_plot_style){.rgb = dark, .width = 1.4, .dashed = true, .label = "median"});
    const zm_status st = zm_evaluate_write_plot(plot, folder, "dz_hist.png");
    zm_plot_destroy(&plot);
    return st;
}

static zm_status plot_dz(const char *folder, const zm_evaluation *e)
{
    const zm_redshift_pairs *p = &e->pairs;
    const double *m = e->metrics.value;
    const double reach = fmax(6 * m[ZM_SIGMA_MAD], 0.005 * (m[ZM_SIGMA_MAD] == 0));
    const zm_range r = {m[ZM_BIAS_MEDIAN] - reach, m[ZM_BIAS_MEDIAN] + reach};
    histogram h;
    double *dz = zm_calloc(p->count, sizeof *dz);
    if (!dz)
        return ZM_FAIL(ZM_ERR_MEMORY, "plots: out of memory");
    for (uint64_t i = 0; i < p->count; i++)
        dz[i] = (p->z_phot[i] - p->z_spec[i]) / (1 + p->z_spec[i]);
    start(&h, bins_for(m[ZM_SIGMA_IQR], p->count, r), r);
    count(&h, dz, p->count);
    free(dz);
    ZM_TRY(draw_dz(folder, &e->metrics, &h, r));
    return zm_plot_table_write(
        folder, "dz_hist.csv",
        &(zm_plot_table){
            "dz_low,dz_high,objects", 3, h.bins, {h.edges, h.edges + 1, h.counts}});
}

// ---- N(z)

// Per unit redshift and object.
static void to_density(histogram *h, uint64_t objects)
{
    for (uint32_t k = 0; k < h->bins; k++)
        h->counts[k] /= (double)objects * (h->edges[k + 1] - h->edges[k]);
}

// The mean distribution in the bins of the others: density on [low, high].
static double stacked_density(const zm_evaluation *e, double low, double high)
{
    return (zm_pdf_cdf(&e->grid, e->stacked, high) -
            zm_pdf_cdf(&e->grid, e->stacked, low)) /
           (high - low);
}

static zm_status draw_nz(const char *folder, uint64_t objects, const histogram *spec,
                         const histogram *phot, const histogram *stacked)
{
    char numbers[ZM_PLOT_TEXT];
    snprintf(numbers, sizeof numbers, "N = %llu    outside: z_{spec} %llu, z_{phot} %llu",
             (unsigned long long)objects, (unsigned long long)spec->outside,
             (unsigned long long)phot->outside);
    const double top = fmax(
        highest(spec->counts, spec->bins),
        fmax(highest(phot->counts, phot->bins), highest(stacked->counts, stacked->bins)));
    zm_plot *plot = NULL;
    ZM_TRY(zm_plot_create(WIDTH, HEIGHT, &plot));
    zm_axes *a = zm_plot_axes(plot, &(zm_axes_spec){.box = frame,
                                                    .title = "Distribution of redshifts",
                                                    .numbers = numbers,
                                                    .x_label = "z",
                                                    .y_label = "N(z) / N",
                                                    .x_min = spec->edges[0],
                                                    .x_max = spec->edges[spec->bins],
                                                    .y_max = 1.08 * top});
    zm_axes_steps(a, spec->edges, spec->counts, spec->bins, true,
                  &(zm_plot_style){.rgb = grey, .label = "z_{spec}"});
    zm_axes_steps(a, phot->edges, phot->counts, phot->bins, false,
                  &(zm_plot_style){.rgb = blue, .width = 2.2, .label = "z_{phot}"});
    if (stacked->bins > 0)
        zm_axes_steps(
            a, stacked->edges, stacked->counts, stacked->bins, false,
            &(zm_plot_style){
                .rgb = red, .width = 2.2, .dashed = true, .label = "mean of p(z)"});
    const zm_status st = zm_evaluate_write_plot(plot, folder, "nz.png");
    zm_plot_destroy(&plot);
    return st;
}

static zm_status plot_nz(const char *folder, const zm_evaluation *e)
{
    const zm_redshift_pairs *p = &e->pairs;
    zm_range r;
    histogram spec, phot, stacked = {0};
    ZM_TRY(zm_range_of(p->z_spec, p->count, true, &r));
    const double bins = 2.5 * cbrt((double)p->count);
    const uint32_t n = (uint32_t)fmin(fmax(ceil(bins), MIN_BINS), 60);
    start(&spec, n, r);
    start(&phot, n, r);
    count(&spec, p->z_spec, p->count);
    count(&phot, p->z_phot, p->count);
    to_density(&spec, p->count);
    to_density(&phot, p->count);
    if (e->pdf.count > 0) {
        start(&stacked, n, r);
        for (uint32_t k = 0; k < n; k++)
            stacked.counts[k] =
                stacked_density(e, stacked.edges[k], stacked.edges[k + 1]);
    }
    ZM_TRY(draw_nz(folder, p->count, &spec, &phot, &stacked));
    return zm_plot_table_write(
        folder, "nz.csv",
        &(zm_plot_table){
            e->pdf.count > 0 ? "z_low,z_high,z_spec,z_phot,mean_pdf"
                             : "z_low,z_high,z_spec,z_phot",
            e->pdf.count > 0 ? 5 : 4,
            n,
            {spec.edges, spec.edges + 1, spec.counts, phot.counts, stacked.counts}});
}

zm_status zm_evaluate_plot_histograms(const char *folder, const zm_evaluation *e)
{
    ZM_TRY(plot_dz(folder, e));
    return plot_nz(folder, e);
}
