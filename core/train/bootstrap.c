#include "core/train/bootstrap.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"

// Running mean and sum of squared deviations. Source: Welford 1962.
typedef struct moments {
    uint32_t count;
    double mean, m2;
} moments;

static void add(moments *m, double value)
{
    if (!isfinite(value))
        return;
    const double d = value - m->mean;
    m->mean += d / ++m->count;
    m->m2 += d * (value - m->mean);
}

zm_status zm_bootstrap(zm_bootstrap_measure *measure, const void *sample, uint64_t count,
                       uint64_t seed, uint32_t resamples, uint32_t statistics,
                       double *error)
{
    assert(statistics <= ZM_BOOTSTRAP_MAX);
    if (count == 0 || count > UINT32_MAX || resamples == 1)
        return ZM_FAIL(ZM_ERR_USAGE,
                       "metrics: wanted 1 to 2^32 - 1 objects and not 1 resample, found "
                       "%llu and %u",
                       (unsigned long long)count, (unsigned)resamples);
    uint32_t *weight = zm_calloc(count, sizeof *weight);
    if (!weight)
        return ZM_FAIL(ZM_ERR_MEMORY, "metrics: %llu objects", (unsigned long long)count);
    moments all[ZM_BOOTSTRAP_MAX] = {0};
    const uint32_t samples = count > 1 ? resamples : 0;
    for (uint32_t r = 0; r < samples; r++) {
        zm_rng rng = zm_rng_init(seed, ZM_RNG_BOOTSTRAP, 0, r);
        memset(weight, 0, (size_t)count * sizeof *weight);
        for (uint64_t i = 0; i < count; i++)
            weight[zm_rng_below(&rng, (uint32_t)count)]++;
        double values[ZM_BOOTSTRAP_MAX];
        measure(sample, weight, values);
        for (uint32_t m = 0; m < statistics; m++)
            add(&all[m], values[m]);
    }
    for (uint32_t m = 0; m < statistics; m++)
        error[m] = all[m].count > 1 ? sqrt(all[m].m2 / (all[m].count - 1)) : NAN;
    free(weight);
    return ZM_OK;
}
