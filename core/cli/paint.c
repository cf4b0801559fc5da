#include "core/cli/paint.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "core/plot/plot_canvas.h"

enum {
    CELL = 128, // pixels of a panel at least
    GAP = 6,
    ROWS = 3,
    COLUMNS = ZM_BANDS + 1,
    LEFT = 34, // room for the names of rows
    TOP = 62,  // room for heading and bands
    BLOCK_GAP = 18,
    MARGIN = 14,
    BOTTOM = 34 // room for the scale
};
typedef enum panel { ORIGINAL, MASKED, PAINTED } panel;
static const char *const row_names[ROWS] = {"original", "visible", "painted"};
static const char *const column_names[COLUMNS] = {"u", "g", "r", "i", "z", "gri"};
static const uint32_t text_ink = 0x262626, hidden_grey = 0x7d8a99;

static const double black_sigma = -3, white_sigma = 250, soft_sigma = 3;

// ---- colours of a pixel

static double grey(double flux, double sigma)
{
    const double black = asinh(black_sigma / soft_sigma);
    const double white = asinh(white_sigma / soft_sigma);
    return (asinh(flux / sigma / soft_sigma) - black) / (white - black);
}

// Bands in units that make an average galaxy of the main sample nearly white; intensity
// stretched so that a hundredth of white_sigma in r is where the logarithm begins.
void zm_paint_colour(const float flux[ZM_BANDS], const double sigma[ZM_BANDS],
                     double rgb[3])
{
    static const int band[3] = {3, 2, 1};
    static const double weight[3] = {0.85, 1.0, 1.75};
    const double soft = soft_sigma * sigma[2], sky = black_sigma * sigma[2];
    double mean = 0, most = 0;
    for (int k = 0; k < 3; k++) {
        rgb[k] = fmax(weight[k] * (double)flux[band[k]] - sky, 0);
        mean += rgb[k] / 3;
    }
    const double bright =
        asinh(mean / soft) / asinh((white_sigma - black_sigma) / soft_sigma);
    for (int k = 0; k < 3; k++) {
        rgb[k] = mean > 0 ? rgb[k] / mean * bright : 0;
        most = fmax(most, rgb[k]);
    }
    for (int k = 0; k < 3 && most > 1; k++)
        rgb[k] /= most;
}

static uint32_t byte(double value)
{
    return isfinite(value) ? (uint32_t)lround(255 * fmin(fmax(value, 0), 1)) : 0;
}

static uint32_t pixel_colour(const float *pixel, const double *sigma, uint32_t column)
{
    if (column < ZM_BANDS) {
        const uint32_t v = byte(grey((double)pixel[column], sigma[column]));
        return v << 16 | v << 8 | v;
    }
    double rgb[3];
    zm_paint_colour(pixel, sigma, rgb);
    return byte(rgb[0]) << 16 | byte(rgb[1]) << 8 | byte(rgb[2]);
}

// ---- layout

typedef struct layout {
    uint32_t zoom, cell;    // pixels of a pixel, of a panel
    uint32_t width, height; // of a block
    uint32_t across, down;  // blocks
} layout;

// As many blocks side by side as make the picture about square.
static layout lay_out(const zm_painting *p)
{
    layout l = {.zoom = ZM_MAX(CELL / p->pixels->side, 1u)};
    l.cell = l.zoom * p->pixels->side;
    l.width = LEFT + COLUMNS * (l.cell + GAP) + BLOCK_GAP;
    l.height = TOP + ROWS * (l.cell + GAP) + BLOCK_GAP;
    const double across = sqrt((double)p->pixels->count * l.height / l.width);
    l.across = (uint32_t)fmax(round(across), 1);
    l.down = (p->pixels->count + l.across - 1) / l.across;
    return l;
}

static void draw_panel(zm_canvas *c, const zm_painting *p, const layout *l,
                       uint32_t object, panel which, uint32_t column, double left,
                       double top)
{
    const zm_reconstruction *r = p->pixels;
    const uint32_t patch = r->side / p->grid;
    for (uint32_t y = 0; y < r->side; y++)
        for (uint32_t x = 0; x < r->side; x++) {
            const size_t at = ((size_t)object * r->side + y) * r->side + x;
            const size_t number = ((size_t)object * p->grid + y / patch) * p->grid;
            const bool hidden = p->hidden[number + x / patch] > 0.5f;
            const float *from = which == PAINTED && hidden ? r->painted : r->original;
            const uint32_t rgb =
                which == MASKED && hidden
                    ? hidden_grey
                    : pixel_colour(from + at * ZM_BANDS, r->sigma, column);
            zm_canvas_rect(c,
                           (zm_box){left + x * l->zoom, top + y * l->zoom,
                                    left + (x + 1) * l->zoom, top + (y + 1) * l->zoom},
                           (zm_ink){rgb, 1});
        }
}

static void draw_heading(zm_canvas *c, const zm_painting *p, const layout *l,
                         uint32_t object, double left, double top)
{
    char text[160];
    const zm_row *row = &p->rows[object];
    int n = snprintf(text, sizeof text, "object %" PRId64, row->object_id);
    if (isfinite(row->z))
        n += snprintf(text + n, sizeof text - (size_t)n, "    z = %.4f", (double)row->z);
    snprintf(text + n, sizeof text - (size_t)n, "    mean squared error %.4g",
             (double)p->errors[object]);
    zm_canvas_text(c, left + LEFT, top + 22, text,
                   &(zm_text){.size = 17, .rgb = text_ink, .bold = true});
    for (uint32_t k = 0; k < COLUMNS; k++)
        zm_canvas_text(c, left + LEFT + k * (l->cell + GAP) + l->cell / 2.0,
                       top + TOP - 10, column_names[k],
                       &(zm_text){.size = 17, .rgb = text_ink, .anchor = 0.5});
    for (uint32_t k = 0; k < ROWS; k++)
        zm_canvas_text(
            c, left + LEFT - 10, top + TOP + k * (l->cell + GAP) + l->cell / 2.0,
            row_names[k],
            &(zm_text){.size = 15, .rgb = text_ink, .anchor = 0.5, .upwards = true});
}

static void draw_block(zm_canvas *c, const zm_painting *p, const layout *l,
                       uint32_t object)
{
    const double left = MARGIN + (double)(object % l->across) * l->width;
    const double top = MARGIN + (double)(object / l->across) * l->height;
    draw_heading(c, p, l, object, left, top);
    for (uint32_t row = 0; row < ROWS; row++)
        for (uint32_t column = 0; column < COLUMNS; column++)
            draw_panel(c, p, l, object, (panel)row, column,
                       left + LEFT + column * (l->cell + GAP),
                       top + TOP + row * (l->cell + GAP));
}

static void draw_scale(zm_canvas *c, const double sigma[ZM_BANDS])
{
    char text[200];
    snprintf(text, sizeof text,
             "asinh(x / 3\\sigma), black %g\\sigma, white %g\\sigma; \\sigma = %.3g %.3g "
             "%.3g %.3g %.3g nanomaggies in u g r i z",
             black_sigma, white_sigma, sigma[0], sigma[1], sigma[2], sigma[3], sigma[4]);
    zm_canvas_text(c, MARGIN + LEFT, c->height - 14.0, text,
                   &(zm_text){.size = 14, .rgb = 0x555555});
}

zm_status zm_paint_png(const char *path, const zm_painting *p)
{
    if (p->pixels->count > ZM_PAINT_MAX_OBJECTS)
        return ZM_FAIL(ZM_ERR_USAGE, "%s: a picture holds at most %d objects, found %u",
                       path, ZM_PAINT_MAX_OBJECTS, (unsigned)p->pixels->count);
    const layout l = lay_out(p);
    zm_canvas canvas;
    ZM_TRY(zm_error_context(zm_canvas_init(&canvas, 2 * MARGIN + l.across * l.width,
                                           MARGIN + l.down * l.height + BOTTOM),
                            "%s", path));
    for (uint32_t i = 0; i < p->pixels->count; i++)
        draw_block(&canvas, p, &l, i);
    draw_scale(&canvas, p->pixels->sigma);
    const zm_status st = zm_canvas_write(&canvas, path);
    zm_canvas_finish(&canvas);
    return st;
}
