#include "core/sky/galaxy_profile.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "core/sky/sky_model.h"

#define SIDE 401 // pixels; the middle is pixel 200

static zm_canvas make_canvas(uint32_t side)
{
    zm_canvas canvas = {zm_calloc((uint64_t)side * side, sizeof(float)), side, side};
    cr_assert(canvas.pixels != NULL);
    return canvas;
}

typedef struct moments {
    double flux, x, y, xx, xy, yy;
} moments;

static moments measure(const zm_canvas *canvas)
{
    moments m = {0};
    for (int pass = 0; pass < 2; pass++) {
        const double cx = m.x, cy = m.y;
        m = (moments){.x = 0};
        for (uint32_t y = 0; y < canvas->height; y++)
            for (uint32_t x = 0; x < canvas->width; x++) {
                const double f = (double)canvas->pixels[(size_t)y * canvas->width + x];
                m.flux += f;
                m.x += f * x;
                m.y += f * y;
                m.xx += f * (x - cx) * (x - cx);
                m.xy += f * (x - cx) * (y - cy);
                m.yy += f * (y - cy) * (y - cy);
            }
        m.x /= m.flux;
        m.y /= m.flux;
        m.xx /= m.flux;
        m.xy /= m.flux;
        m.yy /= m.flux;
    }
    return m;
}

static double flux_inside(const zm_canvas *canvas, double radius)
{
    double sum = 0.0;
    for (uint32_t y = 0; y < canvas->height; y++)
        for (uint32_t x = 0; x < canvas->width; x++)
            if (hypot(x - 200.0, y - 200.0) <= radius)
                sum += (double)canvas->pixels[(size_t)y * canvas->width + x];
    return sum;
}

static zm_profile round_profile(zm_profile_kind kind, double r50_px)
{
    return (zm_profile){kind, 200.0, 200.0, r50_px, 1.0, 0.0};
}

Test(galaxy_profile, conserves_the_flux_of_every_kind)
{
    const zm_profile_kind kinds[] = {ZM_PROFILE_POINT, ZM_PROFILE_GAUSSIAN,
                                     ZM_PROFILE_EXP, ZM_PROFILE_DEV};
    for (size_t i = 0; i < ZM_COUNT_OF(kinds); i++) {
        zm_canvas canvas = make_canvas(SIDE);
        zm_profile p = {kinds[i], 200.3, 199.8, 6.0, 0.4, 0.7};
        zm_profile_add(&p, 50.0, &canvas);
        // Cutting at 4.5 sigma loses 4e-5 of each Gaussian.
        cr_expect_float_eq(measure(&canvas).flux, 50.0, 50.0 * 1e-4, "kind %zu: %g", i,
                           measure(&canvas).flux);
        free(canvas.pixels);
    }
}

Test(galaxy_profile, has_half_of_the_light_inside_r50)
{
    for (int kind = ZM_PROFILE_GAUSSIAN; kind <= ZM_PROFILE_DEV; kind++) {
        zm_canvas canvas = make_canvas(SIDE);
        const zm_profile p = round_profile((zm_profile_kind)kind, 20.0);
        zm_profile_add(&p, 1.0, &canvas);
        // The smoothing and the pixels at the edge of the circle: 1 % of the light.
        cr_expect_float_eq(flux_inside(&canvas, 20.0), 0.5, 0.01, "kind %d: %g", kind,
                           flux_inside(&canvas, 20.0));
        free(canvas.pixels);
    }
}

Test(galaxy_profile, follows_the_growth_curve_of_an_exponential)
{
    zm_canvas canvas = make_canvas(SIDE);
    const zm_profile p = round_profile(ZM_PROFILE_EXP, 20.0);
    zm_profile_add(&p, 1.0, &canvas);
    for (double radius = 10.5; radius < 80.0; radius *= 1.5) {
        const double u = 1.6783469900166605 * radius / 20.0;
        cr_expect_float_eq(flux_inside(&canvas, radius), 1.0 - (1.0 + u) * exp(-u), 0.01);
    }
    free(canvas.pixels);
}

Test(galaxy_profile, recovers_centre_axis_ratio_and_angle_by_moments)
{
    for (int i = 0; i < 8; i++) {
        const double angle = 0.1 + 0.37 * i, ratio = 0.3 + 0.08 * i;
        zm_canvas canvas = make_canvas(SIDE);
        const zm_profile p = {ZM_PROFILE_EXP, 199.6, 200.4, 12.0, ratio, angle};
        zm_profile_add(&p, 1.0, &canvas);
        moments m = measure(&canvas);
        // The smoothing adds its variance to both axes.
        m.xx -= ZM_PROFILE_SMOOTH_PX * ZM_PROFILE_SMOOTH_PX;
        m.yy -= ZM_PROFILE_SMOOTH_PX * ZM_PROFILE_SMOOTH_PX;
        const double mean = 0.5 * (m.xx + m.yy);
        const double part = hypot(0.5 * (m.xx - m.yy), m.xy);
        cr_expect_float_eq(m.x, 199.6, 1e-3);
        cr_expect_float_eq(m.y, 200.4, 1e-3);
        cr_expect_float_eq(sqrt((mean - part) / (mean + part)), ratio, 2e-3);
        const double found = 0.5 * atan2(2.0 * m.xy, m.xx - m.yy);
        cr_expect_float_eq(sin(2.0 * (found - angle)), 0.0, 2e-3, "angle %g: %g", angle,
                           found);
        free(canvas.pixels);
    }
}

Test(galaxy_profile, stays_inside_small_canvases)
{
    const double places[] = {-1e6, -30.0, -0.5, 3.0, 8.5, 40.0, 1e6};
    zm_canvas canvas = make_canvas(9);
    for (size_t i = 0; i < ZM_COUNT_OF(places); i++)
        for (size_t j = 0; j < ZM_COUNT_OF(places); j++) {
            const zm_profile p = {ZM_PROFILE_DEV, places[i], places[j], 5.0, 0.2, 1.0};
            zm_profile_add(&p, 1.0, &canvas);
        }
    for (size_t i = 0; i < 81; i++)
        cr_expect(isfinite(canvas.pixels[i]));
    free(canvas.pixels);
}

static zm_sky draw_sky(uint32_t object)
{
    zm_rng rng = zm_rng_init(5, ZM_RNG_TEST, object, 0);
    return zm_sky_draw(&rng);
}

Test(sky_model, psf_conserves_flux_and_shifts_the_centre)
{
    enum { size = 83 };
    zm_canvas canvas = make_canvas(size + 2 * ZM_PSF_REACH_PX);
    float *scratch = zm_calloc((uint64_t)canvas.height * size, sizeof(float));
    float *out = zm_calloc(size * size, sizeof(float));
    const double middle = (canvas.width - 1) / 2.0;
    const zm_profile star = {ZM_PROFILE_POINT, middle, middle, 0.0, 1.0, 0.0};
    zm_profile_add(&star, 10.0, &canvas);
    for (int b = 0; b < ZM_BANDS; b++) {
        zm_sky sky = draw_sky(1);
        sky.psf[b].shift_x_px = 0.2;
        sky.psf[b].shift_y_px = -0.1;
        zm_psf_convolve(&sky.psf[b], &canvas, size, scratch, out);
        const zm_canvas image = {out, size, size};
        const moments m = measure(&image);
        cr_expect_float_eq(m.flux, 10.0, 10.0 * 2e-4, "band %d: %g", b, m.flux);
        cr_expect_float_eq(m.x, 41.2, 0.03, "band %d: %g", b, m.x);
        cr_expect_float_eq(m.y, 40.9, 0.03, "band %d: %g", b, m.y);
    }
    free(out);
    free(scratch);
    free(canvas.pixels);
}

Test(sky_model, noise_has_the_rms_and_correlation_asked_for)
{
    enum { size = 256 };
    float *scratch = zm_calloc((size + 2) * (size + 2) * 2, sizeof(float));
    float *image = zm_calloc(size * size, sizeof(float));
    zm_sky sky = draw_sky(2);
    sky.correlation = 0.2;
    for (int b = 0; b < ZM_BANDS; b++) {
        sky.noise_nmgy[b] = zm_sky_noise_nmgy[b];
        sky.residual_nmgy[b] = 0.0;
        for (size_t i = 0; i < size * size; i++)
            image[i] = 0.0f;
        zm_rng rng = zm_rng_init(3, ZM_RNG_TEST, (uint32_t)b, 0);
        const zm_canvas canvas = {image, size, size};
        zm_sky_add_noise(&sky, b, &rng, scratch, &canvas);
        double square = 0.0, product = 0.0;
        for (size_t y = 0; y < size; y++)
            for (size_t x = 0; x + 1 < size; x++) {
                const double v = (double)image[y * size + x];
                square += v * v;
                product += v * (double)image[y * size + x + 1];
            }
        const double rms = sqrt(square / (size * (size - 1)));
        // 65,000 values: 0.3 % statistical error of the rms, 0.004 of the correlation.
        cr_expect_float_eq(rms / zm_sky_noise_nmgy[b], 1.0, 0.02, "band %d: %g", b, rms);
        cr_expect_float_eq(product / square, 0.2, 0.02, "band %d: %g", b,
                           product / square);
    }
    free(image);
    free(scratch);
}
