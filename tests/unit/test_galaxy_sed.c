#include "core/sky/galaxy_sed.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#define G_BAND 1
#define R_BAND 2

static zm_sed_table *make_table(void)
{
    zm_sed_table *table = zm_calloc(1, sizeof *table);
    cr_assert(table != NULL);
    zm_sed_table_fill(table);
    return table;
}

static double colour(const zm_sed_table *t, zm_sed_kind kind, double z, int band)
{
    return -2.5 *
           log10(zm_sed_flux(t, kind, z, band) / zm_sed_flux(t, kind, z, band + 1));
}

// Photon-counting AB flux in nanomaggies by Simpson's rule with 1 Angstrom steps in the
// rest frame: independent in variable, rule and step of what is tested.
static double integrate_band(zm_sed_kind kind, double z, int band)
{
    const double from = 2900.0 / (1.0 + z), to = 11400.0 / (1.0 + z);
    const int steps = 2 * (int)((to - from) / 2.0);
    const double h = (to - from) / steps;
    double source = 0.0, reference = 0.0;
    for (int i = 0; i <= steps; i++) {
        const double weight = i == 0 || i == steps ? 1.0 : i % 2 ? 4.0 : 2.0;
        const double rest = from + h * i, seen = rest * (1.0 + z);
        const double response = zm_filter_response(band, seen);
        source += weight * 1e-17 * zm_sed_continuum(kind, rest) * rest * response;
        reference += weight * 3.631e-20 * 2.99792458e18 / seen * (1.0 + z) * response;
    }
    return 1e9 * source * (1.0 + z) / reference;
}

Test(galaxy_sed, table_agrees_with_an_independent_integral)
{
    zm_sed_table *table = make_table();
    for (int kind = ZM_SED_OLD; kind <= ZM_SED_YOUNG; kind++)
        for (int b = 0; b < ZM_BANDS; b++)
            for (double z = 0.0; z < 0.5; z += 0.0311) {
                const double expected = integrate_band((zm_sed_kind)kind, z, b);
                const double found = zm_sed_flux(table, (zm_sed_kind)kind, z, b);
                // Linear interpolation over 0.0025 in z and 5 Angstrom steps.
                cr_expect_float_eq(found / expected, 1.0, 0.004,
                                   "kind %d band %d z %g: %g, expected %g", kind, b, z,
                                   found, expected);
            }
    free(table);
}

Test(galaxy_sed, break_moves_through_g_into_r)
{
    zm_sed_table *table = make_table();
    // g-r of quiescent galaxies rises by half a magnitude from z = 0.05 to 0.25 and
    // saturates when the break is between the bands, at 5300 / 4000 - 1.
    for (double z = 0.05; z < 0.34; z += 0.02)
        cr_expect_gt(colour(table, ZM_SED_OLD, z + 0.02, G_BAND),
                     colour(table, ZM_SED_OLD, z, G_BAND));
    cr_expect_gt(colour(table, ZM_SED_OLD, 0.25, G_BAND) -
                     colour(table, ZM_SED_OLD, 0.05, G_BAND),
                 0.5);
    cr_expect_lt(colour(table, ZM_SED_OLD, 0.45, G_BAND) -
                     colour(table, ZM_SED_OLD, 0.35, G_BAND),
                 0.25);
    // SDSS red sequence: 0.97 at z = 0.1, 1.3 at z = 0.2 (upper quartiles of kcorrect's
    // main-sample table).
    cr_expect_float_eq(colour(table, ZM_SED_OLD, 0.1, G_BAND), 0.97, 0.06);
    cr_expect_float_eq(colour(table, ZM_SED_OLD, 0.2, G_BAND), 1.30, 0.06);
    free(table);
}

Test(galaxy_sed, younger_is_bluer)
{
    zm_sed_table *table = make_table();
    for (double z = 0.0; z < 0.4; z += 0.05)
        for (int b = 0; b < 2; b++)
            cr_expect_gt(colour(table, ZM_SED_OLD, z, b),
                         colour(table, ZM_SED_YOUNG, z, b) + 0.3);
    free(table);
}

Test(galaxy_sed, oxygen_lines_move_from_g_to_r)
{
    zm_sed_table *table = make_table();
    const double near = zm_sed_flux(table, ZM_SED_LINES_POOR, 0.02, G_BAND) /
                        zm_sed_flux(table, ZM_SED_LINES_RICH, 0.02, G_BAND);
    cr_expect_gt(near, 1.5, "metal-poor nebulae have stronger [OIII]: %g", near);
    // [OIII] 5007 is at 5207 for z = 0.04, at 6509 for z = 0.3,
    // where [OII] and Hgamma stay in g.
    cr_expect_gt(zm_sed_flux(table, ZM_SED_LINES_POOR, 0.04, G_BAND),
                 2.0 * zm_sed_flux(table, ZM_SED_LINES_POOR, 0.3, G_BAND));
    free(table);
}

Test(galaxy_sed, response_is_zero_outside_the_band)
{
    for (int b = 0; b < ZM_BANDS; b++) {
        cr_expect_eq(zm_filter_response(b, 2000.0), 0.0);
        cr_expect_eq(zm_filter_response(b, 12000.0), 0.0);
        cr_expect_eq(zm_filter_response(b, (double)NAN), 0.0);
        cr_expect_gt(zm_filter_response(b, zm_filter_wavelength_a[b]), 0.05);
    }
}

Test(galaxy_sed, dust_dims_blue_more)
{
    cr_expect_float_eq(zm_sed_dust(1.0, 5500.0), pow(10.0, -0.4), 1e-12);
    cr_expect_lt(zm_sed_dust(1.0, 3500.0), zm_sed_dust(1.0, 7500.0));
    cr_expect_eq(zm_sed_dust(0.0, 4000.0), 1.0);
}
