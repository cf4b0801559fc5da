#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/plot/plot_impl.h"

enum { MIN_BINS = 24, MAX_BINS = 160, FEW = 200, BAR_SIZE = 15 };
static const uint32_t one_colour = 0x31688e, outside_colour = 0xaa3377;

// The viridis colour map as polynomials (fit by M. Zucker), t from 0 to 1.
static uint32_t viridis(double t)
{
    static const double c[7][3] = {
        {0.27772733, 0.00540734, 0.33409981},   {0.10509304, 1.40461353, 1.38459016},
        {-0.33086183, 0.21484756, 0.09509516},  {-4.63423050, -5.79910097, -19.33244096},
        {6.22826994, 14.17993337, 56.69055260}, {4.77638500, -13.74514538, -65.35303263},
        {-5.43545586, 4.64585261, 26.31243525}};
    uint32_t rgb = 0;
    for (int i = 0; i < 3; i++) {
        double v = 0;
        for (int k = 6; k >= 0; k--)
            v = v * t + c[k][i];
        rgb = rgb << 8 | (uint32_t)lround(255 * fmin(fmax(v, 0), 1));
    }
    return rgb;
}

static double shade(uint32_t count, uint32_t most)
{
    return most > 1 ? log(count) / log(most) : 0;
}

// ---- colour bar: 1 to most objects a bin

static void draw_bar_tick(zm_axes *a, const zm_box *bar, double value, uint32_t most)
{
    zm_canvas *c = &a->plot->canvas;
    const double y = bar->bottom - log(value) / log(most) * (bar->bottom - bar->top);
    char text[ZM_TICK_TEXT];
    zm_tick_text(value, 1, text);
    zm_canvas_rect(c, (zm_box){bar->right, y - 0.6, bar->right + 5, y + 0.6},
                   (zm_ink){zm_plot_ink, 1});
    zm_canvas_text(c, bar->right + 9, y + BAR_SIZE * 0.35, text,
                   &(zm_text){.size = BAR_SIZE, .rgb = zm_plot_ink});
}

static void draw_colour_bar(zm_axes *a, uint32_t most)
{
    zm_canvas *c = &a->plot->canvas;
    const zm_box *b = &a->spec.box;
    const zm_box bar = {b->right + 16, b->top, b->right + 32, b->bottom};
    const double height = bar.bottom - bar.top;
    zm_canvas_clip(c, NULL);
    for (double y = 0; y < height; y++)
        zm_canvas_rect(c,
                       (zm_box){bar.left, bar.bottom - y - 1, bar.right, bar.bottom - y},
                       (zm_ink){viridis(y / height), 1});
    zm_plot_frame(c, &bar);
    const int steps[] = {1, 2, 5};
    for (double power = 1; power <= most; power *= 10)
        for (int k = 0; k < (most < 100 ? 3 : 1); k++)
            if (power * steps[k] <= most)
                draw_bar_tick(a, &bar, power * steps[k], most);
    zm_canvas_text(
        c, bar.right + 58, (b->top + b->bottom) / 2, "objects per bin",
        &(zm_text){.size = 16, .rgb = zm_plot_ink, .anchor = 0.5, .upwards = true});
}

// ---- bins

// Bins a side: finer with the number of objects, so that most bins hold some.
static uint32_t bins_for(uint64_t count)
{
    const double bins = 9 * pow((double)count, 0.25);
    return (uint32_t)fmin(fmax(bins, MIN_BINS), MAX_BINS);
}

// Index of the bin of a point, or -1 where it lies outside the axes.
static int64_t bin_of(const zm_density *d, double x, double y)
{
    const double column = (x - d->x_min) / (d->x_max - d->x_min) * d->columns;
    const double row = (y - d->y_min) / (d->y_max - d->y_min) * d->rows;
    if (!(column >= 0 && column <= d->columns && row >= 0 && row <= d->rows))
        return -1;
    return (int64_t)fmin(row, d->rows - 1) * d->columns +
           (int64_t)fmin(column, d->columns - 1);
}

static bool count_bins(const zm_axes *a, const double *x, const double *y, uint64_t count,
                       zm_density *d, uint32_t *most)
{
    const zm_axes_spec *s = &a->spec;
    const uint32_t n = bins_for(count);
    *d = (zm_density){.columns = n,
                      .rows = n,
                      .x_min = s->x_min,
                      .x_max = s->x_max,
                      .y_min = s->y_min,
                      .y_max = s->y_max};
    d->counts = zm_calloc((uint64_t)n * n, sizeof *d->counts);
    if (!d->counts)
        return false;
    for (uint64_t i = 0; i < count; i++) {
        const int64_t bin = bin_of(d, x[i], y[i]);
        if (bin < 0)
            continue;
        d->counts[bin]++;
        *most = ZM_MAX(*most, d->counts[bin]);
    }
    return true;
}

static void draw_bins(zm_axes *a, const zm_density *d, uint32_t most)
{
    const zm_box *b = &a->spec.box;
    const double width = (b->right - b->left) / d->columns;
    const double height = (b->bottom - b->top) / d->rows;
    for (uint32_t row = 0; row < d->rows; row++)
        for (uint32_t column = 0; column < d->columns; column++) {
            const uint32_t n = d->counts[(size_t)row * d->columns + column];
            // edges on whole pixels: no seams
            const zm_box box = {
                round(b->left + column * width), round(b->bottom - (row + 1) * height),
                round(b->left + (column + 1) * width), round(b->bottom - row * height)};
            if (n > 0)
                zm_canvas_rect(&a->plot->canvas, box,
                               (zm_ink){viridis(shade(n, most)), 1});
        }
}

// Discs, the densest on top: one sweep per count is enough, counts are small here.
static void draw_discs(zm_axes *a, const double *x, const double *y, uint64_t count,
                       const zm_density *d, uint32_t most)
{
    const bool few = count <= FEW;
    for (uint32_t n = 1; n <= most; n++)
        for (uint64_t i = 0; i < count; i++) {
            const int64_t bin = bin_of(d, x[i], y[i]);
            if (bin >= 0 && d->counts[bin] == n)
                zm_canvas_disc(&a->plot->canvas, zm_axes_x(a, x[i]), zm_axes_y(a, y[i]),
                               few ? 3.6 : 2.6,
                               few ? (zm_ink){one_colour, 0.8}
                                   : (zm_ink){viridis(shade(n, most)), 1});
        }
}

void zm_axes_density(zm_axes *a, const double *x, const double *y, uint64_t count,
                     zm_density *out)
{
    zm_density d;
    uint32_t most = 1;
    if (!count_bins(a, x, y, count, &d, &most)) {
        a->plot->status = ZM_FAIL(ZM_ERR_MEMORY, "plot: out of memory");
        return;
    }
    zm_canvas_clip(&a->plot->canvas, &a->spec.box);
    if (count <= ZM_PLOT_SCATTER)
        draw_discs(a, x, y, count, &d, most);
    else
        draw_bins(a, &d, most);
    d.outside = zm_axes_outside(a, x, y, count, outside_colour);
    if (d.outside > 0) {
        char label[ZM_PLOT_TEXT];
        snprintf(label, sizeof label, "%llu outside", (unsigned long long)d.outside);
        zm_axes_label(a, ZM_MARK_TRIANGLE,
                      &(zm_plot_style){.rgb = outside_colour, .label = label});
    }
    if (most > 1 && count > FEW)
        draw_colour_bar(a, most);
    if (out)
        *out = d;
    else
        free(d.counts);
}
