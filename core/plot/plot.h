// Figures as PNG: panels with axes, a head line with numbers and a legend above them so
// that neither hides data, and what is drawn inside.
//
//   zm_plot *plot = NULL;
//   zm_plot_create(900, 800, &plot);
//   zm_axes *axes = zm_plot_axes(plot, &(zm_axes_spec){...});
//   zm_axes_density(axes, x, y, n, NULL);      // what comes later lies on top
//   zm_axes_line(axes, 0, 0, 1, 1, &style);    // style.label makes a legend entry
//   zm_plot_write(plot, "figure.png");         // draws frame, ticks, legend; failures of
//   zm_plot_destroy(&plot);                    // any call before show here
#ifndef ZM_PLOT_H
#define ZM_PLOT_H

#include "core/plot/plot_canvas.h"

typedef struct zm_plot zm_plot;
typedef struct zm_axes zm_axes; // lives as long as its plot

// White figure; memory that is out is reported by write.
zm_status zm_plot_create(uint32_t width, uint32_t height, zm_plot **out);
void zm_plot_destroy(zm_plot **plot);
zm_status zm_plot_write(zm_plot *plot, const char *path);

enum { ZM_PLOT_MAX_PANELS = 4, ZM_PLOT_MAX_LABELS = 8, ZM_PLOT_TEXT = 160 };

// Text is the markup of zm_canvas_text. Where an end is not finite or min < max does not
// hold, the axis is widened to something that can be drawn.
typedef struct zm_axes_spec {
    zm_box
        box; // of the frame, in pixels; 60 above it belong to title, numbers and legend
    const char *title, *numbers; // above the frame; NULL = none
    const char *x_label, *y_label;
    double x_min, x_max, y_min, y_max;
    bool log_y; // y_min > 0
} zm_axes_spec;

// At most ZM_PLOT_MAX_PANELS a plot; texts are copied.
zm_axes *zm_plot_axes(zm_plot *plot, const zm_axes_spec *spec);

typedef struct zm_plot_style {
    uint32_t rgb;
    double width;   // of lines, diameter of points [2, 5]
    double opacity; // [1]
    bool dashed;
    const char *label; // of the legend, NULL = none
} zm_plot_style;

// All clip at the frame; a point with a value that is not finite breaks a curve.
void zm_axes_line(zm_axes *axes, double x0, double y0, double x1, double y1,
                  const zm_plot_style *style);
void zm_axes_curve(zm_axes *axes, const double *x, const double *y, uint64_t count,
                   const zm_plot_style *style);

// The area between two curves: low, high (count).
void zm_axes_band(zm_axes *axes, const double *x, const double *low, const double *high,
                  uint64_t count, const zm_plot_style *style);

// A histogram: bars from 0 to height where filled, else its outline.
//   edges (bins + 1), heights (bins)
void zm_axes_steps(zm_axes *axes, const double *edges, const double *heights,
                   uint64_t bins, bool filled, const zm_plot_style *style);
void zm_axes_points(zm_axes *axes, const double *x, const double *y, uint64_t count,
                    const zm_plot_style *style);

// Density of points: up to ZM_PLOT_SCATTER of them as discs, more as square bins, both
// coloured by the logarithm of the count in the bin, with a colour bar on the right
// (which takes 90 pixels). Points beyond the axes are marked by triangles at the frame
// and counted in the legend.
enum { ZM_PLOT_SCATTER = 3000 };
typedef struct zm_density {
    uint32_t columns, rows;
    uint32_t *counts;                  // (rows, columns), lowest row first
    double x_min, x_max, y_min, y_max; // of the axes; bins are equal parts
    uint64_t outside;
} zm_density;
//   x, y  (count)
//   out   where not NULL: the bins; the caller frees out->counts
void zm_axes_density(zm_axes *axes, const double *x, const double *y, uint64_t count,
                     zm_density *out);

// Points beyond the axes as triangles at the frame; returns how many there are.
uint64_t zm_axes_outside(zm_axes *axes, const double *x, const double *y, uint64_t count,
                         uint32_t rgb);

#endif
