#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "core/train/metrics_bins.h"

enum { N = 100 };

// x = 0, 0.01, ... 0.99 in a mixed order; z_phot - z_spec = 0.001 times its number.
static void make(double *x, double *z_phot, double *z_spec)
{
    for (int i = 0; i < N; i++) {
        const int k = i * 37 % N;
        x[i] = 0.01 * k;
        z_spec[i] = 0;
        z_phot[i] = 0.001 * k;
    }
}

static zm_metrics_bin *bins_of(const double *x, uint32_t wanted, bool widths, uint32_t *n)
{
    double unused[N], z_phot[N], z_spec[N];
    zm_metrics_bin *bins = NULL;
    const zm_metrics_binning how = {.bins = wanted, .equal_widths = widths};
    make(unused, z_phot, z_spec);
    cr_assert_eq(zm_metrics_binned(x, z_phot, z_spec, N, &how, &bins, n), ZM_OK);
    return bins;
}

Test(metrics_bins, of_equal_counts_hold_equal_counts)
{
    double x[N], z_phot[N], z_spec[N];
    uint32_t n = 0;
    make(x, z_phot, z_spec);
    zm_metrics_bin *bins = bins_of(x, 4, false, &n);
    cr_assert_eq(n, 4);
    for (uint32_t k = 0; k < n; k++) {
        cr_expect_eq(bins[k].metrics.count, 25);
        cr_expect_eq(bins[k].low, 0.01 * (25 * k));
        // numbers 25 k to 25 k + 24: their mean is 25 k + 12
        cr_expect_float_eq(bins[k].metrics.value[ZM_BIAS_MEAN], 0.001 * (25 * k + 12),
                           1e-15);
    }
    free(bins);
}

Test(metrics_bins, of_few_objects_are_few)
{
    double x[N], z_phot[N], z_spec[N];
    uint32_t n = 0;
    make(x, z_phot, z_spec);
    zm_metrics_bin *bins = bins_of(x, 50, false, &n);
    cr_expect_eq(n, N / ZM_METRICS_BIN_OBJECTS);
    free(bins);
}

Test(metrics_bins, of_equal_widths_may_be_empty)
{
    double x[N];
    uint32_t n = 0;
    for (int i = 0; i < N; i++)
        x[i] = i < 60 ? 1 : 5;
    zm_metrics_bin *bins = bins_of(x, 4, true, &n);
    cr_assert_eq(n, 4);
    cr_expect_eq(bins[0].metrics.count, 60);
    cr_expect_eq(bins[1].metrics.count, 0);
    cr_expect(isnan(bins[1].metrics.value[ZM_ETA_005]));
    cr_expect_eq(bins[3].metrics.count, 40, "the upper end belongs to the last bin");
    cr_expect_eq(bins[2].high, 4);
    free(bins);
}

Test(metrics_bins, keep_equal_values_together)
{
    double x[N];
    uint32_t n = 0;
    uint64_t sum = 0;
    for (int i = 0; i < N; i++)
        x[i] = i < 80 ? 2 : 3;
    zm_metrics_bin *bins = bins_of(x, 5, false, &n);
    cr_assert_eq(n, 2);
    cr_expect_eq(bins[0].metrics.count, 80);
    cr_expect_eq(bins[1].metrics.count, 20);
    free(bins);
    for (int i = 0; i < N; i++)
        x[i] = 7;
    for (int widths = 0; widths < 2; widths++) {
        bins = bins_of(x, 5, widths, &n);
        cr_assert_eq(n, 1);
        sum += bins[0].metrics.count;
        free(bins);
    }
    cr_expect_eq(sum, 2 * N);
}

Test(metrics_bins, leave_out_objects_without_a_value)
{
    double x[N];
    uint32_t n = 9;
    for (int i = 0; i < N; i++)
        x[i] = i % 2 ? 1 : NAN;
    zm_metrics_bin *bins = bins_of(x, 3, true, &n);
    cr_assert_eq(n, 1);
    cr_expect_eq(bins[0].metrics.count, N / 2);
    free(bins);
    for (int i = 0; i < N; i++)
        x[i] = NAN;
    bins = bins_of(x, 3, true, &n);
    cr_expect_null(bins);
    cr_expect_eq(n, 0);
}
