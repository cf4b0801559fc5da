// Convolution as a matrix product (im2col) and pooling, on (batch, height, width,
// channels).
#include <stdbool.h>

#include "backends/cpu/cpu_kernels.h"
#include "backends/cpu/reduce.h"
#include "backends/cpu/span.h"

// Position of a pixel, and of the pixel dy rows down and dx columns right of it.
typedef struct pixel {
    size_t b, y, x;
} pixel;

static pixel pixel_at(size_t i, size_t height, size_t width)
{
    return (pixel){i / (height * width), i / width % height, i % width};
}

// Number of the pixel (y + dy, x + dx) in *out; false outside of the image.
static bool neighbour(pixel p, size_t height, size_t width, ptrdiff_t dy, ptrdiff_t dx,
                      size_t *out)
{
    const size_t y = p.y + (size_t)dy, x = p.x + (size_t)dx; // below 0 wraps to huge
    *out = (p.b * height + y) * width + x;
    return y < height && x < width;
}

enum { MOST_TAPS = 49 }; // kernel 7

// x -> y (batch height width, channels kernel^2) in (c, ky, kx) order, zero padding
// (kernel - 1) / 2
void ZM_CPU(im2col_fwd)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    static const real zero = 0;
    const struct zm_params_im2col_fwd *p = call->params;
    const real *x = call->bind[0];
    const size_t taps = (size_t)p->kernel * p->kernel, cols = p->channels * taps;
    const ptrdiff_t pad = ((ptrdiff_t)p->kernel - 1) / 2;
    for (zm_span s = zm_span_at(begin, end, cols); s.first < s.last;
         s = zm_span_next(s, end, cols)) {
        const pixel at = pixel_at(s.row, p->height, p->width);
        real *restrict y = (real *)call->bind[1] + s.row * cols;
        for (size_t t0 = 0; t0 < taps; t0 += MOST_TAPS) {
            const size_t n = taps - t0 < MOST_TAPS ? taps - t0 : MOST_TAPS;
            const real *source[MOST_TAPS]; // the tap's pixel, or zero for every channel
            size_t step[MOST_TAPS];
            for (size_t t = 0; t < n; t++) {
                const ptrdiff_t ky = (ptrdiff_t)((t0 + t) / p->kernel) - pad;
                const ptrdiff_t kx = (ptrdiff_t)((t0 + t) % p->kernel) - pad;
                size_t from;
                step[t] = neighbour(at, p->height, p->width, ky, kx, &from);
                source[t] = step[t] ? x + from * p->channels : &zero;
            }
            for (size_t c = s.first / taps; c * taps < s.last; c++) {
                const size_t i = c * taps + t0;
                if (i >= s.first && i + n <= s.last)
                    for (size_t t = 0; t < n; t++)
                        y[i + t] = source[t][c * step[t]];
                else
                    for (size_t t = 0; t < n; t++)
                        if (i + t >= s.first && i + t < s.last)
                            y[i + t] = source[t][c * step[t]];
            }
        }
    }
}

// dy -> dx[b, y, x, c] = sum over taps of dy of the pixel whose window has it there
void ZM_CPU(im2col_bwd)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_im2col_bwd *p = call->params;
    const real *dy = call->bind[0];
    const size_t channels = p->channels, taps = (size_t)p->kernel * p->kernel;
    const ptrdiff_t pad = ((ptrdiff_t)p->kernel - 1) / 2;
    for (zm_span s = zm_span_at(begin, end, channels); s.first < s.last;
         s = zm_span_next(s, end, channels)) {
        const pixel at = pixel_at(s.row, p->height, p->width);
        real *dx = (real *)call->bind[1] + s.row * channels;
        for (size_t c0 = s.first; c0 < s.last; c0 += ZM_COLUMN_BLOCK) {
            const size_t n =
                s.last - c0 < ZM_COLUMN_BLOCK ? s.last - c0 : ZM_COLUMN_BLOCK;
            real sum[ZM_COLUMN_BLOCK] = {0};
            for (size_t t = 0; t < taps; t++) {
                size_t from;
                if (!neighbour(at, p->height, p->width, pad - (ptrdiff_t)(t / p->kernel),
                               pad - (ptrdiff_t)(t % p->kernel), &from))
                    continue;
                const real *restrict d = dy + (from * channels + c0) * taps + t;
                for (size_t c = 0; c < n; c++)
                    sum[c] += d[c * taps];
            }
            for (size_t c = 0; c < n; c++)
                dx[c0 + c] = p->accumulate ? dx[c0 + c] + sum[c] : sum[c];
        }
    }
}

// x -> y (batch, height / 2, width / 2, channels) = mean of 2 x 2
void ZM_CPU(avgpool_fwd)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_avgpool_fwd *p = call->params;
    const size_t channels = p->channels, line = p->width * channels;
    for (zm_span s = zm_span_at(begin, end, channels); s.first < s.last;
         s = zm_span_next(s, end, channels)) {
        const pixel at = pixel_at(s.row, p->height / 2, p->width / 2);
        const real *restrict x = (const real *)call->bind[0] +
                                 (at.b * p->height + 2 * at.y) * line +
                                 2 * at.x * channels;
        real *restrict y = (real *)call->bind[1] + s.row * channels;
        for (size_t c = s.first; c < s.last; c++)
            y[c] = ((x[c] + x[c + channels]) + (x[c + line] + x[c + line + channels])) *
                   (real)0.25;
    }
}

// dy -> dx = dy of the 2 x 2 block / 4
void ZM_CPU(avgpool_bwd)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_avgpool_bwd *p = call->params;
    const size_t channels = p->channels;
    for (zm_span s = zm_span_at(begin, end, channels); s.first < s.last;
         s = zm_span_next(s, end, channels)) {
        const pixel at = pixel_at(s.row, p->height, p->width);
        const size_t from =
            (at.b * (p->height / 2) + at.y / 2) * (p->width / 2) + at.x / 2;
        const real *restrict dy = (const real *)call->bind[0] + from * channels;
        real *restrict dx = (real *)call->bind[1] + s.row * channels;
        for (size_t c = s.first; c < s.last; c++) {
            const real g = dy[c] * (real)0.25;
            dx[c] = p->accumulate ? dx[c] + g : g;
        }
    }
}

// x -> y = maximum of 3 x 3, which (u32) = its tap 0..8, the first in row order
void ZM_CPU(maxpool_fwd)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_maxpool_fwd *p = call->params;
    const real *x = call->bind[0];
    const size_t channels = p->channels;
    for (zm_span s = zm_span_at(begin, end, channels); s.first < s.last;
         s = zm_span_next(s, end, channels)) {
        const pixel at = pixel_at(s.row, p->height, p->width);
        real *restrict y = (real *)call->bind[1] + s.row * channels;
        uint32_t *restrict which = (uint32_t *)call->bind[2] + s.row * channels;
        bool found = false;
        for (uint32_t t = 0; t < 9; t++) {
            size_t from;
            if (!neighbour(at, p->height, p->width, (ptrdiff_t)(t / 3) - 1,
                           (ptrdiff_t)(t % 3) - 1, &from))
                continue;
            const real *restrict xt = x + from * channels;
            for (size_t c = s.first; c < s.last; c++) {
                const bool larger = !found || xt[c] > y[c];
                y[c] = larger ? xt[c] : y[c];
                which[c] = larger ? t : which[c];
            }
            found = true;
        }
    }
}

// dy, which -> dx = sum of dy of the windows whose maximum this element was
void ZM_CPU(maxpool_bwd)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_maxpool_bwd *p = call->params;
    const real *dy = call->bind[0];
    const uint32_t *which = call->bind[1];
    const size_t channels = p->channels;
    for (zm_span s = zm_span_at(begin, end, channels); s.first < s.last;
         s = zm_span_next(s, end, channels)) {
        const pixel at = pixel_at(s.row, p->height, p->width);
        real *dx = (real *)call->bind[2] + s.row * channels;
        for (size_t c0 = s.first; c0 < s.last; c0 += ZM_COLUMN_BLOCK) {
            const size_t n =
                s.last - c0 < ZM_COLUMN_BLOCK ? s.last - c0 : ZM_COLUMN_BLOCK;
            real sum[ZM_COLUMN_BLOCK] = {0};
            for (uint32_t t = 0; t < 9; t++) {
                size_t from;
                if (!neighbour(at, p->height, p->width, 1 - (ptrdiff_t)(t / 3),
                               1 - (ptrdiff_t)(t % 3), &from))
                    continue;
                const real *restrict d = dy + from * channels + c0;
                const uint32_t *restrict w = which + from * channels + c0;
                for (size_t c = 0; c < n; c++)
                    sum[c] += w[c] == t ? d[c] : 0;
            }
            for (size_t c = 0; c < n; c++)
                dx[c0 + c] = p->accumulate ? dx[c0 + c] + sum[c] : sum[c];
        }
    }
}
