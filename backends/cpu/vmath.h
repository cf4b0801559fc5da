// exp and erf without branches or calls, so that a compiler turns a loop over them into
// vector code. In the double-precision build they are the C library's.
#ifndef ZM_CPU_VMATH_H
#define ZM_CPU_VMATH_H

#include <math.h>
#include <string.h>

#include "backends/cpu/cpu_kernels.h"

#ifdef ZM_CPU_F64

static inline real zm_exp(real x)
{
    return exp(x);
}

static inline real zm_erf(real x)
{
    return erf(x);
}

#else

// 2^n for n in -126 .. 127.
static inline float zm_exp2_int(int32_t n)
{
    const uint32_t bits = (uint32_t)(n + 127) << 23;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

// exp(x) = 2^n exp(r), |r| <= ln(2) / 2, within 1.2 ulp; 0, subnormal and inf as exp
// gives them, NaN stays NaN.
static inline real zm_exp(real x)
{
    const float round = 12582912.0f; // 1.5 * 2^23: adding it rounds to an integer
    x = x > 89.0f ? 89.0f : x;
    x = x < -104.0f ? -104.0f : x;
    const float shifted = x * 1.442695f + round;
    const float whole = shifted - round;
    float r = x - whole * 6.93145752e-1f; // ln 2 in two parts: the first product is exact
    r = r - whole * 1.42860677e-6f;
    float p = 1.37805939e-3f;
    p = p * r + 8.37312452e-3f;
    p = p * r + 4.16695364e-2f;
    p = p * r + 1.66664720e-1f;
    p = p * r + 4.99999851e-1f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    int32_t n;
    memcpy(&n, &shifted, sizeof n);
    n = (n & 0x7fffff) - 0x400000;
    const int32_t half = n / 2; // two factors reach the subnormals and infinity
    return p * zm_exp2_int(half) * zm_exp2_int(n - half);
}

// erf(x) within 1.2 ulp: a polynomial below 475/512, 1 - exp(polynomial) above.
static inline real zm_erf(real x)
{
    const float t = fabsf(x), s = x * x;
    float p = -5.96761703e-4f;
    p = p * s + 4.99119423e-3f;
    p = p * s - 2.67681349e-2f;
    p = p * s + 1.12819925e-1f;
    p = p * s - 3.76125336e-1f;
    p = p * s + 1.28379166e-1f;
    const float small = p * x + x;
    const float c = t > 4.0f ? 4.0f : t; // erf is 1 from 3.92 on
    const float cc = c * c;
    float q = -1.72853470e-5f * c + 3.83197126e-4f;
    const float u = -3.88396438e-3f * c + 2.42546219e-2f;
    q = q * cc + u;
    q = q * c - 1.06777877e-1f;
    q = q * c - 6.34846687e-1f;
    q = q * c - 1.28717512e-1f;
    q = q * c - c;
    const float large = copysignf(1.0f - zm_exp(q), x);
    return t > 0.927734375f ? large : small;
}

#endif
#endif
