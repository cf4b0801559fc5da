#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "core/rng.h"
#include "core/train/metrics.h"

static void expect_near(double found, double wanted, double tolerance, const char *what)
{
    cr_expect(fabs(found - wanted) <= tolerance, "%s: wanted %.17g, found %.17g", what,
              wanted, found);
}

// z_spec = 0 makes dz = z_phot, so that every value below can be checked by hand.
Test(metrics, have_the_values_worked_out_by_hand)
{
    const double z_phot[] = {0.30, -0.02, 0.01, 0.08, 0.00};
    const double z_spec[] = {0, 0, 0, 0, 0};
    zm_metrics m;
    cr_assert_eq(zm_metrics_compute(z_phot, z_spec, 5, 1, 0, &m), ZM_OK);
    const double eps = 4 * DBL_EPSILON;
    // sorted dz: -0.02 0 0.01 0.08 0.30; deviations from 0.01: 0 0.01 0.03 0.07 0.29
    expect_near(m.value[ZM_BIAS_MEAN], 0.37 / 5, eps, "bias_mean");
    expect_near(m.value[ZM_BIAS_MEDIAN], 0.01, eps, "bias_median");
    expect_near(m.value[ZM_SIGMA_MAD], 1.4826 * 0.03, eps, "sigma_mad");
    expect_near(m.value[ZM_NMAD_148], 1.48 * 0.03, eps, "nmad_1.48");
    expect_near(m.value[ZM_SIGMA_IQR], 0.08 / 1.349, eps, "sigma_iqr");
    expect_near(m.value[ZM_ETA_005], 2.0 / 5, eps, "eta_0.05");
    // 3 sigma_iqr = 0.1779: only 0.30 lies outside, 0.08 only outside of the least limit
    expect_near(m.value[ZM_F_OUT_RAIL], 1.0 / 5, eps, "f_out_rail");
    expect_near(m.value[ZM_MAE], 0.41 / 5, eps, "mae");
    expect_near(m.value[ZM_MSE], (0.09 + 0.0004 + 0.0001 + 0.0064) / 5, eps, "mse");
    cr_expect(isnan(m.value[ZM_R2]), "r2 of equal redshifts is undefined");
    cr_expect_eq(m.count, 5);
}

// sigma_iqr = 0.002 / 1.349 is small: without the limit of 0.06, 0.05 would be an
// outlier.
Test(metrics, have_no_outliers_of_rail_below_its_least_limit)
{
    const double z_phot[] = {0, 0.001, 0.002, 0.003, 0.05}, z_spec[5] = {0};
    zm_metrics m;
    cr_assert_eq(zm_metrics_compute(z_phot, z_spec, 5, 1, 0, &m), ZM_OK);
    expect_near(m.value[ZM_SIGMA_IQR], 0.002 / 1.349, 4 * DBL_EPSILON, "sigma_iqr");
    cr_expect_eq(m.value[ZM_F_OUT_RAIL], 0.0);
}

Test(metrics, divide_residuals_by_one_plus_the_true_redshift)
{
    const double z_spec[] = {1.0, 3.0, 0.0, 1.0};
    const double z_phot[] = {1.2, 2.6, 0.1, 1.0}; // dz 0.1, -0.1, 0.1, 0
    zm_metrics m;
    cr_assert_eq(zm_metrics_compute(z_phot, z_spec, 4, 1, 0, &m), ZM_OK);
    const double eps = 8 * DBL_EPSILON;
    expect_near(m.value[ZM_BIAS_MEAN], 0.025, eps, "bias_mean");
    expect_near(m.value[ZM_BIAS_MEDIAN], 0.05, eps, "bias_median");
    // deviations from 0.05: 0.05 0.05 0.05 0.15
    expect_near(m.value[ZM_SIGMA_MAD], 1.4826 * 0.05, eps, "sigma_mad");
    // numpy.percentile([-0.1, 0, 0.1, 0.1], [25, 75]) = [-0.025, 0.1]
    expect_near(m.value[ZM_SIGMA_IQR], 0.125 / 1.349, eps, "sigma_iqr");
    expect_near(m.value[ZM_MAE], 0.7 / 4, eps, "mae");
    // sum of squares 0.04 + 0.16 + 0.01 = 0.21; about the mean 1.25: 4.75
    expect_near(m.value[ZM_R2], 1 - 0.21 / 4.75, eps, "r2");
}

Test(metrics, of_perfect_predictions_are_zero_and_r2_is_one)
{
    const double z[] = {0.1, 0.2, 0.35};
    zm_metrics m;
    cr_assert_eq(zm_metrics_compute(z, z, 3, 1, 100, &m), ZM_OK);
    for (zm_metric i = 0; i < ZM_METRIC_COUNT; i++)
        cr_expect_eq(m.value[i], i == ZM_R2 ? 1.0 : 0.0, "%s: %g", zm_metric_name(i),
                     m.value[i]);
    for (zm_metric i = 0; i < ZM_METRIC_COUNT; i++)
        cr_expect_eq(m.error[i], 0.0, "%s: error %g", zm_metric_name(i), m.error[i]);
}

static void draw_sample(uint64_t seed, uint64_t n, double sigma, double *z_phot,
                        double *z_spec)
{
    zm_rng rng = zm_rng_init(seed, ZM_RNG_TEST, 0, 0);
    for (uint64_t i = 0; i < n; i++) {
        z_spec[i] = 0.05 + 0.3 * zm_rng_double(&rng);
        z_phot[i] = z_spec[i] + sigma * zm_rng_normal(&rng) * (1 + z_spec[i]);
    }
}

// For normal dz of width s and n objects theory gives s / sqrt(n) for the mean,
// 1.2533 s / sqrt(n) for the median and 1.1664 s / sqrt(n) for the scaled MAD. The
// bootstrap itself scatters by 1 / sqrt(2 * 1000) = 2 %, the sample's own width and
// density at the median by a few per cent.
Test(metrics, bootstrap_errors_agree_with_normal_theory)
{
    enum { N = 4000 };
    static double z_phot[N], z_spec[N];
    draw_sample(3, N, 0.02, z_phot, z_spec);
    zm_metrics m;
    cr_assert_eq(zm_metrics_compute(z_phot, z_spec, N, 7, 1000, &m), ZM_OK);
    const double unit = 0.02 / sqrt(N);
    expect_near(m.error[ZM_BIAS_MEAN] / unit, 1.0, 0.1, "error of bias_mean");
    expect_near(m.error[ZM_BIAS_MEDIAN] / unit, 1.2533, 0.25, "error of bias_median");
    expect_near(m.error[ZM_SIGMA_MAD] / unit, 1.1664, 0.25, "error of sigma_mad");
    const double eta = m.value[ZM_ETA_005];
    expect_near(m.error[ZM_ETA_005] / sqrt(eta * (1 - eta) / N), 1.0, 0.1,
                "error of eta_0.05");
    expect_near(m.value[ZM_SIGMA_MAD], 0.02, 5 * 1.1664 * unit, "sigma_mad");
    expect_near(m.value[ZM_SIGMA_IQR], 0.02, 5 * 1.1664 * unit, "sigma_iqr");
}

Test(metrics, depend_on_the_seed_but_not_on_the_order_of_objects)
{
    enum { N = 500 };
    static double z_phot[N], z_spec[N], back_phot[N], back_spec[N];
    draw_sample(5, N, 0.03, z_phot, z_spec);
    for (int i = 0; i < N; i++) {
        back_phot[i] = z_phot[N - 1 - i];
        back_spec[i] = z_spec[N - 1 - i];
    }
    zm_metrics a, b, c;
    cr_assert_eq(zm_metrics_compute(z_phot, z_spec, N, 1, 200, &a), ZM_OK);
    cr_assert_eq(zm_metrics_compute(back_phot, back_spec, N, 1, 200, &b), ZM_OK);
    cr_assert_eq(zm_metrics_compute(z_phot, z_spec, N, 2, 200, &c), ZM_OK);
    cr_expect_arr_eq(a.value, b.value, sizeof a.value);
    cr_expect_arr_eq(a.error, b.error, sizeof a.error);
    cr_expect_neq(a.error[ZM_BIAS_MEAN], c.error[ZM_BIAS_MEAN]);
}

Test(metrics, of_one_object_have_no_error)
{
    const double z_phot = 0.12, z_spec = 0.1;
    zm_metrics m;
    cr_assert_eq(zm_metrics_compute(&z_phot, &z_spec, 1, 1, 100, &m), ZM_OK);
    expect_near(m.value[ZM_MAE], 0.02, DBL_EPSILON, "mae");
    for (zm_metric i = 0; i < ZM_METRIC_COUNT; i++)
        cr_expect(isnan(m.error[i]), "%s: error %g", zm_metric_name(i), m.error[i]);
}

Test(metrics, refuse_what_is_not_a_redshift)
{
    const double good[] = {0.1, 0.2}, nan_row[] = {0.1, NAN}, minus_one[] = {0.1, -1};
    zm_metrics m;
    cr_expect_eq(zm_metrics_compute(good, nan_row, 2, 1, 0, &m), ZM_ERR_FORMAT);
    cr_expect_eq(zm_metrics_compute(nan_row, good, 2, 1, 0, &m), ZM_ERR_FORMAT);
    cr_expect_eq(zm_metrics_compute(good, minus_one, 2, 1, 0, &m), ZM_ERR_FORMAT);
    cr_expect_eq(zm_metrics_compute(good, good, 0, 1, 0, &m), ZM_ERR_USAGE);
    cr_expect_eq(zm_metrics_compute(good, good, 2, 1, 1, &m), ZM_ERR_USAGE);
}
