#include <math.h>
#include <stdlib.h>

#include "core/cli/evaluate_plots.h"
#include "core/plot/plot_table.h"

enum {
    WIDTH = 900,
    HEIGHT = 860,
    RUNNING_BINS = 25,
    FEW_BINS = 4,
    RUNNING_OBJECTS = 80,
    LEAST_OBJECTS = 8
};
static const zm_box frame = {100, 90, 780, 770}; // 680 x 680
static const uint32_t red = 0xcc3311, black = 0x262626;

// ---- the bins of a density figure as CSV: those that hold objects

static double x_edge(const zm_density *d, double column)
{
    return d->x_min + (d->x_max - d->x_min) * column / d->columns;
}

static double y_edge(const zm_density *d, double row)
{
    return d->y_min + (d->y_max - d->y_min) * row / d->rows;
}

static zm_status write_density(const char *folder, const char *name, const zm_density *d)
{
    const uint64_t all = (uint64_t)d->rows * d->columns;
    double *values = zm_calloc(all * 5, sizeof *values);
    if (!values)
        return ZM_FAIL(ZM_ERR_MEMORY, "plots: out of memory");
    uint64_t n = 0;
    for (uint64_t i = 0; i < all; i++) {
        if (d->counts[i] == 0)
            continue;
        const double column = (double)(i % d->columns), line = (double)(i / d->columns);
        const double row[5] = {x_edge(d, column), x_edge(d, column + 1), y_edge(d, line),
                               y_edge(d, line + 1), d->counts[i]};
        for (uint64_t c = 0; c < 5; c++)
            values[c * all + n] = row[c];
        n++;
    }
    const zm_plot_table table = {.header = "x_low,x_high,y_low,y_high,objects",
                                 .columns = 5,
                                 .rows = n,
                                 .column = {values, values + all, values + 2 * all,
                                            values + 3 * all, values + 4 * all}};
    const zm_status st = zm_plot_table_write(folder, name, &table);
    free(values);
    return st;
}

// ---- z_phot against z_spec

// One range for both axes: what either redshift needs.
static zm_status redshift_range(const zm_redshift_pairs *p, zm_range *out)
{
    zm_range phot, spec;
    ZM_TRY(zm_range_of(p->z_phot, p->count, true, &phot));
    ZM_TRY(zm_range_of(p->z_spec, p->count, true, &spec));
    // far-off predictions are marked at the frame rather than squeeze the rest
    const double room = spec.high - spec.low;
    *out = (zm_range){fmax(fmin(spec.low, phot.low), spec.low - 0.05 * room),
                      fmin(fmax(spec.high, phot.high), spec.high + 0.25 * room)};
    return ZM_OK;
}

static void draw_redshift_lines(zm_axes *a, zm_range r)
{
    const zm_plot_style one = {.rgb = red, .width = 1.8, .label = "z_{phot} = z_{spec}"};
    const zm_plot_style limit = {
        .rgb = red, .width = 1.6, .dashed = true, .label = "|dz| = 0.05"};
    zm_plot_style same = limit;
    same.label = NULL;
    zm_axes_line(a, r.low, r.low, r.high, r.high, &one);
    zm_axes_line(a, r.low, r.low + 0.05 * (1 + r.low), r.high,
                 r.high + 0.05 * (1 + r.high), &limit);
    zm_axes_line(a, r.low, r.low - 0.05 * (1 + r.low), r.high,
                 r.high - 0.05 * (1 + r.high), &same);
}

zm_status zm_evaluate_plot_redshifts(const char *folder, const zm_evaluation *e)
{
    char numbers[ZM_PLOT_TEXT];
    zm_range r;
    zm_plot *plot = NULL;
    zm_density density = {0};
    zm_evaluate_headline(&e->metrics, 0, numbers);
    ZM_TRY(redshift_range(&e->pairs, &r));
    ZM_TRY(zm_plot_create(WIDTH, HEIGHT, &plot));
    zm_axes *a = zm_plot_axes(plot, &(zm_axes_spec){.box = frame,
                                                    .title = "Predicted against true "
                                                             "redshift",
                                                    .numbers = numbers,
                                                    .x_label = "z_{spec}",
                                                    .y_label = "z_{phot}",
                                                    .x_min = r.low,
                                                    .x_max = r.high,
                                                    .y_min = r.low,
                                                    .y_max = r.high});
    zm_axes_density(a, e->pairs.z_spec, e->pairs.z_phot, e->pairs.count, &density);
    draw_redshift_lines(a, r);
    zm_status st = zm_evaluate_write_plot(plot, folder, "zphot_zspec.png");
    if (st == ZM_OK)
        st = write_density(folder, "zphot_zspec.csv", &density);
    free(density.counts);
    zm_plot_destroy(&plot);
    return st;
}

// ---- residuals

typedef struct running {
    uint64_t count;
    double x[RUNNING_BINS], median[RUNNING_BINS], sigma[RUNNING_BINS];
    double low[RUNNING_BINS], high[RUNNING_BINS], objects[RUNNING_BINS];
} running;

static void add_bin(running *r, const zm_metrics_bin *bin)
{
    const uint64_t k = r->count++;
    const double median = bin->metrics.value[ZM_BIAS_MEDIAN];
    const double sigma = bin->metrics.value[ZM_SIGMA_MAD];
    r->x[k] = bin->median_x;
    r->median[k] = median;
    r->sigma[k] = sigma;
    r->low[k] = median - sigma;
    r->high[k] = median + sigma;
    r->objects[k] = (double)bin->metrics.count;
}

// In bins of equal width of the axis; those of a few objects say nothing and are left
// out.
static zm_status running_median(const double *x, zm_range axis,
                                const zm_redshift_pairs *p, running *out)
{
    const uint64_t room = ZM_MAX(p->count / RUNNING_OBJECTS, FEW_BINS);
    const zm_metrics_binning how = {.bins = (uint32_t)ZM_MIN(room, RUNNING_BINS),
                                    .equal_widths = true};
    zm_metrics_bin *bins = NULL;
    uint32_t n = 0;
    double *inside = zm_calloc(p->count, sizeof *inside);
    if (!inside)
        return ZM_FAIL(ZM_ERR_MEMORY, "plots: out of memory");
    for (uint64_t i = 0; i < p->count; i++)
        inside[i] = x[i] >= axis.low && x[i] <= axis.high ? x[i] : NAN;
    const zm_status st =
        zm_metrics_binned(inside, p->z_phot, p->z_spec, p->count, &how, &bins, &n);
    *out = (running){0};
    for (uint32_t k = 0; k < n; k++)
        if (bins[k].metrics.count >= ZM_MIN(LEAST_OBJECTS, p->count))
            add_bin(out, &bins[k]);
    free(bins);
    free(inside);
    return st;
}

// Lines on a white rim: they lie on dark and on bright bins.
static void draw_rimmed(zm_axes *a, const running *r, const double *y,
                        const zm_plot_style *style)
{
    const zm_plot_style rim = {.rgb = 0xffffff, .width = style->width + 2.4};
    zm_axes_curve(a, r->x, y, r->count, &rim);
    zm_axes_curve(a, r->x, y, r->count, style);
    if (r->count == 1)
        zm_axes_points(a, r->x, y, 1, &(zm_plot_style){.rgb = style->rgb, .width = 7});
}

static void draw_running(zm_axes *a, const running *r, zm_range x)
{
    const zm_plot_style zero = {.rgb = black, .width = 1.2, .opacity = 0.7};
    const zm_plot_style median = {.rgb = red, .width = 2.6, .label = "median in bins"};
    const zm_plot_style sigma = {
        .rgb = red, .width = 2, .dashed = true, .label = "\\pm \\sigma_{MAD} in bins"};
    zm_plot_style same = sigma;
    same.label = NULL;
    zm_axes_line(a, x.low, 0, x.high, 0, &zero);
    draw_rimmed(a, r, r->median, &median);
    draw_rimmed(a, r, r->low, &sigma);
    draw_rimmed(a, r, r->high, &same);
}

typedef struct residual_figure {
    const char *picture, *table, *bins; // file names
    const char *title, *label;
    bool redshift;
} residual_figure;

// xy: (2, count) positions and dz.
static zm_status draw_residuals(const char *folder, const zm_evaluation *e,
                                const residual_figure *f, const double *xy,
                                uint64_t count, zm_range x, const running *run)
{
    const double sigma = e->metrics.value[ZM_SIGMA_MAD];
    const double reach = fmin(fmax(6 * sigma, 0.06), 2);
    char numbers[ZM_PLOT_TEXT];
    zm_plot *plot = NULL;
    zm_density density = {0};
    zm_evaluate_headline(&e->metrics, 0, numbers);
    ZM_TRY(zm_plot_create(WIDTH, HEIGHT - 160, &plot));
    zm_box box = frame;
    box.bottom -= 160;
    zm_axes *a = zm_plot_axes(
        plot, &(zm_axes_spec){.box = box,
                              .title = f->title,
                              .numbers = numbers,
                              .x_label = f->label,
                              .y_label = "dz = (z_{phot} - z_{spec}) / (1 + z_{spec})",
                              .x_min = x.low,
                              .x_max = x.high,
                              .y_min = -reach,
                              .y_max = reach});
    zm_axes_density(a, xy, xy + count, count, &density);
    draw_running(a, run, x);
    zm_status st = zm_evaluate_write_plot(plot, folder, f->picture);
    if (st == ZM_OK)
        st = write_density(folder, f->bins, &density);
    free(density.counts);
    zm_plot_destroy(&plot);
    return st;
}

static zm_status plot_residuals(const char *folder, const zm_evaluation *e,
                                const double *x, const residual_figure *f)
{
    const zm_redshift_pairs *p = &e->pairs;
    zm_range axis;
    running run;
    uint64_t n = 0, at = 0;
    for (uint64_t i = 0; i < p->count; i++)
        n += isfinite(x[i]) != 0;
    if (n == 0)
        return ZM_OK;
    double *xy = zm_calloc(2 * n, sizeof *xy);
    if (!xy)
        return ZM_FAIL(ZM_ERR_MEMORY, "plots: out of memory");
    for (uint64_t i = 0; i < p->count; i++)
        if (isfinite(x[i])) {
            xy[at] = x[i];
            xy[n + at++] = (p->z_phot[i] - p->z_spec[i]) / (1 + p->z_spec[i]);
        }
    zm_status st = zm_range_of(xy, n, f->redshift, &axis);
    if (st == ZM_OK)
        st = running_median(x, axis, p, &run);
    if (st == ZM_OK)
        st = draw_residuals(folder, e, f, xy, n, axis, &run);
    if (st == ZM_OK)
        st = zm_plot_table_write(
            folder, f->table,
            &(zm_plot_table){"x,median_dz,sigma_mad,objects",
                             4,
                             run.count,
                             {run.x, run.median, run.sigma, run.objects}});
    free(xy);
    return st;
}

zm_status zm_evaluate_plot_residuals(const char *folder, const zm_evaluation *e)
{
    const residual_figure by_z = {"residuals.png",
                                  "residuals.csv",
                                  "residuals_density.csv",
                                  "Residuals against true redshift",
                                  "z_{spec}",
                                  true};
    const residual_figure by_r = {"residuals_r.png",
                                  "residuals_r.csv",
                                  "residuals_r_density.csv",
                                  "Residuals against magnitude",
                                  "r [mag]",
                                  false};
    ZM_TRY(plot_residuals(folder, e, e->pairs.z_spec, &by_z));
    return e->pairs.r_mag ? plot_residuals(folder, e, e->pairs.r_mag, &by_r) : ZM_OK;
}
