#include "core/data/resample.h"

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
    float sum = 0.0f;
    for (int j = 0; j < TAPS; j++, line += width)
        sum += wy[j] * (wx[0] * line[0] + wx[1] * line[1] + wx[2] * line[2] +
                        wx[3] * line[3] + wx[4] * line[4] + wx[5] * line[5]);
    return isfinite(sum) ? sum : NAN;
}

// Positions along one output row of a cell: a start and a step.
typedef struct cell_row {
    double x, y, dx, dy;
} cell_row;

static cell_row begin_cell(const zm_warp *warp, uint32_t row, uint32_t column)
{
    const size_t stride = 2 * (size_t)warp->nodes;
    const double *top =
        warp->pixel + row / ZM_WARP_STEP * stride + 2 * (column / ZM_WARP_STEP);
    const double *bottom = top + stride;
    const double t = (double)(row % ZM_WARP_STEP) / ZM_WARP_STEP;
    const double x = top[0] + t * (bottom[0] - top[0]);
    const double y = top[1] + t * (bottom[1] - top[1]);
    const double x_end = top[2] + t * (bottom[2] - top[2]);
    const double y_end = top[3] + t * (bottom[3] - top[3]);
    return (cell_row){x, y, (x_end - x) / ZM_WARP_STEP, (y_end - y) / ZM_WARP_STEP};
}

uint32_t zm_lanczos_resample(const zm_lanczos *lanczos, const float *input,
                             uint32_t width, uint32_t height, const zm_warp *warp,
                             float scale, float *out)
{
    uint32_t covered = 0;
    for (uint32_t row = 0; row < warp->size; row++) {
        for (uint32_t first = 0; first < warp->size; first += ZM_WARP_STEP) {
            const cell_row c = begin_cell(warp, row, first);
            const uint32_t n = ZM_MIN(warp->size - first, ZM_WARP_STEP);
            for (uint32_t i = 0; i < n; i++, out++) {
                *out = scale * interpolate(lanczos, input, width, height, c.x + i * c.dx,
                                           c.y + i * c.dy);
                covered += isnan(*out) ? 0u : 1u;
            }
        }
    }
    return covered;
}
