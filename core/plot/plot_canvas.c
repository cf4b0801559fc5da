#include "core/plot/plot_canvas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/io/png.h"

zm_status zm_canvas_init(zm_canvas *c, uint32_t width, uint32_t height)
{
    *c = (zm_canvas){.width = width, .height = height};
    if (width < 1 || width > ZM_PNG_MAX_SIDE || height < 1 || height > ZM_PNG_MAX_SIDE)
        return ZM_FAIL(ZM_ERR_USAGE,
                       "picture: wanted sides of 1 to %d pixels, found "
                       "%u x %u",
                       ZM_PNG_MAX_SIDE, (unsigned)width, (unsigned)height);
    const uint64_t bytes = (uint64_t)width * height * 3;
    c->rgb = zm_calloc(bytes, 1);
    if (!c->rgb)
        return ZM_FAIL(ZM_ERR_MEMORY, "picture: no memory for %u x %u pixels",
                       (unsigned)width, (unsigned)height);
    memset(c->rgb, 255, (size_t)bytes);
    zm_canvas_clip(c, NULL);
    return ZM_OK;
}

void zm_canvas_finish(zm_canvas *c)
{
    free(c->rgb);
    *c = (zm_canvas){0};
}

void zm_canvas_clip(zm_canvas *c, const zm_box *box)
{
    const zm_box all = {0, 0, c->width, c->height};
    c->clip = all;
    if (box)
        c->clip = (zm_box){fmax(box->left, 0), fmax(box->top, 0),
                           fmin(box->right, all.right), fmin(box->bottom, all.bottom)};
}

// Pixels that a shape within (left, top, right, bottom) may touch.
typedef struct span {
    int64_t x0, y0, x1, y1;
} span;

static bool touched(const zm_canvas *c, double left, double top, double right,
                    double bottom, span *out)
{
    if (isnan(left) || isnan(top) || isnan(right) || isnan(bottom))
        return false;
    const double x0 = fmax(left, c->clip.left), x1 = fmin(right, c->clip.right);
    const double y0 = fmax(top, c->clip.top), y1 = fmin(bottom, c->clip.bottom);
    if (!(x0 < x1 && y0 < y1))
        return false;
    *out = (span){(int64_t)floor(x0), (int64_t)floor(y0), (int64_t)ceil(x1),
                  (int64_t)ceil(y1)};
    return true;
}

// Part of the stretch from a to b that pixel i covers.
static double overlap(int64_t i, double a, double b)
{
    return fmax(fmin(b, (double)i + 1) - fmax(a, (double)i), 0);
}

static void blend(zm_canvas *c, int64_t x, int64_t y, double cover, zm_ink ink)
{
    const zm_box *clip = &c->clip;
    const double a = fmin(fmax(cover, 0), 1) * ink.opacity *
                     overlap(x, clip->left, clip->right) *
                     overlap(y, clip->top, clip->bottom);
    if (!(a > 0))
        return;
    uint8_t *pixel = c->rgb + ((size_t)y * c->width + (size_t)x) * 3;
    for (int k = 0; k < 3; k++) {
        const double to = (double)(ink.rgb >> (16 - 8 * k) & 255);
        pixel[k] = (uint8_t)(pixel[k] + (to - pixel[k]) * a + 0.5);
    }
}

void zm_canvas_rect(zm_canvas *c, zm_box b, zm_ink ink)
{
    span s;
    if (!touched(c, b.left, b.top, b.right, b.bottom, &s))
        return;
    for (int64_t y = s.y0; y < s.y1; y++)
        for (int64_t x = s.x0; x < s.x1; x++)
            blend(c, x, y, overlap(x, b.left, b.right) * overlap(y, b.top, b.bottom),
                  ink);
}

// Cuts the line to the part near the clip box, so that its length stays reasonable.
// Source: Liang & Barsky 1984.
static bool cut(const zm_canvas *c, double margin, double p[4])
{
    const double d[2] = {p[2] - p[0], p[3] - p[1]};
    const double low[2] = {c->clip.left - margin, c->clip.top - margin};
    const double high[2] = {c->clip.right + margin, c->clip.bottom + margin};
    double t0 = 0, t1 = 1;
    for (int k = 0; k < 2; k++) {
        if (d[k] == 0 && (p[k] < low[k] || p[k] > high[k]))
            return false;
        if (d[k] == 0)
            continue;
        const double a = (low[k] - p[k]) / d[k], b = (high[k] - p[k]) / d[k];
        t0 = fmax(t0, fmin(a, b));
        t1 = fmin(t1, fmax(a, b));
    }
    const double x = p[0], y = p[1];
    p[0] = x + d[0] * t0;
    p[1] = y + d[1] * t0;
    p[2] = x + d[0] * t1;
    p[3] = y + d[1] * t1;
    return t0 <= t1;
}

void zm_canvas_line(zm_canvas *c, double x0, double y0, double x1, double y1,
                    double width, zm_ink ink)
{
    const double r = width / 2;
    double p[4] = {x0, y0, x1, y1};
    span s;
    if (!isfinite(x0 + x1 + y0 + y1) || !cut(c, width + 2, p) ||
        !touched(c, fmin(p[0], p[2]) - r - 1, fmin(p[1], p[3]) - r - 1,
                 fmax(p[0], p[2]) + r + 1, fmax(p[1], p[3]) + r + 1, &s))
        return;
    const double dx = p[2] - p[0], dy = p[3] - p[1], square = dx * dx + dy * dy;
    for (int64_t y = s.y0; y < s.y1; y++)
        for (int64_t x = s.x0; x < s.x1; x++) {
            const double px = (double)x + 0.5 - p[0], py = (double)y + 0.5 - p[1];
            const double t =
                square > 0 ? fmin(fmax((px * dx + py * dy) / square, 0), 1) : 0;
            const double distance = hypot(px - t * dx, py - t * dy);
            blend(c, x, y, r + 0.5 - distance, ink);
        }
}

void zm_canvas_disc(zm_canvas *c, double x, double y, double radius, zm_ink ink)
{
    zm_canvas_line(c, x, y, x, y, 2 * radius, ink);
}

// The smallest distance to the inside of the three edges, of either orientation.
void zm_canvas_triangle(zm_canvas *c, const double x[3], const double y[3], zm_ink ink)
{
    const double area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0]);
    span s;
    if (!(fabs(area) > 0) ||
        !touched(c, fmin(x[0], fmin(x[1], x[2])) - 1, fmin(y[0], fmin(y[1], y[2])) - 1,
                 fmax(x[0], fmax(x[1], x[2])) + 1, fmax(y[0], fmax(y[1], y[2])) + 1, &s))
        return;
    for (int64_t row = s.y0; row < s.y1; row++)
        for (int64_t column = s.x0; column < s.x1; column++) {
            double inside = INFINITY;
            for (int k = 0; k < 3; k++) {
                const double ex = x[(k + 1) % 3] - x[k], ey = y[(k + 1) % 3] - y[k];
                const double px = (double)column + 0.5 - x[k];
                const double py = (double)row + 0.5 - y[k];
                const double cross = (ex * py - ey * px) / hypot(ex, ey);
                inside = fmin(inside, area > 0 ? cross : -cross);
            }
            blend(c, column, row, inside + 0.5, ink);
        }
}

zm_status zm_canvas_write(const zm_canvas *c, const char *path)
{
    return zm_png_write(path, c->width, c->height, c->rgb);
}
