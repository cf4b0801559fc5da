// Inside the plot library only.
#ifndef ZM_PLOT_IMPL_H
#define ZM_PLOT_IMPL_H

#include "core/plot/plot.h"

typedef enum zm_mark {
    ZM_MARK_LINE,
    ZM_MARK_AREA,
    ZM_MARK_POINT,
    ZM_MARK_TRIANGLE
} zm_mark;

typedef struct zm_legend_entry {
    zm_mark mark;
    zm_plot_style style; // its label points nowhere
    char label[ZM_PLOT_TEXT];
} zm_legend_entry;

struct zm_axes {
    zm_plot *plot;
    zm_axes_spec spec; // its texts point into the arrays below
    char title[ZM_PLOT_TEXT], numbers[ZM_PLOT_TEXT];
    char x_label[ZM_PLOT_TEXT], y_label[ZM_PLOT_TEXT];
    zm_legend_entry legend[ZM_PLOT_MAX_LABELS];
    uint32_t labels;
    double tick_length; // of the longest number on the y axis, in pixels
};

struct zm_plot {
    zm_canvas canvas;
    zm_axes axes[ZM_PLOT_MAX_PANELS];
    uint32_t panels;
    zm_status status;
};

static const uint32_t zm_plot_ink = 0x262626; // frames and text

// Pixels of a position.
double zm_axes_x(const zm_axes *axes, double x);
double zm_axes_y(const zm_axes *axes, double y);

// Adds a legend entry where the style has a label; beyond ZM_PLOT_MAX_LABELS none.
void zm_axes_label(zm_axes *axes, zm_mark mark, const zm_plot_style *style);
void zm_axes_draw_legend(zm_axes *axes);

void zm_plot_frame(zm_canvas *canvas, const zm_box *box);

// Text of a tick for ticks so far apart; its size.
enum { ZM_TICK_TEXT = 32 };
void zm_tick_text(double value, double step, char out[ZM_TICK_TEXT]);

#endif
