#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/rng.h"
#include "core/train/pdf.h"

enum { BINS = 8 };
static const zm_z_grid grid = {BINS, 0.0, 0.4};

// Sixteenths, with an empty bin inside and two at the end: sums of them are exact.
static const double steps[BINS] = {1 / 16.0, 3 / 16.0, 0,   6 / 16.0,
                                   4 / 16.0, 2 / 16.0, 0.0, 0.0};

static void expect_near(double found, double wanted, double tolerance, const char *what)
{
    cr_expect(fabs(found - wanted) <= tolerance, "%s: wanted %.17g, found %.17g", what,
              wanted, found);
}

Test(pdf, softmax_is_that_of_scipy_and_does_not_mind_large_logits)
{
    static const double wanted[] = {0.2301249220480143, 0.0693122945376086,
                                    0.18841035073038262, 0.5121524326839945};
    const float x[] = {1.0f, -2.0f, 0.5f, 3.0f};
    float large[4];
    double p[4];
    zm_pdf_softmax(x, 4, 2.5, p);
    for (int k = 0; k < 4; k++)
        expect_near(p[k], wanted[k], 4 * DBL_EPSILON, "softmax(x / 2.5)");
    for (int k = 0; k < 4; k++)
        large[k] = x[k] + 65536.0f;
    zm_pdf_softmax(large, 4, 2.5, p);
    for (int k = 0; k < 4; k++)
        expect_near(p[k], wanted[k], 4 * DBL_EPSILON, "shifted by 2^16");
}

// Wanted values: scipy.stats.norm.cdf differences, tails added to the outer bins.
Test(pdf, normal_law_puts_its_tails_into_the_outer_bins)
{
    static const double wanted[] = {0.03593031911292581,   0.12272493481853126,
                                    0.2620850366294398,    0.30500659168902955,
                                    0.19349645851630248,   0.06685321172027248,
                                    0.012553549481868487,  0.0012775499877050178,
                                    7.023558922258921e-05, 2.1124547024704107e-06};
    const zm_z_grid ten = {10, 0.0, 0.4};
    double p[10];
    zm_pdf_normal(&ten, 0.13, 0.05, p);
    for (int k = 0; k < 10; k++)
        expect_near(p[k], wanted[k], 1e-12 * wanted[k] + DBL_EPSILON, "mass of a bin");
    zm_pdf_normal(&ten, 0.05, 0.03, p); // far tails keep their relative accuracy
    expect_near(p[8], 1.128585915986693e-19, 1e-12 * p[8], "8.9 sigma out");
    expect_near(p[9], 2.489967123215127e-25, 1e-12 * p[9], "10 sigma out");
}

Test(pdf, normal_law_of_no_width_is_one_bin)
{
    double p[BINS];
    zm_pdf_normal(&grid, 0.12, 0.0, p);
    for (int k = 0; k < BINS; k++)
        cr_expect_eq(p[k], k == 2 ? 1.0 : 0.0, "bin %d", k);
    zm_pdf_normal(&grid, -3.0, 1e-3, p);
    cr_expect_eq(p[0], 1.0, "all of it lies below the grid");
}

Test(pdf, moments_and_mode_have_closed_form_values)
{
    expect_near(zm_pdf_mean(&grid, steps), 0.171875, 4 * DBL_EPSILON, "mean");
    expect_near(zm_pdf_sd(&grid, steps), 0.07317661995701451, 4 * DBL_EPSILON, "sd");
    expect_near(zm_pdf_mode(&grid, steps), 0.175, DBL_EPSILON, "mode");
    // sum p^2 / w = (1 + 9 + 36 + 16 + 4) / 256 / 0.05
    expect_near(zm_pdf_square_integral(&grid, steps), 66 / 12.8, 8 * DBL_EPSILON, "p^2");
}

Test(pdf, quantiles_invert_the_cumulative_distribution)
{
    expect_near(zm_pdf_quantile(&grid, steps, 0.0), 0.0, 0, "q = 0");
    expect_near(zm_pdf_quantile(&grid, steps, 0.25), 0.1, DBL_EPSILON, "start of a gap");
    expect_near(zm_pdf_quantile(&grid, steps, 0.5), 0.15 + 0.05 * 4 / 6, DBL_EPSILON,
                "median");
    expect_near(zm_pdf_quantile(&grid, steps, 1.0), 0.3, DBL_EPSILON, "q = 1");
    for (double q = 0.01; q < 1.0; q += 0.01)
        expect_near(zm_pdf_cdf(&grid, steps, zm_pdf_quantile(&grid, steps, q)), q,
                    16 * DBL_EPSILON, "F(F^-1(q))");
}

Test(pdf, cdf_and_density_are_zero_and_one_outside)
{
    cr_expect_eq(zm_pdf_cdf(&grid, steps, -1.0), 0.0);
    cr_expect_eq(zm_pdf_cdf(&grid, steps, 7.0), 1.0);
    cr_expect_eq(zm_pdf_density(&grid, steps, -1e-9), 0.0);
    cr_expect_eq(zm_pdf_density(&grid, steps, 0.41), 0.0);
    expect_near(zm_pdf_density(&grid, steps, 0.17), 7.5, 16 * DBL_EPSILON, "p / w");
    expect_near(zm_pdf_cdf(&grid, steps, 0.06), 1.6 / 16, 4 * DBL_EPSILON, "F(0.06)");
}

// Wanted values: scipy.integrate.quad over the pieces between edges and z_spec.
Test(pdf, crps_is_the_integral_also_for_redshifts_off_the_grid)
{
    static const double cases[][2] = {{0.17, 0.017609375},
                                      {0.10, 0.049609375},
                                      {0.13, 0.034609375},
                                      {-0.05, 0.180859375},
                                      {0.50, 0.287109375}};
    for (size_t i = 0; i < ZM_COUNT_OF(cases); i++)
        expect_near(zm_pdf_crps(&grid, steps, cases[i][0]), cases[i][1], 1e-15, "crps");
}

Test(pdf, crps_of_a_normal_law_approaches_gneitings_formula)
{
    enum { FINE = 4000 };
    static double p[FINE];
    const zm_z_grid fine = {FINE, 0.0, 0.4};
    const double mean = 0.2, sd = 0.02, z = 0.23, x = (z - mean) / sd;
    const double density = exp(-0.5 * x * x) / sqrt(2.0 * acos(-1.0));
    const double below = 0.5 * erfc(-x / sqrt(2.0));
    const double wanted =
        sd * (x * (2.0 * below - 1.0) + 2.0 * density - 1.0 / sqrt(acos(-1.0)));
    zm_pdf_normal(&fine, mean, sd, p);
    // linear pieces miss F by at most w^2 max|F''| / 8 = w^2 * 0.242 / sd^2 / 8, and the
    // integrand by twice that over the 0.4 of the grid
    const double w = 0.4 / FINE;
    expect_near(zm_pdf_crps(&fine, p, z), wanted, 0.8 * 0.242 * w * w / (8 * sd * sd),
                "crps of N(0.2, 0.02)");
}

Test(pdf, regridding_keeps_the_distribution_where_edges_agree)
{
    const zm_z_grid finer = {16, 0.0, 0.4}, wider = {12, -0.1, 0.5}, part = {2, 0.1, 0.2};
    double a[16], b[12], c[2], back[BINS];
    zm_pdf_regrid(&grid, steps, &finer, a);
    for (int k = 0; k < 16; k++)
        expect_near(a[k], steps[k / 2] / 2, 4 * DBL_EPSILON, "half a bin");
    zm_pdf_regrid(&grid, steps, &wider, b);
    for (int k = 0; k < 12; k++)
        expect_near(b[k], k < 2 || k > 9 ? 0.0 : steps[k - 2], 4 * DBL_EPSILON, "wider");
    zm_pdf_regrid(&grid, steps, &part, c);
    expect_near(c[0], 4 / 16.0, 4 * DBL_EPSILON, "what lies below goes to the first");
    expect_near(c[1], 12 / 16.0, 4 * DBL_EPSILON, "what lies above goes to the last");
    zm_pdf_regrid(&finer, a, &grid, back);
    for (int k = 0; k < BINS; k++)
        expect_near(back[k], steps[k], 4 * DBL_EPSILON, "and back");
}

Test(pdf, normalise_refuses_what_is_no_distribution)
{
    double sound[] = {1, 0, 3}, negative[] = {2, -1, 3}, empty[] = {0, 0, 0};
    double nan[] = {1, NAN, 1}, inf[] = {1, INFINITY, 1};
    cr_expect(zm_pdf_normalise(3, sound));
    cr_expect(sound[0] == 0.25 && sound[1] == 0.0 && sound[2] == 0.75);
    cr_expect_not(zm_pdf_normalise(3, negative));
    cr_expect_eq(negative[0], 2.0, "unchanged");
    cr_expect_not(zm_pdf_normalise(3, empty));
    cr_expect_not(zm_pdf_normalise(3, nan));
    cr_expect_not(zm_pdf_normalise(3, inf));
}

Test(pdf, a_nan_gives_nan_everywhere)
{
    float logits[BINS] = {0, 1, NAN};
    double p[BINS], normal[BINS];
    zm_pdf_softmax(logits, BINS, 1.0, p);
    zm_pdf_normal(&grid, 0.1, NAN, normal);
    const double *const both[] = {p, normal};
    for (int i = 0; i < 2; i++) {
        const zm_pdf_summary s = zm_pdf_summarise(&grid, both[i]);
        cr_expect(isnan(s.mean) && isnan(s.median) && isnan(s.mode) && isnan(s.sd));
        cr_expect(isnan(s.quantile[0]) && isnan(s.quantile[4]));
        cr_expect(isnan(zm_pdf_cdf(&grid, both[i], 0.2)));
        cr_expect(isnan(zm_pdf_density(&grid, both[i], 0.2)));
        cr_expect(isnan(zm_pdf_crps(&grid, both[i], 0.2)));
        cr_expect(isnan(zm_pdf_square_integral(&grid, both[i])));
    }
}

Test(pdf, ks_distance_is_that_of_scipy)
{
    double u[] = {0.95, 0.15, 0.2, 0.5, 0.1}, ends[] = {0, 1, 0, 1}, nan[] = {0.5, NAN};
    expect_near(zm_pit_ks(u, 5), 0.4, DBL_EPSILON, "scipy.stats.kstest");
    expect_near(zm_pit_ks(ends, 4), 0.5, 0, "half at either end");
    cr_expect(isnan(zm_pit_ks(nan, 2)));
    cr_expect(isnan(zm_pit_ks(u, 0)));
}

// Redshifts drawn from the distributions themselves must have uniform PITs.
Test(pdf, pit_of_redshifts_from_the_distribution_is_uniform)
{
    enum { COUNT = 20000 };
    static double u[COUNT];
    zm_rng rng = zm_rng_init(1, ZM_RNG_TEST, 0, 0);
    for (int i = 0; i < COUNT; i++) {
        double p[BINS];
        zm_pdf_normal(&grid, 0.1 + 0.2 * zm_rng_double(&rng), 0.04, p);
        u[i] = zm_pdf_cdf(&grid, p, zm_pdf_quantile(&grid, p, zm_rng_double(&rng)));
    }
    // P(KS sqrt(n) > 1.95) = 0.001; the draw is fixed, so this cannot flicker
    cr_expect_lt(zm_pit_ks(u, COUNT), 1.95 / sqrt(COUNT));
}
