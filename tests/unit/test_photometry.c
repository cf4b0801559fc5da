#include <criterion/criterion.h>
#include <float.h>
#include <math.h>

#include "core/data/dataset.h"
#include "core/data/photometry.h"

// SDSS gives the magnitude of zero flux to two decimals.
Test(photometry, zero_flux_has_the_sdss_magnitudes)
{
    static const double expected[ZM_BANDS] = {24.63, 25.11, 24.80, 24.36, 22.83};
    for (int band = 0; band < ZM_BANDS; band++)
        cr_expect(fabs(zm_asinh_mag(0.0, band) - expected[band]) < 0.0051, "band %d: %g",
                  band, zm_asinh_mag(0.0, band));
}

// m - m_pogson = -1.0857 (b / (f / f0))^2, so 1e-5 mag at 100 nanomaggies at most.
Test(photometry, bright_fluxes_have_pogson_magnitudes)
{
    for (int band = 0; band < ZM_BANDS; band++)
        for (double flux = 1e3; flux < 1e9; flux *= 7)
            cr_expect(fabs(zm_asinh_mag(flux, band) - (22.5 - 2.5 * log10(flux))) < 1e-5);
}

Test(photometry, flux_is_the_inverse_of_magnitude_also_for_negative_flux)
{
    for (int band = 0; band < ZM_BANDS; band++)
        for (double flux = -50; flux < 50; flux += 0.37)
            cr_expect(fabs(zm_asinh_flux(zm_asinh_mag(flux, band), band) - flux) < 1e-9);
    cr_expect(isfinite(zm_asinh_mag(-1e6, 0)));
}

Test(photometry, the_aperture_has_three_arcsec_radius)
{
    const double radius = 3.0 / ZM_PIXEL_ARCSEC;
    for (uint32_t size = 31; size <= 64; size += 33) {
        double area = 0;
        for (uint32_t y = 0; y < size; y++)
            for (uint32_t x = 0; x < size; x++)
                area += zm_aperture_weight(size, size, y, x);
        // the boundary crosses 2 pi r sub-pixel rows of area 1/25 pixel
        cr_expect(fabs(area - 3.141592653589793 * radius * radius) < 1.0, "%g", area);
        cr_expect_eq(zm_aperture_weight(size, size, (size - 1) / 2, (size - 1) / 2), 1.0);
        cr_expect_eq(zm_aperture_weight(size, size, 0, 0), 0.0);
    }
}

Test(photometry, the_aperture_is_symmetric)
{
    for (uint32_t y = 0; y < 64; y++) {
        for (uint32_t x = 0; x < 64; x++) {
            const double w = zm_aperture_weight(64, 64, y, x);
            cr_expect_eq(w, zm_aperture_weight(64, 64, 63 - y, x));
            cr_expect_eq(w, zm_aperture_weight(64, 64, x, y));
        }
    }
}

Test(photometry, reddening_is_removed_by_the_coefficients)
{
    static float image[ZM_BANDS * 64 * 64];
    float plain[ZM_BANDS], dereddened[ZM_BANDS];
    uint32_t flags = 0;
    for (size_t i = 0; i < ZM_COUNT_OF(image); i++)
        image[i] = 1.0f;
    zm_aperture_mags(image, 64, 64, NAN, plain, &flags);
    cr_expect_eq(flags, ZM_FLAG_NOT_DEREDDENED);
    flags = 0;
    zm_aperture_mags(image, 64, 64, 0.1f, dereddened, &flags);
    cr_expect_eq(flags, 0);
    for (int band = 0; band < ZM_BANDS; band++)
        cr_expect(fabs((double)(plain[band] - dereddened[band]) -
                       0.1 * zm_extinction_per_ebv[band]) < 32 * (double)FLT_EPSILON);
}

Test(photometry, undefined_pixels_and_negative_fluxes_are_flagged)
{
    static float image[ZM_BANDS * 16 * 16];
    float mags[ZM_BANDS];
    uint32_t flags = 0;
    image[8 * 16 + 8] = -5.0f;
    image[4 * 256 + 8 * 16 + 8] = NAN;
    zm_aperture_mags(image, 16, 16, 0.0f, mags, &flags);
    cr_expect_eq(flags, ZM_FLAG_MASKED | ZM_FLAG_CENTRE_MASKED | ZM_FLAG_FAINT);
    for (int band = 0; band < ZM_BANDS; band++)
        cr_expect(isfinite(mags[band]));
}
