// Small figures as PNG: axes with ticks and labels, lines, density scatter. Drawn at
// twice the size and averaged, so that edges are smooth.
#ifndef ZM_PLOT_H
#define ZM_PLOT_H

#include "core/base.h"

typedef struct zm_plot zm_plot;

typedef struct zm_plot_axes {
    const char *title, *x_label, *y_label; // ASCII
    double x_min, x_max, y_min, y_max;     // finite, min < max
    uint32_t width, height;                // of the picture [720 x 640]
} zm_plot_axes;

// An empty figure; the strings must live until write. NULL when memory is out.
zm_plot *zm_plot_create(const zm_plot_axes *axes);

// Counts points in fine bins and colours the bins by the logarithm of the count, with a
// colour bar. Points outside the axes are left out. Draw this first, lines on top.
//   x, y   (count)
zm_status zm_plot_density(zm_plot *plot, const double *x, const double *y,
                          uint64_t count);

// A straight line in data coordinates, clipped to the axes; rgb is 0xRRGGBB.
void zm_plot_line(zm_plot *plot, double x0, double y0, double x1, double y1, uint32_t rgb,
                  bool dashed);

// A line of text in the upper left corner of the axes, row 0 first.
void zm_plot_note(zm_plot *plot, uint32_t row, const char *text);

zm_status zm_plot_write(const zm_plot *plot, const char *path);
void zm_plot_destroy(zm_plot **plot);

#endif
