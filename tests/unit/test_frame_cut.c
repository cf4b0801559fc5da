// Cutting one object out of frames, and which frame it is cut from.
#include "io_helpers.h"

#include <math.h>

#include "core/data/photometry.h"
#include "core/survey/prepare_match.h"

enum { WIDE = 120, HIGH = 100, SIZE = 32 };

static const double ra0 = 150, dec0 = 2;
static const double star_flux = 100, star_sigma_px = 2;

static void card(char *header, const char *key, const char *value)
{
    const size_t n = strlen(header);
    snprintf(header + n, 81, "%-8s= %-70s", key, value);
}

static void number_card(char *header, const char *key, double value)
{
    char text[32];
    snprintf(text, sizeof text, "%20.12G", value);
    card(header, key, text);
}

// A frame with north up and a star at (x, y), counted from 0, which is at ra0, dec0.
static void make_frame(double x, double y, double arcsec, zm_frame *out)
{
    char header[80 * 10 + 1] = "";
    card(header, "CTYPE1", "'RA---TAN'");
    card(header, "CTYPE2", "'DEC--TAN'");
    number_card(header, "CRPIX1", x + 1);
    number_card(header, "CRPIX2", y + 1);
    number_card(header, "CRVAL1", ra0);
    number_card(header, "CRVAL2", dec0);
    number_card(header, "CD1_1", -arcsec / 3600);
    number_card(header, "CD2_2", arcsec / 3600);
    *out = (zm_frame){.radius = 0.01};
    expect_ok(zm_wcs_create("frame", header, &out->wcs));
    out->image = calloc(1, sizeof *out->image);
    out->image->width = WIDE;
    out->image->height = HIGH;
    out->image->data = calloc(WIDE * HIGH, sizeof(float));
    const double s2 = star_sigma_px * star_sigma_px;
    for (int i = 0; i < WIDE * HIGH; i++) {
        const double dx = i % WIDE - x, dy = i / WIDE - y;
        out->image->data[i] = (float)(star_flux / (2 * acos(-1.0) * s2) *
                                      exp(-(dx * dx + dy * dy) / (2 * s2)));
    }
    const double middle[2] = {(WIDE - 1) / 2.0, (HIGH - 1) / 2.0};
    double sky[2];
    zm_wcs_to_sky(out->wcs, 1, middle, sky);
    zm_sky_vector(sky[0], sky[1], out->centre);
}

static uint32_t cut(const zm_frame_field *field, zm_row *row, float *image)
{
    zm_frame_cutter *cutter = NULL;
    zm_lanczos *lanczos = NULL;
    expect_ok(zm_frame_cutter_create(SIZE, &cutter));
    expect_ok(zm_lanczos_create(&lanczos));
    zm_frame_cut(cutter, field, lanczos, row, image);
    zm_lanczos_destroy(&lanczos);
    zm_frame_cutter_destroy(&cutter);
    return row->flags;
}

// Pixels of another size hold another part of the flux; the sum over the star is kept.
Test(frame_cut, keeps_the_flux_whatever_the_pixels_of_the_frame)
{
    static const double scales[] = {0.36, 0.396, 0.44};
    static float image[ZM_BANDS * SIZE * SIZE];
    for (size_t i = 0; i < ZM_COUNT_OF(scales); i++) {
        zm_frame_field field = {0};
        zm_row row = zm_row_unknown(0);
        row.ra_deg = ra0;
        row.dec_deg = dec0;
        make_frame(60.3, 50.6, scales[i], &field.band[2]);
        cr_expect_eq(cut(&field, &row, image), (uint32_t)ZM_FLAG_MISSING_BAND);
        cr_expect_float_eq(row.coverage, 0.2f, 1e-7f);
        double sum = 0, x = 0, y = 0;
        for (int p = 0; p < SIZE * SIZE; p++) {
            const double flux = (double)image[2 * SIZE * SIZE + p];
            sum += flux;
            x += flux * (p % SIZE);
            y += flux * (p / SIZE);
        }
        // At a period of one output pixel the kernel's response is 0.4 %, the spectrum of
        // the star half of its sum; both signs of the frequency, x and y: 0.8 %.
        cr_expect_float_eq(sum, star_flux, 0.8, "%g arcsec: %g", scales[i], sum);
        cr_expect_float_eq(x / sum, (SIZE - 1) / 2.0, 0.05);
        cr_expect_float_eq(y / sum, (SIZE - 1) / 2.0, 0.05);
        cr_expect(isnan(image[0]));
        zm_frame_field_finish(&field);
    }
}

Test(frame_cut, what_lies_off_the_frame_is_flagged)
{
    static float image[ZM_BANDS * SIZE * SIZE];
    zm_frame_field field = {0};
    zm_row row = zm_row_unknown(0);
    row.ra_deg = ra0;
    row.dec_deg = dec0;
    for (int band = 0; band < ZM_BANDS; band++)
        make_frame(5, 50, ZM_PIXEL_ARCSEC, &field.band[band]);
    cr_expect_eq(cut(&field, &row, image), (uint32_t)ZM_FLAG_OFF_FRAME);
    cr_expect(row.coverage > 0.5f && row.coverage < 0.7f, "%g", (double)row.coverage);
    cr_expect(isnan(image[SIZE / 2 * SIZE]) != isnan(image[SIZE / 2 * SIZE + SIZE - 1]));
    row.dec_deg = dec0 + 1;
    cr_expect_eq(cut(&field, &row, image), (uint32_t)ZM_FLAG_NO_IMAGE);
    cr_expect_eq(row.coverage, 0.0f);
    zm_frame_field_finish(&field);
}

// Which of two fields has the row in the end, asked about in the order given.
static int taken_from(const zm_source *source, const zm_frame_list *list,
                      zm_frame_field *const fields[2])
{
    zm_source copy = *source;
    const zm_source_list sources = {.sources = &copy, .count = 1};
    zm_matcher *matcher = NULL;
    int last = 0;
    expect_ok(zm_matcher_create(&sources, list, SIZE, &matcher));
    for (int i = 0; i < 2; i++) {
        const uint64_t *rows;
        uint64_t count;
        expect_ok(zm_matcher_find(matcher, fields[i], &rows, &count));
        last = count ? fields[i]->id.number : last;
    }
    zm_matcher_destroy(&matcher);
    return last;
}

Test(prepare_match, the_field_that_is_named_goes_before_the_one_that_fits_better)
{
    zm_frame_field edge = {.id = {1000, 3, 1}}, middle = {.id = {1000, 3, 2}};
    zm_field_files files[2] = {{.id = edge.id}, {.id = middle.id}};
    const zm_frame_list list = {.count = 2, .fields = files};
    zm_source source = zm_source_unknown();
    source.row.ra_deg = ra0;
    source.row.dec_deg = dec0;
    for (int band = 0; band < ZM_BANDS; band++) {
        make_frame(10, 10, ZM_PIXEL_ARCSEC, &edge.band[band]);
        make_frame(60, 50, ZM_PIXEL_ARCSEC, &middle.band[band]);
    }
    zm_frame_field *const orders[2][2] = {{&edge, &middle}, {&middle, &edge}};
    for (int i = 0; i < 2; i++) {
        source.run = source.camcol = source.number = -1;
        cr_expect_eq(taken_from(&source, &list, orders[i]), 2);
        source.run = 1000;
        source.camcol = 3;
        source.number = 1;
        cr_expect_eq(taken_from(&source, &list, orders[i]), 1);
    }
    zm_frame_field_finish(&edge);
    zm_frame_field_finish(&middle);
}
