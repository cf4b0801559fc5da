#include <stdio.h>

#include "core/plot/plot_impl.h"

enum { SIZE = 15, MARK = 30, GAP = 8, BETWEEN = 22, ABOVE = 10 };

void zm_axes_label(zm_axes *a, zm_mark mark, const zm_plot_style *style)
{
    if (!style->label || a->labels == ZM_PLOT_MAX_LABELS)
        return;
    zm_legend_entry *e = &a->legend[a->labels++];
    *e = (zm_legend_entry){.mark = mark, .style = *style};
    e->style.label = NULL;
    snprintf(e->label, sizeof e->label, "%s", style->label);
}

static void draw_mark(zm_canvas *c, const zm_legend_entry *e, double x, double y)
{
    const zm_ink ink = {e->style.rgb, e->style.opacity > 0 ? e->style.opacity : 1};
    const double width = e->style.width > 0 ? e->style.width : 2;
    const double middle = x + MARK / 2.0;
    switch (e->mark) {
    case ZM_MARK_LINE:
        if (e->style.dashed) {
            zm_canvas_line(c, x + 2, y, x + 10, y, width, ink);
            zm_canvas_line(c, x + 19, y, x + 27, y, width, ink);
        } else {
            zm_canvas_line(c, x + 2, y, x + MARK - 2, y, width, ink);
        }
        break;
    case ZM_MARK_AREA:
        zm_canvas_rect(c, (zm_box){x + 4, y - 6, x + MARK - 4, y + 6}, ink);
        break;
    case ZM_MARK_POINT:
        zm_canvas_disc(c, middle, y, (e->style.width > 0 ? e->style.width : 5) / 2, ink);
        break;
    case ZM_MARK_TRIANGLE:
        zm_canvas_triangle(c, (double[]){middle - 5, middle + 5, middle},
                           (double[]){y + 4, y + 4, y - 6}, ink);
        break;
    }
}

void zm_axes_draw_legend(zm_axes *a)
{
    zm_canvas *c = &a->plot->canvas;
    const double y = a->spec.box.top - ABOVE;
    double x = a->spec.box.left;
    for (uint32_t i = 0; i < a->labels; i++) {
        const zm_legend_entry *e = &a->legend[i];
        draw_mark(c, e, x, y - SIZE * 0.33);
        x += MARK + GAP;
        zm_canvas_text(c, x, y, e->label, &(zm_text){.size = SIZE, .rgb = zm_plot_ink});
        x += zm_text_length(e->label, SIZE) + BETWEEN;
    }
}
