#include "core/cli/evaluate_plots.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/cli/plot.h"
#include "core/io/bytes.h"

static const uint32_t red = 0xcc3311, grey = 0x777777;

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// End of the redshift axes: where 99.5 per cent of both redshifts lie below, rounded up.
static zm_status redshift_limit(const zm_redshift_pairs *pairs, double *out)
{
    double *sorted = zm_calloc(pairs->count, sizeof *sorted);
    if (!sorted)
        return ZM_FAIL(ZM_ERR_MEMORY, "plots: out of memory");
    const double *const columns[] = {pairs->z_phot, pairs->z_spec};
    double limit = 0.02;
    for (size_t c = 0; c < ZM_COUNT_OF(columns); c++) {
        for (uint64_t i = 0; i < pairs->count; i++)
            sorted[i] = columns[c][i];
        qsort(sorted, (size_t)pairs->count, sizeof *sorted, by_value);
        limit = fmax(limit, sorted[(uint64_t)(0.995 * (double)(pairs->count - 1))]);
    }
    free(sorted);
    const double step = pow(10, floor(log10(limit))) / 2;
    *out = ceil(limit * 1.02 / step) * step;
    return ZM_OK;
}

static void add_notes(zm_plot *plot, const zm_metrics *m)
{
    static const zm_metric shown[] = {ZM_BIAS_MEAN, ZM_SIGMA_MAD, ZM_ETA_005};
    char line[96];
    snprintf(line, sizeof line, "%llu objects", (unsigned long long)m->count);
    zm_plot_note(plot, 0, line);
    for (uint32_t i = 0; i < ZM_COUNT_OF(shown); i++) {
        snprintf(line, sizeof line, "%s %.4f", zm_metric_name(shown[i]),
                 m->value[shown[i]]);
        zm_plot_note(plot, i + 1, line);
    }
}

static zm_status write_plot(zm_plot *plot, const char *folder, const char *name)
{
    char path[4096];
    const int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (n < 0 || (size_t)n >= sizeof path)
        return ZM_FAIL(ZM_ERR_USAGE, "%s: the path is too long", folder);
    return zm_plot_write(plot, path);
}

// z_phot against z_spec with the diagonal and |dz| = 0.05.
static zm_status plot_redshifts(const char *folder, const zm_redshift_pairs *pairs,
                                const zm_metrics *metrics, double limit)
{
    const zm_plot_axes axes = {.title = "Photometric against spectroscopic redshift",
                               .x_label = "z_spec",
                               .y_label = "z_phot",
                               .x_max = limit,
                               .y_max = limit};
    zm_plot *plot = zm_plot_create(&axes);
    zm_status st = plot
                       ? zm_plot_density(plot, pairs->z_spec, pairs->z_phot, pairs->count)
                       : ZM_FAIL(ZM_ERR_MEMORY, "plots: out of memory");
    if (st == ZM_OK) {
        const double d = 0.05 * (1 + limit);
        zm_plot_line(plot, 0, 0, limit, limit, red, false);
        zm_plot_line(plot, 0, 0.05, limit, limit + d, red, true);
        zm_plot_line(plot, 0, -0.05, limit, limit - d, red, true);
        add_notes(plot, metrics);
        st = write_plot(plot, folder, "zphot_zspec.png");
    }
    zm_plot_destroy(&plot);
    return st;
}

// dz against z_spec with the median and plus and minus sigma_mad.
static zm_status plot_residuals(const char *folder, const zm_redshift_pairs *pairs,
                                const zm_metrics *metrics, double limit)
{
    const double median = metrics->value[ZM_BIAS_MEDIAN];
    const double sigma = metrics->value[ZM_SIGMA_MAD];
    const double range = fmax(0.1, ceil(5 * sigma / 0.05) * 0.05);
    const zm_plot_axes axes = {.title = "Residuals: median (line), sigma_mad (dashes)",
                               .x_label = "z_spec",
                               .y_label = "(z_phot - z_spec) / (1 + z_spec)",
                               .x_max = limit,
                               .y_min = -range,
                               .y_max = range};
    double *dz = zm_calloc(pairs->count, sizeof *dz);
    zm_plot *plot = zm_plot_create(&axes);
    zm_status st = ZM_OK;
    if (!dz || !plot)
        st = ZM_FAIL(ZM_ERR_MEMORY, "plots: out of memory");
    for (uint64_t i = 0; st == ZM_OK && i < pairs->count; i++)
        dz[i] = (pairs->z_phot[i] - pairs->z_spec[i]) / (1 + pairs->z_spec[i]);
    if (st == ZM_OK)
        st = zm_plot_density(plot, pairs->z_spec, dz, pairs->count);
    if (st == ZM_OK) {
        zm_plot_line(plot, 0, 0, limit, 0, grey, false);
        zm_plot_line(plot, 0, median, limit, median, red, false);
        zm_plot_line(plot, 0, median + sigma, limit, median + sigma, red, true);
        zm_plot_line(plot, 0, median - sigma, limit, median - sigma, red, true);
        add_notes(plot, metrics);
        st = write_plot(plot, folder, "residuals.png");
    }
    zm_plot_destroy(&plot);
    free(dz);
    return st;
}

zm_status zm_evaluate_plots(const char *folder, const zm_evaluation *e)
{
    const zm_redshift_pairs *pairs = &e->pairs;
    const zm_metrics *metrics = &e->metrics;
    double limit = 0;
    ZM_TRY(zm_make_dirs(folder));
    ZM_TRY(redshift_limit(pairs, &limit));
    ZM_TRY(plot_redshifts(folder, pairs, metrics, limit));
    return plot_residuals(folder, pairs, metrics, limit);
}
