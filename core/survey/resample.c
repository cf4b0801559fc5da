#include "core/survey/resample.h"

#include <math.h>
#include <stdlib.h>

enum {
    TAPS = 6,
    PHASES = 1024, // a position is off by at most 1/2048 pixel
};

struct zm_lanczos {
    float weight[PHASES + 1][TAPS]; // of pixels -2..3 round the integer part
};

static double lanczos3(double x)
{
    const double pi = 3.14159265358979323846;
    if (fabs(x) < 1e-9)
        return 1.0;
    if (fabs(x) >= 3.0)
        return 0.0;
    return 3.0 * sin(pi * x) * sin(pi * x / 3.0) / (pi * pi * x * x);
}

zm_status zm_lanczos_create(zm_lanczos **out)
{
    zm_lanczos *l = malloc(sizeof *l);
    if (!l)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for interpolation weights");
    for (int phase = 0; phase <= PHASES; phase++) {
        double weight[TAPS];
        double sum = 0.0;
        for (int k = 0; k < TAPS; k++) {
            weight[k] = lanczos3(k - 2 - (double)phase / PHASES);
            sum += weight[k];
        }
        for (int k = 0; k < TAPS; k++) // the kernel alone lets a flat sky ripple by 1 %
            l->weight[phase][k] = (float)(weight[k] / sum);
    }
    *out = l;
    return ZM_OK;
}

void zm_lanczos_destroy(zm_lanczos **lanczos)
{
    free(*lanczos);
    *lanczos = NULL;
}

uint32_t zm_warp_nodes(uint32_t size)
{
    return (size + ZM_WARP_STEP - 1) / ZM_WARP_STEP + 1;
}

double zm_warp_area(const zm_warp *warp)
{
    const size_t last = warp->nodes - 1;
    const double *p = warp->pixel;
    const double *right = p + 2 * last;
    const double *down = p + 2 * last * warp->nodes;
    const double *across = down + 2 * last;
    const double side = (double)last * ZM_WARP_STEP;
    // the two diagonals of a quadrilateral give its area, also where it is a little skew
    const double area = ((across[0] - p[0]) * (down[1] - right[1]) -
                         (across[1] - p[1]) * (down[0] - right[0])) /
                        2.0;
    return fabs(area) / (side * side);
}

// Down the columns first: eight of them, a multiple of every vector width, of which the
// last two are not used.
static float weigh_wide(const float *line, size_t width, const float *wx, const float *wy)
{
    float column[8] = {0};
    float sum = 0.0f;
    for (int j = 0; j < TAPS; j++, line += width)
        for (int k = 0; k < 8; k++)
            column[k] += wy[j] * line[k];
    for (int k = 0; k < TAPS; k++)
        sum += wx[k] * column[k];
    return sum;
}

static float weigh(const float *line, size_t width, const float *wx, const float *wy)
{
    float column[TAPS] = {0};
    float sum = 0.0f;
    for (int j = 0; j < TAPS; j++, line += width)
        for (int k = 0; k < TAPS; k++)
            column[k] += wy[j] * line[k];
    for (int k = 0; k < TAPS; k++)
        sum += wx[k] * column[k];
    return sum;
}

static float interpolate(const zm_lanczos *l, const float *input, uint32_t width,
                         uint32_t height, double x, double y)
{
    // false for NaN too
    if (!(x >= 2.0 && y >= 2.0 && x < (double)width - 3.0 && y < (double)height - 3.0))
        return NAN;
    const uint32_t ix = (uint32_t)x, iy = (uint32_t)y;
    const float *wx = l->weight[(uint32_t)((x - ix) * PHASES + 0.5)];
    const float *wy = l->weight[(uint32_t)((y - iy) * PHASES + 0.5)];
    const float *line = input + (size_t)(iy - 2) * width + (ix - 2);
    const float sum =
        ix + 5 < width ? weigh_wide(line, width, wx, wy) : weigh(line, width, wx, wy);
    return isfinite(sum) ? sum : NAN;
}

void zm_warp_cell(const zm_warp *warp, uint32_t row, uint32_t column, double *pixels)
{
    const size_t stride = 2 * (size_t)warp->nodes;
    const double *top =
        warp->pixel + row / ZM_WARP_STEP * stride + 2 * (column / ZM_WARP_STEP);
    const double *bottom = top + stride;
    const double t = (double)(row % ZM_WARP_STEP) / ZM_WARP_STEP;
    for (uint32_t k = 0; k < 2; k++) {
        const double first = top[k] + t * (bottom[k] - top[k]);
        const double last = top[2 + k] + t * (bottom[2 + k] - top[2 + k]);
        const double step = (last - first) / ZM_WARP_STEP;
        for (uint32_t i = 0; i < ZM_WARP_STEP; i++)
            pixels[2 * i + k] = first + i * step;
    }
}

uint32_t zm_lanczos_resample(const zm_lanczos *lanczos, const float *input,
                             uint32_t width, uint32_t height, const zm_warp *warp,
                             float scale, float *out)
{
    uint32_t covered = 0;
    for (uint32_t row = 0; row < warp->size; row++) {
        for (uint32_t first = 0; first < warp->size; first += ZM_WARP_STEP) {
            double at[2 * ZM_WARP_STEP];
            zm_warp_cell(warp, row, first, at);
            const uint32_t n = ZM_MIN(warp->size - first, ZM_WARP_STEP);
            for (uint32_t i = 0; i < n; i++, out++) {
                *out = scale * interpolate(lanczos, input, width, height, at[2 * i],
                                           at[2 * i + 1]);
                covered += isnan(*out) ? 0u : 1u;
            }
        }
    }
    return covered;
}
