// Sums of one fixed order: 16 lanes, then a tree. The same for every thread count and
// every instruction set, and a form that the compiler vectorises without -ffast-math.
#ifndef ZM_CPU_REDUCE_H
#define ZM_CPU_REDUCE_H

#include "backends/cpu/cpu_kernels.h"

enum {
    ZM_LANES = 16,
    ZM_SUM_BLOCK = 1024,   // elements that long sums add before they go to double
    ZM_COLUMN_BLOCK = 256, // columns that a column sum handles at once
    ZM_ROW_BLOCK = 64,     // rows that a column sum adds before they go to double
};

static inline real zm_lanes_sum(const real lane[ZM_LANES])
{
    real t[ZM_LANES / 2];
    for (size_t l = 0; l < 8; l++)
        t[l] = lane[l] + lane[l + 8];
    for (size_t l = 0; l < 4; l++)
        t[l] += t[l + 4];
    return (t[0] + t[2]) + (t[1] + t[3]);
}

// sum of x[i]
static inline real zm_sum(const real *restrict x, size_t n)
{
    real lane[ZM_LANES] = {0}, tail = 0;
    size_t i = 0;
    for (; i + ZM_LANES <= n; i += ZM_LANES)
        for (size_t l = 0; l < ZM_LANES; l++)
            lane[l] += x[i + l];
    for (; i < n; i++)
        tail += x[i];
    return zm_lanes_sum(lane) + tail;
}

// sum of a[i] b[i]
static inline real zm_dot(const real *restrict a, const real *restrict b, size_t n)
{
    real lane[ZM_LANES] = {0}, tail = 0;
    size_t i = 0;
    for (; i + ZM_LANES <= n; i += ZM_LANES)
        for (size_t l = 0; l < ZM_LANES; l++)
            lane[l] += a[i + l] * b[i + l];
    for (; i < n; i++)
        tail += a[i] * b[i];
    return zm_lanes_sum(lane) + tail;
}

// sum of (x[i] - centre)^2
static inline real zm_sumsq_about(const real *restrict x, real centre, size_t n)
{
    real lane[ZM_LANES] = {0}, tail = 0;
    size_t i = 0;
    for (; i + ZM_LANES <= n; i += ZM_LANES)
        for (size_t l = 0; l < ZM_LANES; l++) {
            const real d = x[i + l] - centre;
            lane[l] += d * d;
        }
    for (; i < n; i++) {
        const real d = x[i] - centre;
        tail += d * d;
    }
    return zm_lanes_sum(lane) + tail;
}

// largest x[i]; n > 0
static inline real zm_max(const real *restrict x, size_t n)
{
    real lane[ZM_LANES];
    for (size_t l = 0; l < ZM_LANES; l++)
        lane[l] = x[0];
    size_t i = 0;
    for (; i + ZM_LANES <= n; i += ZM_LANES)
        for (size_t l = 0; l < ZM_LANES; l++)
            lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l];
    real best = lane[0];
    for (size_t l = 1; l < ZM_LANES; l++)
        best = lane[l] > best ? lane[l] : best;
    for (; i < n; i++)
        best = x[i] > best ? x[i] : best;
    return best;
}

// total[i] += part[i], part[i] = 0
static inline void zm_flush(double *restrict total, real *restrict part, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        total[i] += (double)part[i];
        part[i] = 0;
    }
}

#endif
