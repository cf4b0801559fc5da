// A picture to draw on with smooth edges. Coordinates are pixels from the upper left
// corner; pixel (0, 0) covers the square from 0 to 1.
#ifndef ZM_PLOT_CANVAS_H
#define ZM_PLOT_CANVAS_H

#include "core/base.h"

typedef struct zm_box {
    double left, top, right, bottom;
} zm_box;

typedef struct zm_ink {
    uint32_t rgb;   // 0xRRGGBB
    double opacity; // 0 to 1
} zm_ink;

typedef struct zm_canvas {
    uint32_t width, height;
    uint8_t *rgb; // (height, width, 3)
    zm_box clip;  // nothing is drawn outside
} zm_canvas;

// White; ZM_ERR_USAGE where a side is not 1 to ZM_PNG_MAX_SIDE, ZM_ERR_MEMORY.
zm_status zm_canvas_init(zm_canvas *canvas, uint32_t width, uint32_t height);
void zm_canvas_finish(zm_canvas *canvas);

// Everything that is drawn from now on stays in the box; NULL: the whole picture.
void zm_canvas_clip(zm_canvas *canvas, const zm_box *box);

// Positions that are not finite draw nothing. Lines have round ends.
void zm_canvas_rect(zm_canvas *canvas, zm_box box, zm_ink ink);
void zm_canvas_line(zm_canvas *canvas, double x0, double y0, double x1, double y1,
                    double width, zm_ink ink);
void zm_canvas_disc(zm_canvas *canvas, double x, double y, double radius, zm_ink ink);
void zm_canvas_triangle(zm_canvas *canvas, const double x[3], const double y[3],
                        zm_ink ink);

typedef struct zm_text {
    double size;   // of the font in pixels [13]; capitals are 0.7 of it
    uint32_t rgb;  // [black]
    double anchor; // part of the text's length that lies before x: 0, 0.5, 1
    bool upwards;  // turned by a quarter, read from below
    bool bold;
} zm_text;

// Text with its base line at y (upwards: at x). ASCII; _{..} and ^{..} set lower and
// higher, \sigma \Delta \eta \pm \times \le are the signs of that name, what has no sign
// is drawn as "?".
void zm_canvas_text(zm_canvas *canvas, double x, double y, const char *text,
                    const zm_text *style);
double zm_text_length(const char *text, double size); // pixels

zm_status zm_canvas_write(const zm_canvas *canvas, const char *path);

#endif
