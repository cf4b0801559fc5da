#include "core/cli/paint.h"

#include <math.h>
#include <stdlib.h>

#include "core/io/png.h"

enum { ZOOM = 4, GAP = 6, PANELS = 3, BACKGROUND = 24, HIDDEN_GREY = 90 };
typedef enum panel { ORIGINAL, MASKED, PAINTED } panel;

// Bands shown as red, green, blue.
static const int rgb_bands[3] = {3, 2, 1};

// Stretched pixel to a byte: sky is dark grey, asinh 6 (about 600 sigma) is white.
static uint8_t shade(float value)
{
    const float v = 32.0f + 37.0f * value;
    return (uint8_t)(isfinite(v) ? fminf(fmaxf(v, 0.0f), 255.0f) : 0.0f);
}

static void draw(const zm_painting *p, uint32_t object, panel which, uint32_t left,
                 uint32_t top, uint32_t width, uint8_t *rgb)
{
    const uint32_t side = p->grid * p->patch;
    const size_t values = (size_t)p->patch * p->patch * ZM_BANDS;
    for (uint32_t y = 0; y < side * ZOOM; y++)
        for (uint32_t x = 0; x < side * ZOOM; x++) {
            const uint32_t py = y / ZOOM, px = x / ZOOM;
            const size_t patch = (size_t)object * p->grid * p->grid +
                                 (py / p->patch) * p->grid + px / p->patch;
            const size_t pixel =
                (size_t)(py % p->patch * p->patch + px % p->patch) * ZM_BANDS;
            const bool hidden = p->hidden[patch] > 0.5f;
            const float *from = which == PAINTED && hidden ? p->pred : p->target;
            uint8_t *to = rgb + ((size_t)(top + y) * width + left + x) * 3;
            for (int c = 0; c < 3; c++)
                to[c] = which == MASKED && hidden
                            ? HIDDEN_GREY
                            : shade(from[patch * values + pixel + (size_t)rgb_bands[c]]);
        }
}

zm_status zm_paint_png(const char *path, const zm_painting *p)
{
    const uint32_t cell = p->grid * p->patch * ZOOM + GAP;
    const uint32_t width = PANELS * cell + GAP, height = p->count * cell + GAP;
    uint8_t *rgb = zm_calloc((uint64_t)width * height, 3);
    if (!rgb)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for %u x %u pixels", path, width,
                       height);
    for (size_t i = 0; i < (size_t)width * height * 3; i++)
        rgb[i] = BACKGROUND;
    for (uint32_t i = 0; i < p->count; i++)
        for (uint32_t k = 0; k < PANELS; k++)
            draw(p, i, (panel)k, GAP + k * cell, GAP + i * cell, width, rgb);
    const zm_status st = zm_png_write(path, width, height, rgb);
    free(rgb);
    return st;
}
