#include "core/plot/plot.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/plot/plot_impl.h"

enum { TICK = 5, SMALL_TICK = 3, TICK_SIZE = 15, LABEL_SIZE = 18, TITLE_SIZE = 19 };
static const double frame_width = 1.2;

// ---- positions

static double scaled(double value, bool log)
{
    return log ? (value > 0 ? log10(value) : -INFINITY) : value;
}

double zm_axes_x(const zm_axes *a, double x)
{
    const zm_axes_spec *s = &a->spec;
    return s->box.left +
           (x - s->x_min) / (s->x_max - s->x_min) * (s->box.right - s->box.left);
}

double zm_axes_y(const zm_axes *a, double y)
{
    const zm_axes_spec *s = &a->spec;
    const double low = scaled(s->y_min, s->log_y), high = scaled(s->y_max, s->log_y);
    return s->box.bottom -
           (scaled(y, s->log_y) - low) / (high - low) * (s->box.bottom - s->box.top);
}

// ---- figure and panels

zm_status zm_plot_create(uint32_t width, uint32_t height, zm_plot **out)
{
    zm_plot *p = zm_calloc(1, sizeof *p);
    if (!p)
        return ZM_FAIL(ZM_ERR_MEMORY, "plot: out of memory");
    const zm_status st = zm_canvas_init(&p->canvas, width, height);
    if (st != ZM_OK)
        zm_plot_destroy(&p);
    *out = p;
    return st;
}

void zm_plot_destroy(zm_plot **plot)
{
    if (*plot)
        zm_canvas_finish(&(*plot)->canvas);
    free(*plot);
    *plot = NULL;
}

static void copy_text(char out[ZM_PLOT_TEXT], const char *text)
{
    snprintf(out, ZM_PLOT_TEXT, "%s", text ? text : "");
}

// Ends that can be drawn between: finite, apart, and of a logarithm positive.
static void mend_range(double *low, double *high, bool log)
{
    if (!isfinite(*low) || (log && *low <= 0))
        *low = log ? 1e-6 : 0;
    if (!isfinite(*high) || *high <= *low)
        *high = log ? *low * 10 : *low + fmax(1, fabs(*low) * 1e-3);
}

zm_axes *zm_plot_axes(zm_plot *plot, const zm_axes_spec *spec)
{
    assert(plot->panels < ZM_PLOT_MAX_PANELS);
    zm_axes *a = &plot->axes[plot->panels++];
    *a = (zm_axes){.plot = plot, .spec = *spec};
    copy_text(a->title, spec->title);
    copy_text(a->numbers, spec->numbers);
    copy_text(a->x_label, spec->x_label);
    copy_text(a->y_label, spec->y_label);
    mend_range(&a->spec.x_min, &a->spec.x_max, false);
    mend_range(&a->spec.y_min, &a->spec.y_max, spec->log_y);
    return a;
}

// ---- frame, ticks, texts

void zm_plot_frame(zm_canvas *c, const zm_box *b)
{
    const zm_ink ink = {zm_plot_ink, 1};
    const double w = frame_width;
    zm_canvas_rect(c, (zm_box){b->left - w, b->top - w, b->right + w, b->top}, ink);
    zm_canvas_rect(c, (zm_box){b->left - w, b->bottom, b->right + w, b->bottom + w}, ink);
    zm_canvas_rect(c, (zm_box){b->left - w, b->top, b->left, b->bottom}, ink);
    zm_canvas_rect(c, (zm_box){b->right, b->top, b->right + w, b->bottom}, ink);
}

// A round distance between ticks: 1, 2 or 5 times a power of ten, for about six of them.
static double tick_step(double min, double max)
{
    const double rough = (max - min) / 6, power = pow(10, floor(log10(rough)));
    const double part = rough / power;
    return power * (part < 1.5 ? 1 : part < 3.5 ? 2 : part < 7.5 ? 5 : 10);
}

void zm_tick_text(double value, double step, char out[ZM_TICK_TEXT])
{
    const int digits = ZM_MAX(0, (int)ceil(-log10(step) - 1e-9));
    const bool plain = fabs(value) < 1e6 && digits <= 6;
    if (plain)
        snprintf(out, ZM_TICK_TEXT, "%.*f", digits, fabs(value) < step / 2 ? 0.0 : value);
    else
        snprintf(out, ZM_TICK_TEXT, "%.3g", value);
}

static void draw_x_tick(zm_axes *a, double value, const char *text)
{
    const zm_box *b = &a->spec.box;
    const double x = zm_axes_x(a, value), length = text ? TICK : SMALL_TICK;
    const zm_text style = {.size = TICK_SIZE, .rgb = zm_plot_ink, .anchor = 0.5};
    zm_canvas_rect(&a->plot->canvas,
                   (zm_box){x - 0.6, b->bottom, x + 0.6, b->bottom + length},
                   (zm_ink){zm_plot_ink, 1});
    if (text)
        zm_canvas_text(&a->plot->canvas, x, b->bottom + 22, text, &style);
}

static void draw_y_tick(zm_axes *a, double value, const char *text)
{
    a->tick_length = fmax(a->tick_length, text ? zm_text_length(text, TICK_SIZE) : 0);
    const zm_box *b = &a->spec.box;
    const double y = zm_axes_y(a, value), length = text ? TICK : SMALL_TICK;
    const zm_text style = {.size = TICK_SIZE, .rgb = zm_plot_ink, .anchor = 1};
    zm_canvas_rect(&a->plot->canvas,
                   (zm_box){b->left - length, y - 0.6, b->left, y + 0.6},
                   (zm_ink){zm_plot_ink, 1});
    if (text)
        zm_canvas_text(&a->plot->canvas, b->left - TICK - 4, y + TICK_SIZE * 0.35, text,
                       &style);
}

static void draw_linear_ticks(zm_axes *a, bool vertical)
{
    const double min = vertical ? a->spec.y_min : a->spec.x_min;
    const double max = vertical ? a->spec.y_max : a->spec.x_max;
    const double step = tick_step(min, max);
    const double first = ceil(min / step - 1e-9);
    for (int k = 0; k <= 20; k++) {
        const double v = (first + k) * step;
        char text[ZM_TICK_TEXT];
        if (v > max + step * 1e-9)
            break;
        zm_tick_text(v, step, text);
        (vertical ? draw_y_tick : draw_x_tick)(a, v, text);
    }
}

// Powers of ten with their numbers; 2 to 9 times them small, numbered where the axis
// holds less than two powers.
static void draw_log_ticks(zm_axes *a)
{
    const double low = log10(a->spec.y_min), high = log10(a->spec.y_max);
    const int every = ZM_MAX(1, (int)((high - low) / 7));
    for (int power = (int)floor(low); power <= (int)ceil(high); power++)
        for (int k = 1; k < 10; k++) {
            const double v = k * pow(10, power);
            char text[ZM_TICK_TEXT] = "";
            if (v < a->spec.y_min * (1 - 1e-9) || v > a->spec.y_max * (1 + 1e-9))
                continue;
            if (high - low < 1.5 ? k == 1 || k == 2 || k == 5
                                 : k == 1 && power % every == 0) {
                if (power >= -3 && power <= 4)
                    snprintf(text, sizeof text, "%.*f", ZM_MAX(0, -power), v);
                else if (k == 1)
                    snprintf(text, sizeof text, "10^{%d}", power);
                else
                    snprintf(text, sizeof text, "%d\\times10^{%d}", k, power);
            }
            draw_y_tick(a, v, *text ? text : NULL);
        }
}

static void draw_frame(zm_axes *a)
{
    zm_canvas *c = &a->plot->canvas;
    const zm_box *b = &a->spec.box;
    const double middle_x = (b->left + b->right) / 2, middle_y = (b->top + b->bottom) / 2;
    const bool numbers = *a->numbers != '\0', legend = a->labels > 0;
    zm_canvas_clip(c, NULL);
    zm_plot_frame(c, b);
    draw_linear_ticks(a, false);
    if (a->spec.log_y)
        draw_log_ticks(a);
    else
        draw_linear_ticks(a, true);
    zm_text style = {.size = LABEL_SIZE, .rgb = zm_plot_ink, .anchor = 0.5};
    zm_canvas_text(c, middle_x, b->bottom + 50, a->x_label, &style);
    style.upwards = true;
    zm_canvas_text(c, b->left - TICK - 22 - a->tick_length, middle_y, a->y_label, &style);
    const double numbers_y = b->top - (legend ? 34 : 10);
    zm_canvas_text(c, b->left, numbers_y, a->numbers,
                   &(zm_text){.size = 15, .rgb = 0x555555});
    zm_canvas_text(c, b->left, numbers ? numbers_y - 25 : numbers_y, a->title,
                   &(zm_text){.size = TITLE_SIZE, .rgb = zm_plot_ink, .bold = true});
    zm_axes_draw_legend(a);
}

zm_status zm_plot_write(zm_plot *plot, const char *path)
{
    if (plot->status != ZM_OK)
        return plot->status;
    for (uint32_t i = 0; i < plot->panels; i++)
        draw_frame(&plot->axes[i]);
    return zm_canvas_write(&plot->canvas, path);
}
