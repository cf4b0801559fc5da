#include "core/train/calibrate.h"

#include <math.h>
#include <stdlib.h>

#include "core/train/pdf.h"

static uint64_t row_of(const zm_calibrate_sample *s, uint64_t i)
{
    return s->first + i * ZM_MAX(s->step, (uint64_t)1);
}

static const float *outputs_of(const zm_calibrate_sample *s, uint64_t i)
{
    return s->outputs + row_of(s, i) * zm_head_outputs(s->head);
}

static double z_of(const zm_calibrate_sample *s, uint64_t i)
{
    return (double)s->z[row_of(s, i)];
}

static zm_status check(const zm_calibrate_sample *s)
{
    const uint32_t width = zm_head_outputs(s->head);
    if (s->head->kind == ZM_HEAD_POINT)
        return ZM_FAIL(ZM_ERR_SHAPE, "a regression head says no distribution that could "
                                     "be calibrated; expected a pdf or gauss head");
    if (s->count < ZM_CALIBRATE_MIN_OBJECTS)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "expected at least %d objects of known redshift to calibrate on, "
                       "found %llu",
                       ZM_CALIBRATE_MIN_OBJECTS, (unsigned long long)s->count);
    for (uint64_t i = 0; i < s->count; i++) {
        bool finite = isfinite(z_of(s, i));
        for (uint32_t k = 0; k < width; k++)
            finite = finite && isfinite(outputs_of(s, i)[k]);
        if (!finite)
            return ZM_FAIL(ZM_ERR_FORMAT, "object %llu: redshift or output is not finite",
                           (unsigned long long)row_of(s, i));
    }
    return ZM_OK;
}

// Mean of -log p(bin of z) at a temperature.
static double log_loss(const zm_calibrate_sample *s, double temperature)
{
    const uint32_t bins = s->head->bins;
    double loss = 0.0;
    for (uint64_t i = 0; i < s->count; i++) {
        const float *x = outputs_of(s, i);
        double top = -INFINITY, sum = 0.0;
        for (uint32_t k = 0; k < bins; k++)
            top = fmax(top, (double)x[k]);
        for (uint32_t k = 0; k < bins; k++)
            sum += exp(((double)x[k] - top) / temperature);
        const double own = (double)x[zm_head_bin(s->head, z_of(s, i))];
        loss += log(sum) - (own - top) / temperature;
    }
    return loss / (double)s->count;
}

// Golden-section search in log T. The loss is convex in 1 / T, so it has one minimum.
static double best_temperature(const zm_calibrate_sample *s)
{
    const double golden = 0.5 * (sqrt(5.0) - 1.0);
    double a = log(ZM_CALIBRATION_T_MIN), b = log(ZM_CALIBRATION_T_MAX);
    double c = b - golden * (b - a), d = a + golden * (b - a);
    double at_c = log_loss(s, exp(c)), at_d = log_loss(s, exp(d));
    while (b - a > 1e-5) {
        if (at_c <= at_d) {
            b = d;
            d = c;
            at_d = at_c;
            c = b - golden * (b - a);
            at_c = log_loss(s, exp(c));
        } else {
            a = c;
            c = d;
            at_c = at_d;
            d = a + golden * (b - a);
            at_d = log_loss(s, exp(d));
        }
    }
    return exp(0.5 * (a + b));
}

static double normal_scale(const zm_calibrate_sample *s)
{
    double sum = 0.0;
    for (uint64_t i = 0; i < s->count; i++) {
        const float *out = outputs_of(s, i);
        const double d = z_of(s, i) - (double)out[0];
        sum += d * d * exp(-(double)out[1]);
    }
    const double scale = sqrt(sum / (double)s->count);
    return fmin(fmax(scale, ZM_CALIBRATION_T_MIN), ZM_CALIBRATION_T_MAX);
}

zm_status zm_calibrate_pit(const zm_calibrate_sample *s,
                           const zm_calibration *calibration, double *pit)
{
    const zm_z_grid grid = zm_z_grid_of(s->head);
    double *p = zm_calloc(grid.bins, sizeof *p);
    if (!p)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for a distribution");
    for (uint64_t i = 0; i < s->count; i++) {
        zm_pdf_calibrate(calibration, s->head, outputs_of(s, i), p);
        pit[i] = zm_pdf_cdf(&grid, p, z_of(s, i));
    }
    free(p);
    return ZM_OK;
}

static double *allocate_pit(uint64_t count)
{
    double *pit = zm_calloc(count, sizeof *pit);
    if (!pit)
        (void)ZM_FAIL(ZM_ERR_MEMORY, "no memory for %llu PITs",
                      (unsigned long long)count);
    return pit;
}

// The first knot that is not below u.
static uint32_t knot_of(double u)
{
    uint32_t low = 0, high = ZM_CALIBRATION_KNOTS - 1;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (zm_calibration_knot(middle) >= u)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static zm_status fit_map(const zm_calibrate_sample *s, zm_calibration *c)
{
    const zm_calibration scaled = {.kind = ZM_CALIBRATION_TEMPERATURE,
                                   .temperature = c->temperature};
    uint64_t at[ZM_CALIBRATION_KNOTS] = {0}; // PITs above knot - 1, up to the knot
    double *pit = allocate_pit(s->count);
    if (!pit)
        return ZM_ERR_MEMORY;
    const zm_status st = zm_calibrate_pit(s, &scaled, pit);
    for (uint64_t i = 0; i < s->count && st == ZM_OK; i++)
        at[knot_of(pit[i])]++;
    free(pit);
    uint64_t below = at[0];
    for (uint32_t j = 1; j < ZM_CALIBRATION_KNOTS; j++) {
        below += at[j];
        c->map[j] = ((double)below + zm_calibration_knot(j)) / ((double)s->count + 1.0);
    }
    return st;
}

zm_status zm_calibrate_fit(const zm_calibrate_sample *s, zm_calibration_kind kind,
                           zm_calibration *out)
{
    zm_calibration c = {.kind = kind, .temperature = 1.0, .objects = s->count};
    ZM_TRY(check(s));
    if (kind != ZM_CALIBRATION_NONE)
        c.temperature =
            s->head->kind == ZM_HEAD_PDF ? best_temperature(s) : normal_scale(s);
    if (kind == ZM_CALIBRATION_QUANTILE)
        ZM_TRY(fit_map(s, &c));
    *out = c;
    return ZM_OK;
}

static zm_status ks(const zm_calibrate_sample *s, const zm_calibration *calibration,
                    double *pit, double *out)
{
    ZM_TRY(zm_calibrate_pit(s, calibration, pit));
    *out = zm_pit_ks(pit, s->count);
    return ZM_OK;
}

static zm_status ks_crossed(const zm_calibrate_sample *s, zm_calibration_kind kind,
                            double *pit, double *out)
{
    const uint64_t step = ZM_MAX(s->step, (uint64_t)1);
    zm_calibrate_sample even = *s, odd = *s;
    zm_calibration of_even, of_odd;
    even.step = odd.step = 2 * step;
    even.count = s->count - s->count / 2;
    odd.first += step;
    odd.count = s->count / 2;
    *out = NAN;
    if (odd.count < ZM_CALIBRATE_MIN_OBJECTS)
        return ZM_OK;
    ZM_TRY(zm_calibrate_fit(&even, kind, &of_even));
    ZM_TRY(zm_calibrate_fit(&odd, kind, &of_odd));
    // pooled, the deviations of the halves from each other would cancel
    double ks_even, ks_odd;
    ZM_TRY(ks(&even, &of_odd, pit, &ks_even));
    ZM_TRY(ks(&odd, &of_even, pit, &ks_odd));
    *out = 0.5 * (ks_even + ks_odd);
    return ZM_OK;
}

// Kolmogorov's law has the mean sqrt(pi / 2) log 2.
static double chance(const zm_calibrate_sample *s, zm_calibration_kind kind)
{
    const double samples = kind == ZM_CALIBRATION_QUANTILE ? 2.0 : 1.0;
    return sqrt(0.5 * acos(-1.0)) * log(2.0) * sqrt(samples / (0.5 * (double)s->count));
}

zm_status zm_calibrate_assess(const zm_calibrate_sample *s,
                              const zm_calibration *calibration, zm_calibrate_report *out)
{
    ZM_TRY(check(s));
    double *pit = allocate_pit(s->count);
    if (!pit)
        return ZM_ERR_MEMORY;
    zm_calibrate_report r = {.chance = chance(s, calibration->kind)};
    zm_status st = ks(s, NULL, pit, &r.before);
    if (st == ZM_OK)
        st = ks(s, calibration, pit, &r.after);
    if (st == ZM_OK)
        st = ks_crossed(s, calibration->kind, pit, &r.crossed);
    free(pit);
    if (st == ZM_OK)
        *out = r;
    return st;
}
