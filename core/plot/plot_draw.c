#include <math.h>

#include "core/plot/plot_impl.h"

enum { DASH = 9, DASH_GAP = 6 };

static zm_ink ink_of(const zm_plot_style *s)
{
    return (zm_ink){s->rgb, s->opacity > 0 ? s->opacity : 1};
}

static double width_of(const zm_plot_style *s, double otherwise)
{
    return s->width > 0 ? s->width : otherwise;
}

static zm_canvas *clipped(zm_axes *a)
{
    zm_canvas_clip(&a->plot->canvas, &a->spec.box);
    return &a->plot->canvas;
}

// One piece of a line in pixels. walked: the length drawn so far, for the dashes. The
// part far off the frame is skipped, so that the number of dashes is bounded.
static void draw_piece(zm_axes *a, const double p[4], const zm_plot_style *s,
                       double *walked)
{
    zm_canvas *c = &a->plot->canvas;
    const double length = hypot(p[2] - p[0], p[3] - p[1]);
    const double far = 4.0 * (c->width + c->height);
    if (!isfinite(length))
        return;
    if (!s->dashed || length > far) {
        zm_canvas_line(c, p[0], p[1], p[2], p[3], width_of(s, 2), ink_of(s));
        return;
    }
    const double period = DASH + DASH_GAP, end = *walked + length;
    for (double at = floor(*walked / period) * period; at < end; at += period) {
        const double from = fmax(at, *walked) - *walked;
        const double to = fmin(at + DASH, end) - *walked;
        if (to <= from)
            continue;
        const double dx = (p[2] - p[0]) / length, dy = (p[3] - p[1]) / length;
        zm_canvas_line(c, p[0] + dx * from, p[1] + dy * from, p[0] + dx * to,
                       p[1] + dy * to, width_of(s, 2), ink_of(s));
    }
    *walked = end;
}

void zm_axes_curve(zm_axes *a, const double *x, const double *y, uint64_t count,
                   const zm_plot_style *s)
{
    double walked = 0;
    clipped(a);
    for (uint64_t i = 1; i < count; i++) {
        const double p[4] = {zm_axes_x(a, x[i - 1]), zm_axes_y(a, y[i - 1]),
                             zm_axes_x(a, x[i]), zm_axes_y(a, y[i])};
        draw_piece(a, p, s, &walked);
    }
    zm_axes_label(a, ZM_MARK_LINE, s);
}

void zm_axes_line(zm_axes *a, double x0, double y0, double x1, double y1,
                  const zm_plot_style *s)
{
    zm_axes_curve(a, (double[]){x0, x1}, (double[]){y0, y1}, 2, s);
}

void zm_axes_band(zm_axes *a, const double *x, const double *low, const double *high,
                  uint64_t count, const zm_plot_style *s)
{
    zm_canvas *c = clipped(a);
    for (uint64_t i = 1; i < count; i++) {
        const double left = zm_axes_x(a, x[i - 1]), right = zm_axes_x(a, x[i]);
        const double from = fmax(left, a->spec.box.left);
        const double to = fmin(right, a->spec.box.right);
        // column by column of pixels, so that slanted edges are followed
        for (double at = from; at < to; at = floor(at) + 1) {
            const double end = fmin(floor(at) + 1, to);
            const double t = ((at + end) / 2 - left) / (right - left);
            const double top = high[i - 1] + t * (high[i] - high[i - 1]);
            const double bottom = low[i - 1] + t * (low[i] - low[i - 1]);
            zm_canvas_rect(c, (zm_box){at, zm_axes_y(a, top), end, zm_axes_y(a, bottom)},
                           ink_of(s));
        }
    }
    zm_axes_label(a, ZM_MARK_AREA, s);
}

static void draw_outline(zm_axes *a, const double *edges, const double *heights,
                         uint64_t bins, const zm_plot_style *s)
{
    double walked = 0, last = zm_axes_y(a, 0);
    for (uint64_t k = 0; k < bins; k++) {
        const double left = zm_axes_x(a, edges[k]), right = zm_axes_x(a, edges[k + 1]);
        const double y = zm_axes_y(a, heights[k]);
        draw_piece(a, (double[]){left, last, left, y}, s, &walked);
        draw_piece(a, (double[]){left, y, right, y}, s, &walked);
        last = y;
    }
    const double end = zm_axes_x(a, edges[bins]);
    draw_piece(a, (double[]){end, last, end, zm_axes_y(a, 0)}, s, &walked);
}

void zm_axes_steps(zm_axes *a, const double *edges, const double *heights, uint64_t bins,
                   bool filled, const zm_plot_style *s)
{
    zm_canvas *c = clipped(a);
    for (uint64_t k = 0; k < bins && filled; k++) // sides on whole pixels: no seams
        zm_canvas_rect(c,
                       (zm_box){round(zm_axes_x(a, edges[k])), zm_axes_y(a, heights[k]),
                                round(zm_axes_x(a, edges[k + 1])), zm_axes_y(a, 0)},
                       ink_of(s));
    if (!filled)
        draw_outline(a, edges, heights, bins, s);
    zm_axes_label(a, filled ? ZM_MARK_AREA : ZM_MARK_LINE, s);
}

void zm_axes_points(zm_axes *a, const double *x, const double *y, uint64_t count,
                    const zm_plot_style *s)
{
    zm_canvas *c = clipped(a);
    for (uint64_t i = 0; i < count; i++)
        zm_canvas_disc(c, zm_axes_x(a, x[i]), zm_axes_y(a, y[i]), width_of(s, 5) / 2,
                       ink_of(s));
    zm_axes_label(a, ZM_MARK_POINT, s);
}

// A triangle whose tip touches the frame at (x, y) and points along (dx, dy).
static void draw_arrow(zm_canvas *c, double x, double y, double dx, double dy, zm_ink ink)
{
    const double back = 9, half = 4.5, n = hypot(dx, dy);
    const double ux = dx / n, uy = dy / n;
    zm_canvas_triangle(
        c, (double[]){x, x - back * ux - half * uy, x - back * ux + half * uy},
        (double[]){y, y - back * uy + half * ux, y - back * uy - half * ux}, ink);
}

uint64_t zm_axes_outside(zm_axes *a, const double *x, const double *y, uint64_t count,
                         uint32_t rgb)
{
    zm_canvas *c = clipped(a);
    const zm_box *b = &a->spec.box;
    uint64_t outside = 0;
    for (uint64_t i = 0; i < count; i++) {
        const double px = zm_axes_x(a, x[i]), py = zm_axes_y(a, y[i]);
        const double ax = fmin(fmax(px, b->left), b->right);
        const double ay = fmin(fmax(py, b->top), b->bottom);
        const double dx = px < b->left ? -1 : px > b->right ? 1 : 0;
        const double dy = py < b->top ? -1 : py > b->bottom ? 1 : 0;
        if (dx == 0 && dy == 0)
            continue;
        outside++;
        draw_arrow(c, ax, ay, dx, dy, (zm_ink){rgb, 0.7});
    }
    return outside;
}
