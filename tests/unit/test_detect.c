#include "io_helpers.h"

#include <math.h>
#include <pthread.h>

#include "core/data/photometry.h"
#include "core/io/csv.h"
#include "core/io/fits.h"
#include "core/survey/detect.h"

static const double noise_nmgy = 0.03;
static const double fwhm_px = 3.5;
static const double pi = 3.14159265358979323846;

// Gaussian noise of the usual strength on a sky that rises by a constant and a slope.
static float *make_sky(uint32_t width, uint32_t height, uint64_t seed)
{
    uint64_t state = seed;
    float *image = malloc((size_t)width * height * sizeof *image);
    cr_assert(image);
    for (size_t i = 0; i < (size_t)width * height; i++) {
        const double u = (test_random(&state) + 1.0) / 2147483649.0;
        const double v = test_random(&state) / 2147483648.0;
        image[i] = (float)(noise_nmgy * sqrt(-2 * log(u)) * cos(2 * pi * v) + 0.1 +
                           0.0001 * (double)(i % width));
    }
    return image;
}

// Adds a point source at a FITS position.
static void add_source(float *image, uint32_t width, uint32_t height, double x, double y,
                       double flux)
{
    const double sigma = fwhm_px / 2.3548200450309493;
    for (uint32_t row = 0; row < height; row++)
        for (uint32_t column = 0; column < width; column++) {
            const double dx = column + 1 - x, dy = row + 1 - y;
            image[(size_t)row * width + column] +=
                (float)(flux * exp(-(dx * dx + dy * dy) / (2 * sigma * sigma)) /
                        (2 * pi * sigma * sigma));
        }
}

// Distance of the nearest detection, and which it is.
static double nearest(const zm_detections *list, double x, double y, uint32_t *which)
{
    double best = INFINITY;
    for (uint32_t i = 0; i < list->count; i++) {
        const double d = hypot(list->items[i].x - x, list->items[i].y - y);
        if (d < best) {
            best = d;
            *which = i;
        }
    }
    return best;
}

static void position(int i, double *x, double *y)
{
    *x = 30.0 + 50 * (i % 5) + 0.37 * i;
    *y = 30.0 + 50 * (i / 5) - 0.21 * i;
}

Test(detect, known_sources_are_found_where_they_are)
{
    enum { SIDE = 300, COUNT = 25 };
    float *image = make_sky(SIDE, SIDE, 1);
    zm_detections list = {0};
    double x, y;
    for (int i = 0; i < COUNT; i++) {
        position(i, &x, &y);
        add_source(image, SIDE, SIDE, x, y, 10.0 + i);
    }
    expect_ok(zm_detect(image, SIDE, SIDE, &(zm_detect_args){0}, &list));
    cr_expect_eq(list.count, COUNT, "%u found", (unsigned)list.count);
    for (int i = 0; i < COUNT; i++) {
        uint32_t which = 0;
        position(i, &x, &y);
        cr_assert_lt(nearest(&list, x, y, &which), 0.2, "source %d", i);
        const zm_detection *d = &list.items[which];
        // The faintest peaks at 25 sigma: 94 % of its light is above one of 1.5.
        cr_expect(d->flux_nmgy > 0.85 * (10 + i) && d->flux_nmgy < 1.05 * (10 + i),
                  "source %d: %g of %d", i, (double)d->flux_nmgy, 10 + i);
        cr_expect_lt(fabsf(d->a_px / d->b_px - 1), 0.15f, "source %d is round", i);
        cr_expect_eq(d->flags, 0);
    }
    for (uint32_t i = 1; i < list.count; i++)
        cr_expect_lt(list.items[i - 1].y, list.items[i].y, "by y");
    zm_detections_finish(&list);
    free(image);
}

Test(detect, a_pair_at_three_widths_is_two_sources)
{
    enum { SIDE = 128 };
    float *image = make_sky(SIDE, SIDE, 2);
    zm_detections list = {0};
    uint32_t first = 0, second = 0;
    add_source(image, SIDE, SIDE, 60.2, 64.7, 400);
    add_source(image, SIDE, SIDE, 60.2 + 3 * fwhm_px, 64.7, 300);
    expect_ok(zm_detect(image, SIDE, SIDE, &(zm_detect_args){0}, &list));
    cr_assert_eq(list.count, 2, "%u found", (unsigned)list.count);
    cr_expect_lt(nearest(&list, 60.2, 64.7, &first), 0.2);
    cr_expect_lt(nearest(&list, 60.2 + 3 * fwhm_px, 64.7, &second), 0.2);
    cr_expect_neq(first, second);
    zm_detections_finish(&list);
    free(image);
}

Test(detect, noise_alone_is_no_source)
{
    enum { SIDE = 1024 };
    float *image = make_sky(SIDE, SIDE, 3);
    zm_detections list = {0};
    // Smoothing leaves 3/8 of the noise: 3 sigma of a pixel are 8 of what is compared.
    expect_ok(zm_detect(image, SIDE, SIDE, &(zm_detect_args){0}, &list));
    cr_expect_eq(list.count, 0, "%u found", (unsigned)list.count);
    zm_detections_finish(&list);
    const zm_detect_args eager = {.threshold_sigma = 0.7f, .min_area = 4};
    expect_ok(zm_detect(image, SIDE, SIDE, &eager, &list));
    cr_expect_gt(list.count, 100, "a threshold of 0.7 finds %u", (unsigned)list.count);
    zm_detections_finish(&list);
    free(image);
}

Test(detect, a_frame_that_overflows_the_usual_stack_of_libsep_is_searched_with_more)
{
    enum { SIDE = 900 };
    float *image = make_sky(SIDE, SIDE, 9);
    zm_detections list = {0};
    // Nearly half of 810,000 pixels are above this: connected, and more than 300,000.
    const zm_detect_args lowest = {.threshold_sigma = 0.02f};
    expect_ok(zm_detect(image, SIDE, SIDE, &lowest, &list));
    cr_expect_gt(list.count, 100);
    zm_detections_finish(&list);
    free(image);
}

Test(detect, threshold_and_area_decide_what_counts)
{
    enum { SIDE = 128 };
    float *image = make_sky(SIDE, SIDE, 4);
    zm_detections list = {0};
    add_source(image, SIDE, SIDE, 64, 64, 10 * noise_nmgy * 15.7); // peak: 10 sigma
    const zm_detect_args cases[] = {
        {.threshold_sigma = 3}, {.threshold_sigma = 15}, {.min_area = 60}};
    const uint32_t expected[] = {1, 0, 0};
    for (size_t i = 0; i < ZM_COUNT_OF(cases); i++) {
        expect_ok(zm_detect(image, SIDE, SIDE, &cases[i], &list));
        cr_expect_eq(list.count, expected[i], "case %d: %u", (int)i,
                     (unsigned)list.count);
        zm_detections_finish(&list);
    }
    free(image);
}

Test(detect, margin_and_number_limit_the_list)
{
    enum { SIDE = 200 };
    float *image = make_sky(SIDE, SIDE, 5);
    zm_detections list = {0};
    add_source(image, SIDE, SIDE, 20, 100, 50); // 19.5 pixels from the edge
    add_source(image, SIDE, SIDE, 100, 150, 30);
    add_source(image, SIDE, SIDE, 100, 60, 40);
    add_source(image, SIDE, SIDE, 181.5, 100, 60); // 19 pixels
    expect_ok(zm_detect(image, SIDE, SIDE, &(zm_detect_args){.margin = 18}, &list));
    cr_expect_eq(list.count, 4);
    zm_detections_finish(&list);
    expect_ok(zm_detect(image, SIDE, SIDE, &(zm_detect_args){.margin = 21}, &list));
    cr_expect_eq(list.count, 2);
    zm_detections_finish(&list);
    expect_ok(zm_detect(image, SIDE, SIDE, &(zm_detect_args){.max_sources = 2}, &list));
    cr_assert_eq(list.count, 2);
    cr_expect(fabs(list.items[0].y - 100) < 0.5 && fabs(list.items[1].y - 100) < 0.5,
              "the two brightest");
    zm_detections_finish(&list);
    free(image);
}

Test(detect, pixels_without_a_value_are_masked)
{
    enum { SIDE = 200 };
    float *image = make_sky(SIDE, SIDE, 6);
    zm_detections list = {0};
    uint32_t which = 0;
    add_source(image, SIDE, SIDE, 50.3, 60.6, 30);
    for (size_t i = 0; i < SIDE; i++) {
        image[100 * SIDE + i] = NAN;
        image[i * SIDE + 150] = i % 2 ? INFINITY : -INFINITY;
    }
    for (size_t y = 120; y < 200; y++) // a whole mesh and more
        for (size_t x = 0; x < 80; x++)
            image[y * SIDE + x] = NAN;
    expect_ok(zm_detect(image, SIDE, SIDE, &(zm_detect_args){0}, &list));
    cr_expect_eq(list.count, 1, "%u found", (unsigned)list.count);
    cr_expect_lt(nearest(&list, 50.3, 60.6, &which), 0.2);
    zm_detections_finish(&list);
    free(image);
}

Test(detect, images_without_noise_or_pixels_are_refused)
{
    enum { SIDE = 100 };
    float *image = calloc(SIDE * SIDE, sizeof *image);
    const zm_detect_args args = {0};
    zm_detections list = {0};
    cr_assert(image);
    expect_status(zm_detect(image, SIDE, SIDE, &args, &list), ZM_ERR_FORMAT);
    expect_detail("no noise");
    for (int i = 0; i < SIDE * SIDE; i++)
        image[i] = NAN;
    expect_status(zm_detect(image, SIDE, SIDE, &args, &list), ZM_ERR_FORMAT);
    expect_detail("no pixel is finite");
    expect_status(zm_detect(image, 0, SIDE, &args, &list), ZM_ERR_SHAPE);
    expect_status(zm_detect(image, UINT32_MAX, UINT32_MAX, &args, &list), ZM_ERR_SHAPE);
    free(image);
}

Test(detect, values_of_any_size_do_no_harm)
{
    enum { SIDE = 100 };
    float *image = make_sky(SIDE, SIDE, 7);
    zm_detections list = {0};
    for (int i = 0; i < 400; i++)
        image[i * 23] = i % 3 ? -3.4e38f : 3.4e38f;
    (void)zm_detect(image, SIDE, SIDE, &(zm_detect_args){.min_area = 1}, &list);
    for (uint32_t i = 0; i < list.count; i++)
        cr_expect(isfinite(list.items[i].x) && isfinite(list.items[i].y));
    zm_detections_finish(&list);
    free(image);
}

typedef struct job {
    const float *image;
    zm_detections list;
    zm_status status;
} job;

static void *run_job(void *user)
{
    job *j = user;
    j->status = zm_detect(j->image, 300, 300, &(zm_detect_args){0}, &j->list);
    return NULL;
}

Test(detect, threads_find_the_same)
{
    enum { SIDE = 300, THREADS = 4 };
    float *image = make_sky(SIDE, SIDE, 8);
    job jobs[THREADS] = {0};
    pthread_t threads[THREADS];
    double x, y;
    for (int i = 0; i < 25; i++) {
        position(i, &x, &y);
        add_source(image, SIDE, SIDE, x, y, 10.0 + i);
    }
    for (int i = 0; i < THREADS; i++) {
        jobs[i].image = image;
        cr_assert_eq(pthread_create(&threads[i], NULL, run_job, &jobs[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        cr_assert_eq(jobs[i].status, ZM_OK);
        cr_assert_eq(jobs[i].list.count, 25);
        cr_expect_eq(memcmp(jobs[i].list.items, jobs[0].list.items,
                            25 * sizeof *jobs[0].list.items),
                     0);
    }
    for (int i = 0; i < THREADS; i++)
        zm_detections_finish(&jobs[i].list);
    free(image);
}

// FITS pixel of a sky position by the gnomonic projection of a frame's header.
static void sky_to_pixel(const char *header, double ra, double dec, double *x, double *y)
{
    static const char *const names[] = {"CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2",
                                        "CD1_1",  "CD1_2",  "CD2_1",  "CD2_2"};
    double v[8];
    char type[ZM_FITS_TEXT];
    for (int i = 0; i < 8; i++)
        cr_assert(zm_fits_key_f64(header, names[i], &v[i]), "%s", names[i]);
    cr_assert(zm_fits_key_string(header, "CTYPE1", type));
    const double degree = pi / 180;
    const double a = (ra - v[0]) * degree, d = dec * degree, d0 = v[1] * degree;
    const double down = sin(d) * sin(d0) + cos(d) * cos(d0) * cos(a);
    double east = cos(d) * sin(a) / down / degree;
    double north = (sin(d) * cos(d0) - cos(d) * sin(d0) * cos(a)) / down / degree;
    if (strncmp(type, "DEC", 3) == 0) // SDSS frames may have declination first
        cr_assert_fail("axes in the order dec, ra are not expected here");
    const double det = v[4] * v[7] - v[5] * v[6];
    *x = v[2] + (v[7] * east - v[5] * north) / det;
    *y = v[3] + (v[4] * north - v[6] * east) / det;
}

Test(detect, labelled_galaxies_of_real_frames_are_found)
{
    char frames[TEST_PATH], table[TEST_PATH], path[2 * TEST_PATH];
    test_need_helper();
    test_data("sdss-frames", frames);
    test_data("sdss-cutouts/labels.csv", table);
    zm_csv *csv = NULL;
    zm_fits_image *frame = NULL;
    zm_detections list = {0};
    char field[64] = "";
    int labelled = 0, found = 0;
    expect_ok(zm_csv_read(table, &csv));
    const int64_t name = zm_csv_find(csv, "run_camcol_field");
    for (uint64_t row = 0; row < zm_csv_rows(csv); row++) {
        const char *wanted = zm_csv_cell(csv, row, (uint64_t)name);
        if (strcmp(field, wanted) != 0) {
            snprintf(field, sizeof field, "%s", wanted);
            snprintf(path, sizeof path, "%s/%s/frame-r-%s.fits.bz2", frames, field,
                     field);
            zm_fits_image_destroy(&frame);
            zm_detections_finish(&list);
            expect_ok(zm_fits_image_read(path, test_helper, 0, &frame));
            expect_ok(zm_detect(frame->data, frame->width, frame->height,
                                &(zm_detect_args){0}, &list));
        }
        double ra, dec, x, y;
        uint32_t which = 0;
        expect_ok(zm_csv_f64(csv, row, zm_csv_find(csv, "ra"), &ra));
        expect_ok(zm_csv_f64(csv, row, zm_csv_find(csv, "dec"), &dec));
        sky_to_pixel(frame->header, ra, dec, &x, &y);
        labelled++;
        found += nearest(&list, x, y, &which) * ZM_PIXEL_ARCSEC < 1.5;
    }
    cr_expect_geq(found, 0.95 * labelled, "%d of %d", found, labelled);
    zm_fits_image_destroy(&frame);
    zm_detections_finish(&list);
    zm_csv_destroy(&csv);
}
