#include "io_helpers.h"

#include <fitsio.h>
#include <math.h>

#include "core/data/photometry.h"
#include "core/survey/detect_frames.h"
#include "core/survey/prepare.h"

// Two fields of one run, the second 200 rows farther along the scan, which is turned by
// 35 degrees against north; the bands are shifted against each other as those of SDSS
// are.
enum { WIDE = 400, HIGH = 300, STEP = 200, SIZE = 32, BAND_SHIFT = 6 };

static const double pi = 3.14159265358979323846;
static const double ra0 = 150.0, dec0 = 20.0; // of the reference pixel 200, 150
static const double turn_deg = 35.0;

// FITS positions on the r frame of the first field; y runs on into the second.
typedef struct star {
    double x, y;
} star;

static const star stars[] = {
    {100.3, 60.2},  // the first field
    {250.7, 130.4}, // the first field
    {20.0, 100.0},  // too near the edge of the first field
    {300.6, 248.9}, // both
    {60.2, 290.0},  // too near the edge of the first field, but not of the second
    {200.5, 400.5}, // the second field
    {370.0, 420.0}, // too near the edge of the second field
};
// What is to be found, in order: field, then y.
static const int found_order[] = {0, 1, 3, 4, 5};
enum { FOUND = ZM_COUNT_OF(found_order), FIRST_FIELD = 3 };

static char dir[TEST_PATH], output[TEST_PATH];

static void frame_path(int field, int band, char out[TEST_PATH])
{
    char name[64];
    snprintf(name, sizeof name, "frame-%c-001000-2-%04d.fits", "ugriz"[band], 10 + field);
    test_join(dir, name, out);
}

static void draw_frame(int field, int band, bool empty, float *pixels)
{
    uint64_t state = (uint64_t)(field * ZM_BANDS + band + 1);
    const double shift = BAND_SHIFT * (band - 2), sigma = 1.5;
    for (int y = 0; y < HIGH; y++)
        for (int x = 0; x < WIDE; x++) {
            const double u = (test_random(&state) + 1.0) / 2147483649.0;
            const double v = test_random(&state) / 2147483648.0;
            double value = 0.02 * sqrt(-2 * log(u)) * cos(2 * pi * v);
            for (size_t i = 0; !empty && i < ZM_COUNT_OF(stars); i++) {
                const double dx = x + 1 - stars[i].x - shift;
                const double dy = y + 1 - (stars[i].y - field * STEP) - shift;
                value += 3 * exp(-(dx * dx + dy * dy) / (2 * sigma * sigma));
            }
            pixels[y * WIDE + x] = (float)value;
        }
}

static void write_frame(int field, int band, bool empty)
{
    static float pixels[WIDE * HIGH];
    char path[TEST_PATH];
    const double shift = BAND_SHIFT * (band - 2), scale = ZM_PIXEL_ARCSEC / 3600;
    const double c = cos(turn_deg * pi / 180), s = sin(turn_deg * pi / 180);
    const struct {
        const char *key;
        double value;
    } keys[] = {{"CRVAL1", ra0},         {"CRVAL2", dec0},
                {"CRPIX1", 200 + shift}, {"CRPIX2", 150 - field * STEP + shift},
                {"CD1_1", -scale * c},   {"CD1_2", scale * s},
                {"CD2_1", scale * s},    {"CD2_2", scale * c}};
    long axes[2] = {WIDE, HIGH};
    fitsfile *f = NULL;
    int status = 0;
    draw_frame(field, band, empty, pixels);
    frame_path(field, band, path);
    remove(path);
    fits_create_diskfile(&f, path, &status);
    fits_create_img(f, FLOAT_IMG, 2, axes, &status);
    fits_write_key_str(f, "CTYPE1", "RA---TAN", NULL, &status);
    fits_write_key_str(f, "CTYPE2", "DEC--TAN", NULL, &status);
    for (size_t i = 0; i < ZM_COUNT_OF(keys); i++)
        fits_write_key_dbl(f, keys[i].key, keys[i].value, 15, NULL, &status);
    fits_write_img(f, TFLOAT, 1, WIDE * HIGH, pixels, &status);
    fits_close_file(f, &status);
    cr_assert_eq(status, 0);
}

static void write_fields(bool empty)
{
    for (int field = 0; field < 2; field++)
        for (int band = 0; band < ZM_BANDS; band++)
            write_frame(field, band, empty);
}

// Where a star is on the sky: the gnomonic projection backwards.
static void star_sky(const star *at, double *ra, double *dec)
{
    const double scale = ZM_PIXEL_ARCSEC / 3600 * pi / 180;
    const double c = cos(turn_deg * pi / 180), s = sin(turn_deg * pi / 180);
    const double x = at->x - 200, y = at->y - 150, d0 = dec0 * pi / 180;
    const double east = scale * (-c * x + s * y), north = scale * (s * x + c * y);
    *ra = ra0 + atan2(east, cos(d0) - north * sin(d0)) * 180 / pi;
    *dec = asin((sin(d0) + north * cos(d0)) / sqrt(1 + east * east + north * north)) *
           180 / pi;
}

static double arcsec_off(const zm_row *row, const star *at)
{
    double ra, dec;
    star_sky(at, &ra, &dec);
    return hypot((row->ra_deg - ra) * cos(dec * pi / 180), row->dec_deg - dec) * 3600;
}

static void setup(void)
{
    test_dir_create(dir);
    test_join(dir, "out.safetensors", output);
}

static void teardown(void)
{
    test_dir_remove(dir);
}

TestSuite(detect_frames, .init = setup, .fini = teardown);

static zm_status detect(uint32_t threads, bool (*progress)(void *, uint64_t, uint64_t),
                        zm_source_list *out)
{
    zm_frame_list frames = {0};
    const zm_detect_frames_args args = {.detect = {.margin = zm_detect_margin(SIZE)},
                                        .threads = threads,
                                        .progress = progress};
    expect_ok(zm_frame_list_read(dir, NULL, &frames));
    const zm_status st = zm_detect_frames(&frames, &args, NULL, out);
    zm_frame_list_finish(&frames);
    return st;
}

Test(detect_frames, sources_come_by_field_and_once_where_fields_overlap)
{
    zm_source_list list = {0};
    write_fields(false);
    expect_ok(detect(1, NULL, &list));
    cr_assert_eq(list.count, FOUND, "%d found", (int)list.count);
    cr_expect(list.faults == 0 && list.mag_kind == ZM_MAG_APERTURE);
    for (int i = 0; i < FOUND; i++) {
        const zm_source *s = &list.sources[i];
        cr_expect_eq(s->row.object_id, i);
        cr_expect(s->run == 1000 && s->camcol == 2);
        cr_expect_eq(s->number, i < FIRST_FIELD ? 10 : 11, "row %d", i);
        cr_expect_lt(arcsec_off(&s->row, &stars[found_order[i]]), 0.2 * ZM_PIXEL_ARCSEC,
                     "row %d", i);
        cr_expect(isnan(s->row.z) && isnan(s->row.ebv) && isnan(s->row.mags[0]));
    }
    zm_source_list_finish(&list);
}

Test(detect_frames, the_list_does_not_depend_on_threads)
{
    zm_source_list one = {0}, many = {0};
    write_fields(false);
    expect_ok(detect(1, NULL, &one));
    expect_ok(detect(7, NULL, &many));
    cr_assert_eq(one.count, many.count);
    for (uint64_t i = 0; i < one.count; i++)
        cr_expect(one.sources[i].row.ra_deg == many.sources[i].row.ra_deg &&
                  one.sources[i].row.dec_deg == many.sources[i].row.dec_deg &&
                  one.sources[i].number == many.sources[i].number);
    zm_source_list_finish(&one);
    zm_source_list_finish(&many);
}

static void expect_cutouts(uint64_t count)
{
    zm_dataset *ds = NULL;
    expect_ok(zm_dataset_open(output, NULL, NULL, &ds));
    cr_assert_eq(ds->count, count);
    for (uint64_t i = 0; i < count; i++) {
        static float image[ZM_BANDS * SIZE * SIZE];
        uint32_t flags;
        expect_ok(zm_dataset_image(ds, i, image, &flags));
        cr_expect_eq(flags, 0);
        cr_expect_eq(ds->rows[i].coverage, 1.0f, "row %d: %g", (int)i,
                     (double)ds->rows[i].coverage);
        cr_expect_eq(ds->rows[i].object_id, (int64_t)i);
        for (int band = 0; band < ZM_BANDS; band++) { // the four pixels at the centre
            const float *plane = image + (size_t)band * SIZE * SIZE;
            const size_t middle = (SIZE / 2 - 1) * SIZE + SIZE / 2 - 1;
            const float sum = plane[middle] + plane[middle + 1] + plane[middle + SIZE] +
                              plane[middle + SIZE + 1];
            cr_expect_gt(sum, 4 * 2, "row %d band %d: the star is in the middle", (int)i,
                         band);
        }
    }
    zm_dataset_close(&ds);
}

Test(detect_frames, cutouts_within_the_usual_margin_are_whole_in_every_band)
{
    const zm_detect_args args = {.margin = zm_detect_margin(SIZE)};
    const zm_prepare_params params = {
        .frames = dir, .out = output, .size = SIZE, .threads = 2, .detect = &args};
    write_fields(false);
    expect_ok(zm_prepare(&params, NULL));
    expect_cutouts(FOUND);
}

static void count_warnings(void *user, zm_log_level level, const char *message)
{
    *(int *)user += level == ZM_LOG_WARN && strstr(message, "001000-2-0010") != NULL;
}

Test(detect_frames, a_field_without_its_r_frame_is_named_and_the_rest_goes_on)
{
    int warnings = 0;
    const zm_log log = {count_warnings, &warnings};
    const zm_detect_args args = {.margin = zm_detect_margin(SIZE)};
    const zm_prepare_params params = {
        .frames = dir, .out = output, .size = SIZE, .threads = 2, .detect = &args};
    char path[TEST_PATH];
    write_fields(false);
    frame_path(0, ZM_DETECT_BAND, path);
    for (int damaged = 0; damaged < 2; damaged++) {
        if (damaged)
            test_write_file(path, "SIMPLE  = nothing", 17);
        else
            remove(path);
        warnings = 0;
        expect_status(zm_prepare(&params, &log), ZM_ERR_FORMAT);
        expect_detail("1 faults in the detection");
        cr_expect_eq(warnings, 1);
        expect_cutouts(3); // the second field alone also gives the star of both
    }
}

static bool stop(void *user, uint64_t fields, uint64_t field_count)
{
    (void)user;
    return fields == field_count + 1;
}

Test(detect_frames, nothing_to_find_and_being_stopped_are_errors)
{
    const zm_detect_args args = {0};
    const zm_prepare_params params = {
        .frames = dir, .out = output, .size = SIZE, .threads = 1, .detect = &args};
    zm_source_list list = {0};
    write_fields(true);
    expect_status(zm_prepare(&params, NULL), ZM_ERR_FORMAT);
    expect_detail("found none");
    write_fields(false);
    expect_status(detect(1, stop, &list), ZM_ERR_INTERRUPTED);
    cr_expect_eq(test_dir_count(dir), 2 * ZM_BANDS, "no output");
}
