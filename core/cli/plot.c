#include "core/cli/plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cli/plot_font.h"
#include "core/io/png.h"

// All lengths below are in canvas pixels, OVER of which make one of the picture.
enum {
    OVER = 2,
    DOT = 2 * OVER,  // of the font: one picture pixel would be hard to read
    STROKE = 3,      // width of data lines
    FRAME = 2,       // width of the axes
    TICK = 6 * OVER, // length of a tick
    BIN = 4 * OVER,
    LEFT = 92 * OVER,
    RIGHT = 118 * OVER,
    TOP = 44 * OVER,
    BOTTOM = 68 * OVER,
};

static const uint32_t ink = 0x222222;

struct zm_plot {
    zm_plot_axes axes;
    int width, height;            // of the canvas
    int left, right, top, bottom; // edges of the axes
    uint8_t *rgb;
};

// ---- canvas
// ----------------------------------------------------------------------------

static void fill(zm_plot *p, int x0, int y0, int x1, int y1, uint32_t rgb)
{
    for (int y = ZM_MAX(y0, 0); y < ZM_MIN(y1, p->height); y++)
        for (int x = ZM_MAX(x0, 0); x < ZM_MIN(x1, p->width); x++) {
            uint8_t *pixel = p->rgb + ((size_t)y * (size_t)p->width + (size_t)x) * 3;
            pixel[0] = (uint8_t)(rgb >> 16);
            pixel[1] = (uint8_t)(rgb >> 8);
            pixel[2] = (uint8_t)rgb;
        }
}

static int text_width(const char *text)
{
    return (int)strlen(text) * (ZM_FONT_WIDTH + 1) * DOT;
}

// Text with its upper left corner at (x, y), or turned to read upwards from (x, y).
static void text(zm_plot *p, int x, int y, const char *s, bool upwards)
{
    for (int at = 0; *s; s++) {
        const int glyph = *s >= ' ' && *s <= '~' ? *s - ' ' : '?' - ' ';
        for (int column = 0; column < ZM_FONT_WIDTH; column++, at += DOT)
            for (int row = 0; row < ZM_FONT_HEIGHT; row++) {
                if (!(zm_font[glyph][column] >> row & 1))
                    continue;
                const int dx = upwards ? row * DOT : at;
                const int dy = upwards ? -at - DOT : row * DOT;
                fill(p, x + dx, y + dy, x + dx + DOT, y + dy + DOT, ink);
            }
        at += DOT;
    }
}

static double canvas_x(const zm_plot *p, double x)
{
    return p->left +
           (x - p->axes.x_min) / (p->axes.x_max - p->axes.x_min) * (p->right - p->left);
}

static double canvas_y(const zm_plot *p, double y)
{
    return p->bottom -
           (y - p->axes.y_min) / (p->axes.y_max - p->axes.y_min) * (p->bottom - p->top);
}

// ---- axes
// ------------------------------------------------------------------------------

// A round distance between ticks: 1, 2 or 5 times a power of ten, for about six of them.
static double tick_step(double min, double max)
{
    const double rough = (max - min) / 6, power = pow(10, floor(log10(rough)));
    const double part = rough / power;
    return power * (part < 1.5 ? 1 : part < 3.5 ? 2 : part < 7.5 ? 5 : 10);
}

static void tick_text(double value, double step, char *out, size_t size)
{
    const int digits = ZM_MAX(0, (int)ceil(-log10(step) - 1e-9));
    snprintf(out, size, "%.*f", digits, fabs(value) < step / 2 ? 0.0 : value);
}

static void draw_ticks(zm_plot *p, bool vertical)
{
    const double min = vertical ? p->axes.y_min : p->axes.x_min;
    const double max = vertical ? p->axes.y_max : p->axes.x_max;
    const double step = tick_step(min, max);
    for (double v = ceil(min / step - 1e-9) * step; v <= max + step * 1e-9; v += step) {
        char label[32];
        tick_text(v, step, label, sizeof label);
        if (vertical) {
            const int y = (int)lround(canvas_y(p, v));
            fill(p, p->left - TICK, y - FRAME / 2, p->left, y + FRAME / 2, ink);
            text(p, p->left - TICK - DOT - text_width(label), y - 7 * DOT / 2, label,
                 false);
        } else {
            const int x = (int)lround(canvas_x(p, v));
            fill(p, x - FRAME / 2, p->bottom, x + FRAME / 2, p->bottom + TICK, ink);
            text(p, x - text_width(label) / 2, p->bottom + TICK + 2 * DOT, label, false);
        }
    }
}

static void draw_frame(zm_plot *p, int left, int top, int right, int bottom)
{
    fill(p, left - FRAME, top - FRAME, right + FRAME, top, ink);
    fill(p, left - FRAME, bottom, right + FRAME, bottom + FRAME, ink);
    fill(p, left - FRAME, top, left, bottom, ink);
    fill(p, right, top, right + FRAME, bottom, ink);
}

static void draw_axes(zm_plot *p)
{
    const zm_plot_axes *a = &p->axes;
    draw_frame(p, p->left, p->top, p->right, p->bottom);
    draw_ticks(p, false);
    draw_ticks(p, true);
    const int middle_x = (p->left + p->right) / 2, middle_y = (p->top + p->bottom) / 2;
    text(p, middle_x - text_width(a->title) / 2, p->top - 12 * DOT, a->title, false);
    text(p, middle_x - text_width(a->x_label) / 2, p->height - 11 * DOT, a->x_label,
         false);
    text(p, 3 * DOT, middle_y + text_width(a->y_label) / 2, a->y_label, true);
}

zm_plot *zm_plot_create(const zm_plot_axes *axes)
{
    zm_plot *p = zm_calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->axes = *axes;
    p->width = OVER * (int)(axes->width ? axes->width : 720);
    p->height = OVER * (int)(axes->height ? axes->height : 640);
    p->left = LEFT;
    p->right = p->width - RIGHT;
    p->top = TOP;
    p->bottom = p->height - BOTTOM;
    p->rgb = zm_calloc((uint64_t)p->width * (uint64_t)p->height, 3);
    if (!p->rgb || p->right <= p->left || p->bottom <= p->top) {
        zm_plot_destroy(&p);
        return NULL;
    }
    fill(p, 0, 0, p->width, p->height, 0xffffff);
    draw_axes(p);
    return p;
}

// ---- what is drawn inside the axes
// -------------------------------------------------------

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

// Bar on the right: colours for 1 to most points a bin.
static void draw_colour_bar(zm_plot *p, uint32_t most)
{
    const int left = p->right + 16 * OVER, right = left + 14 * OVER;
    const int height = p->bottom - p->top;
    for (int y = 0; y < height; y++)
        fill(p, left, p->bottom - y - 1, right, p->bottom - y,
             viridis((double)y / height));
    draw_frame(p, left, p->top, right, p->bottom);
    for (double v = 1; v <= most; v *= most > 200 ? 10 : most > 20 ? 4 : 2) {
        const int y = p->bottom - (int)lround(log(v) / log(most + 1.0) * height);
        char label[32];
        snprintf(label, sizeof label, "%.0f", v);
        fill(p, right, y - FRAME / 2, right + TICK / 2, y + FRAME / 2, ink);
        text(p, right + TICK, y - 7 * DOT / 2, label, false);
    }
    static const char label[] = "objects per bin";
    text(p, p->width - 10 * DOT, (p->top + p->bottom) / 2 + text_width(label) / 2, label,
         true);
}

zm_status zm_plot_density(zm_plot *p, const double *x, const double *y, uint64_t count)
{
    const int columns = (p->right - p->left) / BIN, rows = (p->bottom - p->top) / BIN;
    uint32_t *bins = zm_calloc((uint64_t)columns * (uint64_t)rows, sizeof *bins);
    if (!bins)
        return ZM_FAIL(ZM_ERR_MEMORY, "plot: out of memory");
    uint32_t most = 1;
    for (uint64_t i = 0; i < count; i++) {
        const double cx = (canvas_x(p, x[i]) - p->left) / BIN;
        const double cy = (canvas_y(p, y[i]) - p->top) / BIN;
        if (!(cx >= 0 && cx < columns && cy >= 0 && cy < rows))
            continue;
        uint32_t *bin = &bins[(int)cy * columns + (int)cx];
        most = ZM_MAX(most, ++*bin);
    }
    for (int row = 0; row < rows; row++)
        for (int column = 0; column < columns; column++) {
            const uint32_t n = bins[row * columns + column];
            const int left = p->left + column * BIN, top = p->top + row * BIN;
            if (n > 0)
                fill(p, left, top, left + BIN, top + BIN,
                     viridis(log(n) / log(most + 1.0)));
        }
    free(bins);
    draw_colour_bar(p, most);
    return ZM_OK;
}

void zm_plot_line(zm_plot *p, double x0, double y0, double x1, double y1, uint32_t rgb,
                  bool dashed)
{
    const double ax = canvas_x(p, x0), ay = canvas_y(p, y0);
    const double bx = canvas_x(p, x1), by = canvas_y(p, y1);
    const int steps = (int)ceil(fmax(fabs(bx - ax), fabs(by - ay))) + 1;
    for (int i = 0; i <= steps; i++) {
        if (dashed && i % (14 * OVER) >= 8 * OVER)
            continue;
        const int x = (int)lround(ax + (bx - ax) * i / steps);
        const int y = (int)lround(ay + (by - ay) * i / steps);
        if (x >= p->left && x + STROKE <= p->right && y >= p->top &&
            y + STROKE <= p->bottom)
            fill(p, x, y, x + STROKE, y + STROKE, rgb);
    }
}

void zm_plot_note(zm_plot *p, uint32_t row, const char *note)
{
    text(p, p->left + 5 * DOT, p->top + 5 * DOT + (int)row * 11 * DOT, note, false);
}

zm_status zm_plot_write(const zm_plot *p, const char *path)
{
    const uint32_t width = (uint32_t)p->width / OVER, height = (uint32_t)p->height / OVER;
    uint8_t *rgb = zm_calloc((uint64_t)width * height, 3);
    if (!rgb)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: out of memory", path);
    const size_t stride = (size_t)p->width * 3;
    for (size_t y = 0; y < height; y++)
        for (size_t i = 0; i < (size_t)width * 3; i++) {
            const uint8_t *at = p->rgb + y * OVER * stride + i / 3 * OVER * 3 + i % 3;
            const unsigned sum = (unsigned)at[0] + at[3] + at[stride] + at[stride + 3];
            rgb[y * width * 3 + i] = (uint8_t)((sum + 2) / (OVER * OVER));
        }
    const zm_status st = zm_png_write(path, width, height, rgb);
    free(rgb);
    return st;
}

void zm_plot_destroy(zm_plot **plot)
{
    if (*plot)
        free((*plot)->rgb);
    free(*plot);
    *plot = NULL;
}
