#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/cli/evaluate_plots.h"
#include "core/plot/plot_table.h"

enum { WIDTH = 1240, HEIGHT = 660, BINS = 20, FEW_BINS = 10, CURVE = 201 };
static const zm_box left = {90, 90, 590, 570}, right = {720, 90, 1200, 570};
static const uint32_t grey = 0xb8b8b8, blue = 0x0077bb, dark = 0x262626;

typedef struct pit_histogram {
    uint32_t bins;
    double edges[BINS + 1], counts[BINS], low[BINS], high[BINS];
} pit_histogram;

// The smallest k with P(X <= k) >= q, X binomial of n trials of probability p.
static double binomial_quantile(uint64_t n, double p, double q)
{
    double sum = 0;
    for (uint64_t k = 0; k < n; k++) {
        const double a = (double)k, b = (double)(n - k), all = (double)n;
        sum += exp(lgamma(all + 1) - lgamma(a + 1) - lgamma(b + 1) + a * log(p) +
                   b * log1p(-p));
        if (sum >= q)
            return a;
    }
    return (double)n;
}

static void make_histogram(const zm_evaluation *e, pit_histogram *h)
{
    const uint64_t n = e->pdf.count;
    *h = (pit_histogram){.bins = n < 400 ? FEW_BINS : BINS};
    for (uint32_t k = 0; k <= h->bins; k++)
        h->edges[k] = (double)k / h->bins;
    for (uint64_t i = 0; i < n; i++)
        h->counts[(uint32_t)fmin(e->scores[i].pit * h->bins, h->bins - 1)]++;
    const double low = binomial_quantile(n, 1.0 / h->bins, 0.025);
    const double high = binomial_quantile(n, 1.0 / h->bins, 0.975);
    for (uint32_t k = 0; k < h->bins; k++) {
        h->low[k] = low;
        h->high[k] = high;
    }
}

static void draw_histogram(zm_plot *plot, const zm_evaluation *e, const pit_histogram *h)
{
    const double flat = (double)e->pdf.count / h->bins;
    char numbers[ZM_PLOT_TEXT];
    double top = h->high[0];
    for (uint32_t k = 0; k < h->bins; k++)
        top = fmax(top, h->counts[k]);
    snprintf(numbers, sizeof numbers, "N = %llu    KS %.4f    CvM %.3f",
             (unsigned long long)e->pdf.count, e->pdf.value[ZM_PIT_KS],
             e->pdf.value[ZM_PIT_CVM]);
    zm_axes *a = zm_plot_axes(plot, &(zm_axes_spec){.box = left,
                                                    .title = "Probability integral "
                                                             "transform",
                                                    .numbers = numbers,
                                                    .x_label = "PIT = F(z_{spec})",
                                                    .y_label = "objects per bin",
                                                    .x_max = 1,
                                                    .y_max = 1.1 * top});
    zm_axes_steps(a, h->edges, h->counts, h->bins, true,
                  &(zm_plot_style){.rgb = grey, .label = "objects"});
    zm_axes_steps(a, h->edges, h->counts, h->bins, false,
                  &(zm_plot_style){.rgb = 0x777777, .width = 1.2});
    zm_axes_band(
        a, (double[]){0, 1}, h->low, h->high, 2,
        &(zm_plot_style){.rgb = blue, .opacity = 0.25, .label = "uniform, 95 %"});
    zm_axes_line(a, 0, flat, 1, flat, &(zm_plot_style){.rgb = blue, .width = 1.6});
}

// Quantiles of the PIT against those of the uniform law, at even probabilities.
static void make_quantiles(const zm_evaluation *e, double *q, double *pit)
{
    const double last = (double)(e->pdf.count - 1);
    for (int i = 0; i < CURVE; i++) {
        q[i] = (double)i / (CURVE - 1);
        const double at = q[i] * last;
        const uint64_t k = (uint64_t)at, next = ZM_MIN(k + 1, e->pdf.count - 1);
        pit[i] = e->scores[k].pit +
                 (at - (double)k) * (e->scores[next].pit - e->scores[k].pit);
    }
}

// The 95 % band of the largest distance. Source: Kolmogorov's limit, 1.3581 / sqrt(n).
static void draw_quantiles(zm_plot *plot, const zm_evaluation *e, const double *q,
                           const double *pit)
{
    const double d = 1.3581 / sqrt((double)e->pdf.count);
    zm_axes *a = zm_plot_axes(plot, &(zm_axes_spec){.box = right,
                                                    .title = "Quantiles",
                                                    .x_label = "quantile of the uniform "
                                                               "law",
                                                    .y_label = "quantile of PIT",
                                                    .x_max = 1,
                                                    .y_max = 1});
    zm_axes_band(a, (double[]){0, 1}, (double[]){-d, 1 - d}, (double[]){d, 1 + d}, 2,
                 &(zm_plot_style){.rgb = blue, .opacity = 0.2, .label = "uniform, 95 %"});
    zm_axes_line(a, 0, 0, 1, 1, &(zm_plot_style){.rgb = blue, .width = 1.4});
    zm_axes_curve(a, q, pit, CURVE,
                  &(zm_plot_style){.rgb = dark, .width = 2.4, .label = "PIT"});
}

zm_status zm_evaluate_plot_pit(const char *folder, const zm_evaluation *e)
{
    pit_histogram h;
    double q[CURVE], pit[CURVE];
    zm_plot *plot = NULL;
    make_histogram(e, &h);
    make_quantiles(e, q, pit);
    ZM_TRY(zm_plot_create(WIDTH, HEIGHT, &plot));
    draw_histogram(plot, e, &h);
    draw_quantiles(plot, e, q, pit);
    zm_status st = zm_evaluate_write_plot(plot, folder, "pit.png");
    zm_plot_destroy(&plot);
    if (st == ZM_OK)
        st = zm_plot_table_write(
            folder, "pit.csv",
            &(zm_plot_table){"pit_low,pit_high,objects,uniform_low,uniform_high",
                             5,
                             h.bins,
                             {h.edges, h.edges + 1, h.counts, h.low, h.high}});
    if (st == ZM_OK)
        st = zm_plot_table_write(folder, "pit_quantiles.csv",
                                 &(zm_plot_table){"uniform,pit", 2, CURVE, {q, pit}});
    return st;
}
