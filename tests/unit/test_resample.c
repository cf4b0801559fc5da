#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "core/survey/resample.h"

enum { SIDE = 96, SIZE = 48, NODES = 4 };

// Output pixel (column, row) lies at x0 + column * ax + row * bx in the input, alike for
// y.
static zm_warp affine(double nodes[2 * NODES * NODES], double x0, double ax, double bx,
                      double y0, double ay, double by)
{
    cr_assert_eq(zm_warp_nodes(SIZE), NODES);
    for (int i = 0; i < NODES; i++) {
        for (int j = 0; j < NODES; j++) {
            const double column = j * 16.0, row = i * 16.0;
            nodes[2 * (i * NODES + j)] = x0 + ax * column + bx * row;
            nodes[2 * (i * NODES + j) + 1] = y0 + ay * column + by * row;
        }
    }
    return (zm_warp){.size = SIZE, .nodes = NODES, .pixel = nodes};
}

static double gaussian(double dx, double dy, double fwhm)
{
    return exp(-4.0 * 0.6931471805599453 * (dx * dx + dy * dy) / (fwhm * fwhm));
}

static float *make_star(double x, double y, double fwhm)
{
    float *image = malloc(sizeof *image * SIDE * SIDE);
    cr_assert(image);
    for (int row = 0; row < SIDE; row++)
        for (int column = 0; column < SIDE; column++)
            image[row * SIDE + column] = (float)gaussian(column - x, row - y, fwhm);
    return image;
}

static zm_lanczos *make_kernel(void)
{
    zm_lanczos *l = NULL;
    cr_assert_eq(zm_lanczos_create(&l), ZM_OK);
    return l;
}

static double sum_of(const float *image, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++)
        sum += (double)image[i];
    return sum;
}

// The figures of resample.h.
Test(resample, a_shifted_star_is_the_star)
{
    static const struct {
        double fwhm, limit;
    } cases[] = {{2.6, 0.0115}, {3.0, 0.0085}, {3.5, 0.0085}};
    static float out[SIZE * SIZE];
    double nodes[2 * NODES * NODES];
    zm_lanczos *kernel = make_kernel();
    for (size_t i = 0; i < ZM_COUNT_OF(cases); i++) {
        float *star = make_star(47.2, 48.9, cases[i].fwhm);
        double worst = 0.0;
        for (int shift = 0; shift < 16; shift++) {
            const double x0 = 24.0 + shift / 16.0, y0 = 24.0 + shift * 7 % 16 / 16.0;
            const zm_warp warp = affine(nodes, x0, 1, 0, y0, 0, 1);
            cr_assert_eq(zm_lanczos_resample(kernel, star, SIDE, SIDE, &warp, 1.0f, out),
                         SIZE * SIZE);
            for (int row = 0; row < SIZE; row++)
                for (int column = 0; column < SIZE; column++)
                    worst = fmax(worst, fabs((double)out[row * SIZE + column] -
                                             gaussian(column + x0 - 47.2, row + y0 - 48.9,
                                                      cases[i].fwhm)));
        }
        cr_expect_lt(worst, cases[i].limit, "FWHM %g: %g", cases[i].fwhm, worst);
        free(star);
    }
    zm_lanczos_destroy(&kernel);
}

// Turned by 37 degrees onto pixels 3 % smaller. What is lost is what the kernel does not
// pass at the sampling frequency: nothing, for stars wider than two pixels.
Test(resample, turning_and_scaling_keep_the_flux)
{
    static float out[SIZE * SIZE];
    double nodes[2 * NODES * NODES];
    const double c = 0.97 * cos(0.6458), s = 0.97 * sin(0.6458);
    zm_lanczos *kernel = make_kernel();
    float *star = make_star(47.3, 48.6, 3.0);
    const zm_warp warp =
        affine(nodes, 47.3 - 24 * (c - s), c, -s, 48.6 - 24 * (s + c), s, c);
    const double area = zm_warp_area(&warp);
    cr_expect_float_eq(area, 0.97 * 0.97, 1e-12);
    zm_lanczos_resample(kernel, star, SIDE, SIDE, &warp, (float)area, out);
    const double before = sum_of(star, SIDE * SIDE), after = sum_of(out, SIZE * SIZE);
    cr_expect_float_eq(after / before, 1.0, 1e-3, "%g", after / before);
    free(star);
    zm_lanczos_destroy(&kernel);
}

Test(resample, a_flat_sky_stays_flat)
{
    static float in[SIDE * SIDE], out[SIZE * SIZE];
    double nodes[2 * NODES * NODES];
    zm_lanczos *kernel = make_kernel();
    for (int i = 0; i < SIDE * SIDE; i++)
        in[i] = 7.0f;
    const zm_warp warp = affine(nodes, 20.123, 0.8, 0.31, 11.77, -0.17, 0.9);
    zm_lanczos_resample(kernel, in, SIDE, SIDE, &warp, 1.0f, out);
    for (int i = 0; i < SIZE * SIZE; i++) // 36 products and sums of numbers below 16
        cr_assert_float_eq(out[i], 7.0f, 36 * 16 * FLT_EPSILON / 2, "%d: %g", i,
                           (double)out[i]);
    zm_lanczos_destroy(&kernel);
}

// Six taps want two pixels before and three behind.
Test(resample, pixels_off_the_input_are_nan_and_counted)
{
    static float in[SIDE * SIDE], out[SIZE * SIZE];
    double nodes[2 * NODES * NODES];
    zm_lanczos *kernel = make_kernel();
    const zm_warp warp = affine(nodes, -10.5, 1, 0, SIDE - 20.5, 0, 1);
    // columns -10.5 + i >= 2: i from 13; rows 75.5 + i < 93: i to 17
    const uint32_t expected = (SIZE - 13) * 18;
    cr_expect_eq(zm_lanczos_resample(kernel, in, SIDE, SIDE, &warp, 1.0f, out), expected);
    for (int row = 0; row < SIZE; row++)
        for (int column = 0; column < SIZE; column++)
            cr_assert_eq(isnan(out[row * SIZE + column]) != 0, column < 13 || row > 17,
                         "row %d column %d", row, column);
    const zm_warp nowhere = affine(nodes, (double)NAN, 1, 0, 0, 0, 1);
    cr_expect_eq(zm_lanczos_resample(kernel, in, SIDE, SIDE, &nowhere, 1.0f, out), 0);
    zm_lanczos_destroy(&kernel);
}

// The right and the lower edge, where the wide reading of memory would leave the image:
// an image of its own allocation, so that sanitizers see it.
Test(resample, the_last_pixels_are_read_and_no_more)
{
    static float out[SIZE * SIZE];
    double nodes[2 * NODES * NODES];
    zm_lanczos *kernel = make_kernel();
    float *in = malloc(sizeof *in * SIDE * SIDE);
    cr_assert(in);
    for (int i = 0; i < SIDE * SIDE; i++)
        in[i] = i % SIDE == SIDE - 1 || i / SIDE == SIDE - 1 ? 2.0f : 1.0f;
    const zm_warp warp = affine(nodes, SIDE - 40.5, 1, 0, SIDE - 40.5, 0, 1);
    cr_expect_eq(zm_lanczos_resample(kernel, in, SIDE, SIDE, &warp, 1.0f, out), 38 * 38);
    // one tap of the outermost weight at half a pixel, along one axis
    const double x = 2.5 * 3.14159265358979323846;
    const double tap = 3.0 * sin(x) * sin(x / 3.0) / (x * x);
    cr_expect_float_eq((double)out[37], 1.0 + tap, 0.002, "%g", (double)out[37]);
    cr_expect_float_eq(out[36], 1.0f, 36 * 2 * FLT_EPSILON);
    free(in);
    zm_lanczos_destroy(&kernel);
}

Test(resample, a_bad_pixel_spoils_the_36_that_need_it)
{
    static float in[SIDE * SIDE], out[SIZE * SIZE];
    double nodes[2 * NODES * NODES];
    zm_lanczos *kernel = make_kernel();
    in[48 * SIDE + 48] = INFINITY;
    const zm_warp warp = affine(nodes, 24.5, 1, 0, 24.5, 0, 1);
    cr_expect_eq(zm_lanczos_resample(kernel, in, SIDE, SIDE, &warp, 1.0f, out),
                 SIZE * SIZE - 36);
    zm_lanczos_destroy(&kernel);
}
