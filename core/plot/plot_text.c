#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/plot/plot_canvas.h"
#include "core/plot/plot_font.h"

enum { UNITS = 20, SPACING = 3, CURVE_STEPS = 6 }; // 20 units of the grid are the size
static const double stroke = 0.078, bold_stroke = 0.125; // widths, parts of the size

// ---- from markup to signs

typedef struct reader {
    const char *at;
    int level; // -1 lower, +1 higher, 0 on the line
} reader;

// The next sign; NULL at the end.
static const zm_glyph *next(reader *r)
{
    if (r->level != 0 && *r->at == '}') {
        r->level = 0;
        r->at++;
    }
    if (r->level == 0 && (*r->at == '_' || *r->at == '^') && r->at[1] == '{') {
        r->level = *r->at == '_' ? -1 : 1;
        r->at += 2;
    }
    if (!*r->at)
        return NULL;
    for (size_t i = 0; *r->at == '\\' && i < ZM_COUNT_OF(zm_font_signs); i++) {
        const size_t n = strlen(zm_font_signs[i].name);
        if (strncmp(r->at + 1, zm_font_signs[i].name, n) == 0) {
            r->at += n + 1;
            return &zm_font_signs[i].glyph;
        }
    }
    const char c = *r->at++;
    return &zm_font[c >= ' ' && c <= '~' ? c - ' ' : '?' - ' '];
}

static double unit_of(const reader *r, double size)
{
    return size / UNITS * (r->level ? 0.72 : 1);
}

double zm_text_length(const char *text, double size)
{
    reader r = {text, 0};
    double length = 0;
    for (const zm_glyph *g = next(&r); g; g = next(&r))
        length += (g->width + SPACING) * unit_of(&r, size);
    return length;
}

// ---- strokes

typedef struct pen {
    zm_canvas *canvas;
    double x, y, unit; // origin of the sign, pixels a unit
    double width;
    bool upwards;
    zm_ink ink;
} pen;

typedef struct point {
    double x, y;
    bool control;
} point;

static void draw_line(const pen *p, point a, point b)
{
    const double ax = a.x * p->unit, ay = a.y * p->unit;
    const double bx = b.x * p->unit, by = b.y * p->unit;
    if (p->upwards)
        zm_canvas_line(p->canvas, p->x - ay, p->y - ax, p->x - by, p->y - bx, p->width,
                       p->ink);
    else
        zm_canvas_line(p->canvas, p->x + ax, p->y - ay, p->x + bx, p->y - by, p->width,
                       p->ink);
}

static void draw_curve(const pen *p, point a, point c, point b)
{
    point from = a;
    for (int i = 1; i <= CURVE_STEPS; i++) {
        const double t = (double)i / CURVE_STEPS, s = 1 - t;
        const point to = {s * s * a.x + 2 * s * t * c.x + t * t * b.x,
                          s * s * a.y + 2 * s * t * c.y + t * t * b.y, false};
        draw_line(p, from, to);
        from = to;
    }
}

// The next point of a stroke; the text stands behind it afterwards.
static point read_point(const char **text)
{
    point p = {.control = **text == '~'};
    char *end = NULL;
    p.x = (double)strtol(*text + p.control, &end, 10);
    p.y = (double)strtol(end + 1, &end, 10); // behind the comma
    while (*end == ' ')
        end++;
    *text = end;
    return p;
}

static void draw_glyph(const pen *p, const char *strokes)
{
    while (*strokes) {
        point last = read_point(&strokes);
        while (*strokes && *strokes != '|') {
            const point to = read_point(&strokes);
            const point end = to.control ? read_point(&strokes) : to;
            if (to.control)
                draw_curve(p, last, to, end);
            else
                draw_line(p, last, end);
            last = end;
        }
        strokes += *strokes == '|';
    }
}

void zm_canvas_text(zm_canvas *canvas, double x, double y, const char *text,
                    const zm_text *style)
{
    const double size = style->size > 0 ? style->size : 13;
    const double start = style->anchor * zm_text_length(text, size);
    reader r = {text, 0};
    pen p = {.canvas = canvas,
             .x = style->upwards ? x : x - start,
             .y = style->upwards ? y + start : y,
             .upwards = style->upwards,
             .width = size * (style->bold ? bold_stroke : stroke),
             .ink = {style->rgb, 1}};
    for (const zm_glyph *g = next(&r); g; g = next(&r)) {
        pen sign = p;
        sign.unit = unit_of(&r, size);
        sign.width *= r.level ? 0.85 : 1;
        *(style->upwards ? &sign.y : &sign.x) +=
            (style->upwards ? -0.5 : 0.5) * SPACING * sign.unit;
        const double raised = r.level * (r.level > 0 ? 0.33 : 0.16) * size;
        const double advance = (g->width + SPACING) * sign.unit;
        *(style->upwards ? &sign.x : &sign.y) -= raised;
        draw_glyph(&sign, g->strokes);
        *(style->upwards ? &p.y : &p.x) += style->upwards ? -advance : advance;
    }
}
