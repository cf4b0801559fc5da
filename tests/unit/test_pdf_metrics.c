#include <criterion/criterion.h>
#include <float.h>
#include <math.h>

#include "core/rng.h"
#include "core/train/pdf_metrics.h"

static void expect_near(double found, double wanted, double tolerance, const char *what)
{
    cr_expect(fabs(found - wanted) <= tolerance, "%s: wanted %.17g, found %.17g", what,
              wanted, found);
}

// One bin on [0, 1]: F(z) = z, so that every score has a closed form.
Test(pdf_metrics, of_a_uniform_distribution_have_their_closed_form)
{
    const zm_z_grid grid = {1, 0, 1};
    const double p = 1, z[] = {0.25, 0.5, 0.9};
    zm_pdf_score scores[3];
    double crps = 0;
    for (int i = 0; i < 3; i++) {
        scores[i] = zm_pdf_score_of(&grid, &p, z[i]);
        // integral of t^2 to z and of (1 - t)^2 from there
        const double wanted = (pow(z[i], 3) + pow(1 - z[i], 3)) / 3;
        expect_near(scores[i].crps, wanted, 4 * DBL_EPSILON, "crps of one");
        expect_near(scores[i].pit, z[i], DBL_EPSILON, "pit of one");
        crps += wanted / 3;
    }
    zm_pdf_metrics m;
    cr_assert_eq(zm_pdf_metrics_compute(scores, 3, 1, 0, &m), ZM_OK);
    const double eps = 8 * DBL_EPSILON;
    expect_near(m.value[ZM_CRPS], crps, eps, "crps");
    // steps of 1/3 at 0.25, 0.5 and 0.9: furthest from the diagonal just before the first
    expect_near(m.value[ZM_PIT_KS], 0.25, eps, "pit_ks");
    // 1/36 + (1/6 - 0.25)^2 + (0.5 - 0.5)^2 + (5/6 - 0.9)^2
    expect_near(m.value[ZM_PIT_CVM], 1.0 / 36 + 1.0 / 144 + 1.0 / 225, eps, "pit_cvm");
    expect_near(m.value[ZM_CDE_LOSS], 1 - 2, eps, "cde_loss");
    for (zm_pdf_metric i = 0; i < ZM_PDF_METRIC_COUNT; i++)
        cr_expect(isnan(m.error[i]), "%s has an error", zm_pdf_metric_name(i));
}

// Uniform PIT values: pit_cvm has mean 1/6 and standard deviation sqrt((4n - 3) / 180n),
// 0.149; sqrt(n) pit_ks exceeds 1.95 with probability 0.001.
Test(pdf_metrics, of_calibrated_distributions_are_small)
{
    enum { N = 2000 };
    static zm_pdf_score scores[N];
    zm_rng rng = zm_rng_init(11, ZM_RNG_TEST, 0, 0);
    for (int i = 0; i < N; i++)
        scores[i] = (zm_pdf_score){.pit = zm_rng_double(&rng), .crps = i % 2};
    zm_pdf_metrics m;
    cr_assert_eq(zm_pdf_metrics_compute(scores, N, 5, 400, &m), ZM_OK);
    cr_expect_lt(m.value[ZM_PIT_KS], 1.95 / sqrt(N));
    cr_expect_lt(m.value[ZM_PIT_CVM], 1.0 / 6 + 6 * 0.149);
    expect_near(m.value[ZM_CRPS], 0.5, 8 * DBL_EPSILON, "crps");
    // crps is 0 or 1: its mean scatters by 0.5 / sqrt(N), the error itself by 3.5 %
    expect_near(m.error[ZM_CRPS] / (0.5 / sqrt(N)), 1.0, 0.15, "error of crps");
}

Test(pdf_metrics, of_redshifts_beyond_the_grid_are_those_of_its_ends)
{
    const zm_z_grid grid = {4, 0, 0.4};
    const double p[] = {0, 1, 0, 0};
    const zm_pdf_score low = zm_pdf_score_of(&grid, p, -0.5);
    const zm_pdf_score high = zm_pdf_score_of(&grid, p, 0.7);
    cr_expect_eq(low.pit, 0.0);
    cr_expect_eq(high.pit, 1.0);
    cr_expect_eq(low.density, 0.0);
    cr_expect_eq(high.density, 0.0);
    // all mass in [0.1, 0.2]: the distance to 0.15, less width / 6 of the ramp
    expect_near(high.crps, 0.55 - 0.1 / 6, 1e-15, "crps");
}

Test(pdf_metrics, refuse_what_is_no_score)
{
    zm_pdf_score scores[] = {{.pit = 0.5}, {.pit = NAN}};
    zm_pdf_metrics m;
    cr_expect_eq(zm_pdf_metrics_compute(scores, 2, 1, 0, &m), ZM_ERR_FORMAT);
    cr_expect_eq(zm_pdf_metrics_compute(scores, 1, 1, 1, &m), ZM_ERR_USAGE);
    cr_expect_eq(zm_pdf_metrics_compute(scores, 0, 1, 0, &m), ZM_ERR_USAGE);
}
