// Crop, flips, rotation, scaling, stretch and noise of a batch of images: augment.comp.
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "backends/cpu/cpu_kernels.h"
#include "backends/cpu/span.h"
#include "core/rng.h"

#ifdef ZM_CPU_F64

static real natural_log(real x)
{
    return log(x);
}

static void turn(real u, real *cosine, real *sine)
{
    *cosine = cos(6.283185307179586477 * u);
    *sine = sin(6.283185307179586477 * u);
}

static real stretch_asinh(real x)
{
    return asinh(x);
}

#else

// 2 atanh(s) for |s| <= 1/3
static float twice_atanh(float s)
{
    const float z = s * s;
    float sum = 1.0f / 13;
    sum = sum * z + 1.0f / 11;
    sum = sum * z + 1.0f / 9;
    sum = sum * z + 1.0f / 7;
    sum = sum * z + 1.0f / 5;
    sum = sum * z + 1.0f / 3;
    return 2 * (s + s * z * sum);
}

// log(x) of a positive normal x = 2^e m, m in [2/3, 4/3): e ln 2 + 2 atanh((m - 1) / (m
// + 1))
static float natural_log(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint32_t above = bits - 0x3F2AAAABu; // the bits of 2/3
    const int32_t e = (int32_t)above >> 23;
    const uint32_t mantissa = (above & 0x7FFFFFu) + 0x3F2AAAABu;
    float m;
    memcpy(&m, &mantissa, sizeof m);
    return (float)e * 0.693147181f + twice_atanh((m - 1) / (m + 1));
}

// cos and sin of 2 pi u, u in [0, 1): Taylor series in the nearest quarter turn
static void turn(float u, float *cosine, float *sine)
{
    const uint32_t quarter = (uint32_t)(4 * u + 0.5f);
    const float t = (4 * u - (float)quarter) * 1.570796327f, z = t * t;
    const float s =
        t + t * z *
                (((2.75573192e-6f * z - 1.98412698e-4f) * z + 8.33333333e-3f) * z -
                 1.66666667e-1f);
    const float c =
        1 + z * ((((-2.75573192e-7f * z + 2.48015873e-5f) * z - 1.38888889e-3f) * z +
                  4.16666667e-2f) *
                     z -
                 0.5f);
    *cosine = quarter & 1 ? -s : c;
    *sine = quarter & 1 ? c : s;
    if (quarter & 2) {
        *cosine = -*cosine;
        *sine = -*sine;
    }
}

// asinh(x) = sign(x) log(1 + t), t = |x| + x^2 / (1 + sqrt(1 + x^2)), to about 3 ulp
static float stretch_asinh(float x)
{
    const float a = fabsf(x);
    if (!(a < INFINITY))
        return x;
    const float t = a + a * (a / (1 + sqrtf(1 + a * a)));
    const float y = t <= 1     ? twice_atanh(t / (2 + t))
                    : a < 1e9f ? natural_log(1 + t)
                               : natural_log(a) + 0.693147181f;
    return copysignf(y, x);
}

#endif

// A normal number from one Philox block (Box-Muller)
static real normal(const uint32_t key[2], const uint32_t counter[4])
{
    uint32_t word[4];
    zm_philox(key, counter, word);
    const real u = 1 - (real)(word[0] >> 8) * (real)0x1p-24; // (0, 1]
    real cosine, sine;
    turn((real)(word[1] >> 8) * (real)0x1p-24, &cosine, &sine);
    (void)sine;
    return (real)sqrt((double)(-2 * natural_log(u))) * cosine;
}

// What happens to one image.
typedef struct motion {
    bool flip_x, flip_y;
    uint32_t quarters; // quarter turns
    real cosine, sine;
} motion;

static motion draw_motion(const struct zm_params_augment *p, uint32_t object,
                          uint32_t step)
{
    const uint32_t key[2] = {p->seed_lo, p->seed_hi};
    const uint32_t counter[4] = {0, step, object, ZM_RNG_AUGMENT};
    uint32_t word[4];
    zm_philox(key, counter, word);
    motion m = {.cosine = 1};
    if (p->flags & ZM_AUG_FLIP) {
        m.flip_x = word[0] & 1;
        m.flip_y = word[0] >> 1 & 1;
    }
    if (p->flags & ZM_AUG_ROT90)
        m.quarters = word[1] & 3;
    if (p->flags & ZM_AUG_ANGLE)
        turn((real)(word[2] >> 8) * (real)0x1p-24, &m.cosine, &m.sine);
    return m;
}

// img at (row, col), 0 outside
static real sample(const real *img, const struct zm_params_augment *p, int32_t row,
                   int32_t col, uint32_t c)
{
    const int32_t size = (int32_t)p->in_size;
    if (row < 0 || col < 0 || row >= size || col >= size)
        return 0;
    return img[((size_t)row * p->in_size + (size_t)col) * p->channels + c];
}

// img, objects, step, scale -> out (batch, out_size, out_size, channels)
void ZM_CPU(augment)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_augment *p = call->params;
    const uint32_t *objects = call->bind[1], step = *(const uint32_t *)call->bind[2];
    const real *scale = call->bind[3];
    const uint32_t key[2] = {p->seed_lo, p->seed_hi};
    const size_t area = (size_t)p->out_size * p->out_size;
    const int32_t last = (int32_t)p->out_size - 1;
    const int32_t corner = ((int32_t)p->in_size - (int32_t)p->out_size) / 2;
    for (zm_span s = zm_span_at(begin, end, area); s.first < s.last;
         s = zm_span_next(s, end, area)) {
        const real *img =
            (const real *)call->bind[0] + s.row * p->in_size * p->in_size * p->channels;
        const motion m = draw_motion(p, objects[s.row], step);
        for (size_t i = s.first; i < s.last; i++) {
            // twice the offset from the centre, an integer for odd and even sizes
            int32_t x = 2 * (int32_t)(i % p->out_size) - last;
            int32_t y = 2 * (int32_t)(i / p->out_size) - last;
            x = m.flip_x ? -x : x;
            y = m.flip_y ? -y : y;
            for (uint32_t q = 0; q < m.quarters; q++) {
                const int32_t old = x;
                x = -y;
                y = old;
            }
            int32_t col = corner + (x + last) / 2, row = corner + (y + last) / 2;
            real right = 0, down = 0; // parts of the next column and row
            if (p->flags & ZM_AUG_ANGLE) {
                const real u = (m.cosine * (real)x - m.sine * (real)y + (real)last) / 2;
                const real v = (m.sine * (real)x + m.cosine * (real)y + (real)last) / 2;
                const real u0 = (real)floor((double)u), v0 = (real)floor((double)v);
                right = u - u0;
                down = v - v0;
                col = corner + (int32_t)u0;
                row = corner + (int32_t)v0;
            }
            real *out = (real *)call->bind[4] + (s.row * area + i) * p->channels;
            for (uint32_t c = 0; c < p->channels; c++) {
                real value = sample(img, p, row, col, c);
                if (p->flags & ZM_AUG_ANGLE) {
                    const real top =
                        value + right * (sample(img, p, row, col + 1, c) - value);
                    const real a = sample(img, p, row + 1, col, c);
                    const real b = sample(img, p, row + 1, col + 1, c);
                    value = top + down * (a + right * (b - a) - top);
                }
                value *= scale[c];
                if (p->stretch == ZM_STRETCH_ASINH)
                    value = stretch_asinh(value);
                if (p->noise > 0) {
                    const uint32_t counter[4] = {(uint32_t)i * p->channels + c, step,
                                                 objects[s.row], ZM_RNG_NOISE};
                    value += (real)p->noise * normal(key, counter);
                }
                out[c] = value;
            }
        }
    }
}
