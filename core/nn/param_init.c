#include "core/nn/param_init.h"

#include <math.h>
#include <string.h>

#include "core/rng.h"

void zm_sincos_positions(uint32_t grid, uint32_t width, float *out)
{
    const uint32_t half = width / 2, quarter = width / 4;
    memset(out, 0, (size_t)width * sizeof *out);
    for (uint32_t row = 0; row < grid; row++)
        for (uint32_t column = 0; column < grid; column++) {
            float *at = out + (size_t)(1 + row * grid + column) * width;
            for (uint32_t i = 0; i < quarter; i++) {
                const double omega = 1.0 / pow(10000.0, (double)i / (double)quarter);
                at[i] = (float)sin(column * omega);
                at[quarter + i] = (float)cos(column * omega);
                at[half + i] = (float)sin(row * omega);
                at[half + quarter + i] = (float)cos(row * omega);
            }
        }
}

static void fill_uniform(zm_rng *rng, double bound, uint64_t count, float *out)
{
    for (uint64_t i = 0; i < count; i++)
        out[i] = (float)((2.0 * zm_rng_float(rng) - 1.0) * bound);
}

void zm_param_draw(const zm_param_name *name, uint64_t seed, float *out)
{
    zm_rng rng = zm_rng_init(seed, ZM_RNG_INIT, zm_hash_name(name->name), 0);
    const uint64_t outputs = name->dim[0];
    const double inputs = name->fan_in ? name->fan_in : (double)(name->count / outputs);
    switch (name->init) {
    case ZM_INIT_ZERO:
        memset(out, 0, (size_t)name->count * sizeof *out);
        break;
    case ZM_INIT_ONE:
        for (uint64_t i = 0; i < name->count; i++)
            out[i] = 1.0f;
        break;
    case ZM_INIT_XAVIER:
        fill_uniform(&rng, sqrt(6.0 / (inputs + (double)outputs)), name->count, out);
        break;
    case ZM_INIT_LINEAR:
        fill_uniform(&rng, 1.0 / sqrt(inputs), name->count, out);
        break;
    case ZM_INIT_NORMAL02:
        for (uint64_t i = 0; i < name->count; i++)
            out[i] = (float)(0.02 * zm_rng_normal(&rng));
        break;
    case ZM_INIT_SINCOS: {
        const uint32_t rows = name->dim[1], width = name->dim[2];
        zm_sincos_positions((uint32_t)lround(sqrt((double)(rows - 1))), width, out);
        break;
    }
    }
}
