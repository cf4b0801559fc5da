#include "core/train/metrics.h"

#include <math.h>
#include <stdlib.h>

#include "core/train/bootstrap.h"

static const struct {
    const char *name, *definition;
} table[ZM_METRIC_COUNT] = {
    [ZM_BIAS_MEAN] = {"bias_mean", "mean dz"},
    [ZM_BIAS_MEDIAN] = {"bias_median", "median dz"},
    [ZM_SIGMA_MAD] = {"sigma_mad", "1.4826 median |dz - median dz|"},
    [ZM_NMAD_148] = {"nmad_1.48", "1.48 median |dz - median dz|"},
    [ZM_SIGMA_IQR] = {"sigma_iqr", "(75th - 25th percentile of dz) / 1.349"},
    [ZM_ETA_005] = {"eta_0.05", "fraction with |dz| > 0.05"},
    [ZM_F_OUT_RAIL] = {"f_out_rail", "fraction with |dz| > max(0.06, 3 sigma_iqr)"},
    [ZM_MAE] = {"mae", "mean |z_phot - z_spec|"},
    [ZM_MSE] = {"mse", "mean (z_phot - z_spec)^2"},
    [ZM_R2] = {"r2", "1 - mse / variance of z_spec"},
};

const char *zm_metric_name(zm_metric metric)
{
    return table[metric].name;
}

const char *zm_metric_definition(zm_metric metric)
{
    return table[metric].definition;
}

typedef struct object {
    double dz;
    double z_spec;
    double error; // z_phot - z_spec
} object;

static int by_dz(const void *a, const void *b)
{
    const double x = ((const object *)a)->dz, y = ((const object *)b)->dz;
    return (x > y) - (x < y);
}

typedef struct sorted {
    const object *objects; // (count) by dz
    uint64_t count;
} sorted;

// A sample is the sorted objects, each taken weight[i] times: so a bootstrap sample needs
// no sorting of its own. total = sum of weights.
typedef struct sample {
    const object *objects;
    const uint32_t *weight;
    uint64_t count, total;
} sample;

// Quantile of dz, interpolated between the two nearest order statistics.
static double quantile(const sample *s, double q)
{
    const double position = q * (double)(s->total - 1);
    const uint64_t low = (uint64_t)position, high = ZM_MIN(low + 1, s->total - 1);
    double at_low = 0;
    uint64_t passed = 0;
    for (uint64_t i = 0; i < s->count; i++) {
        const uint64_t end = passed + s->weight[i];
        if (passed <= low && low < end)
            at_low = s->objects[i].dz;
        if (passed <= high && high < end)
            return at_low + (position - (double)low) * (s->objects[i].dz - at_low);
        passed = end;
    }
    return at_low;
}

// Median of |dz - centre|: the deviations come in order when two pointers walk away from
// the centre.
static double median_deviation(const sample *s, double centre)
{
    const uint64_t low = (s->total - 1) / 2, high = s->total / 2;
    uint64_t right = 0;
    while (right < s->count && s->objects[right].dz < centre)
        right++;
    uint64_t left = right; // the next one on the left is left - 1
    uint64_t passed = 0;
    double at_low = 0;
    while (left > 0 || right < s->count) {
        const double d_left = left > 0 ? centre - s->objects[left - 1].dz : INFINITY;
        const double d_right =
            right < s->count ? s->objects[right].dz - centre : INFINITY;
        const bool take_left = d_left < d_right;
        const double d = take_left ? d_left : d_right;
        const uint64_t end = passed + s->weight[take_left ? --left : right++];
        if (passed <= low && low < end)
            at_low = d;
        if (passed <= high && high < end)
            return 0.5 * (at_low + d);
        passed = end;
    }
    return at_low;
}

static double outliers(const sample *s, double limit)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < s->count; i++)
        if (fabs(s->objects[i].dz) > limit)
            n += s->weight[i];
    return (double)n / (double)s->total;
}

static void measure(const void *user, const uint32_t *weight, double *value)
{
    const sorted *all = user;
    const sample drawn = {all->objects, weight, all->count, all->count}, *s = &drawn;
    const double n = (double)s->total;
    double dz = 0, absolute = 0, squared = 0, z = 0, variance = 0;
    for (uint64_t i = 0; i < s->count; i++) {
        const object *o = &s->objects[i];
        const double w = s->weight[i];
        dz += w * o->dz;
        absolute += w * fabs(o->error);
        squared += w * o->error * o->error;
        z += w * o->z_spec;
    }
    z /= n;
    for (uint64_t i = 0; i < s->count; i++) {
        const double d = s->objects[i].z_spec - z;
        variance += s->weight[i] * d * d;
    }
    const double median = quantile(s, 0.5);
    const double deviation = median_deviation(s, median);
    const double iqr = (quantile(s, 0.75) - quantile(s, 0.25)) / 1.349;
    value[ZM_BIAS_MEAN] = dz / n;
    value[ZM_BIAS_MEDIAN] = median;
    value[ZM_SIGMA_MAD] = 1.4826 * deviation;
    value[ZM_NMAD_148] = 1.48 * deviation;
    value[ZM_SIGMA_IQR] = iqr;
    value[ZM_ETA_005] = outliers(s, 0.05);
    value[ZM_F_OUT_RAIL] = outliers(s, ZM_MAX(0.06, 3 * iqr));
    value[ZM_MAE] = absolute / n;
    value[ZM_MSE] = squared / n;
    value[ZM_R2] = variance > 0 ? 1 - squared / variance : NAN;
}

static zm_status fill(const double *z_phot, const double *z_spec, uint64_t count,
                      object *objects)
{
    for (uint64_t i = 0; i < count; i++) {
        if (!isfinite(z_phot[i]) || !isfinite(z_spec[i]) || z_spec[i] <= -1)
            return ZM_FAIL(ZM_ERR_FORMAT,
                           "row %llu: wanted finite redshifts above -1, found z_phot %g "
                           "and z_spec %g",
                           (unsigned long long)i, z_phot[i], z_spec[i]);
        const double error = z_phot[i] - z_spec[i];
        objects[i] = (object){error / (1 + z_spec[i]), z_spec[i], error};
    }
    return ZM_OK;
}

// The sample itself: every object once.
static zm_status measure_once(const sorted *all, zm_metrics *m)
{
    uint32_t *once = zm_calloc(all->count, sizeof *once);
    if (!once)
        return ZM_FAIL(ZM_ERR_MEMORY, "metrics: %llu objects",
                       (unsigned long long)all->count);
    for (uint64_t i = 0; i < all->count; i++)
        once[i] = 1;
    measure(all, once, m->value);
    free(once);
    return ZM_OK;
}

zm_status zm_metrics_compute(const double *z_phot, const double *z_spec, uint64_t count,
                             uint64_t seed, uint32_t resamples, zm_metrics *out)
{
    object *objects = zm_calloc(count, sizeof *objects);
    zm_metrics m = {.count = count};
    const sorted all = {objects, count};
    zm_status st = ZM_OK;
    if (count == 0)
        st = ZM_FAIL(ZM_ERR_USAGE, "metrics: no objects");
    else if (!objects)
        st = ZM_FAIL(ZM_ERR_MEMORY, "metrics: %llu objects", (unsigned long long)count);
    else
        st = fill(z_phot, z_spec, count, objects);
    if (st == ZM_OK) {
        qsort(objects, (size_t)count, sizeof *objects, by_dz);
        st =
            zm_bootstrap(measure, &all, count, seed, resamples, ZM_METRIC_COUNT, m.error);
    }
    if (st == ZM_OK)
        st = measure_once(&all, &m);
    if (st == ZM_OK)
        *out = m;
    free(objects);
    return st;
}
