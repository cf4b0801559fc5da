#include "io_helpers.h"

#include <math.h>

#include "core/survey/frame_cut.h"
#include "core/survey/wcs.h"

enum { HEADER_BYTES = 80 * 40 + 1 };

static void card(char *header, const char *text)
{
    const size_t n = strlen(header);
    cr_assert_lt(n + 80, HEADER_BYTES);
    memset(header + n, ' ', 80);
    memcpy(header + n, text, strlen(text));
    header[n + 80] = '\0';
}

// Frame r of field 003918-3-0213.
static void begin_header(char header[HEADER_BYTES], const char *projection)
{
    char text[81];
    header[0] = '\0';
    card(header, "SIMPLE  =                    T");
    card(header, "BITPIX  =                  -32");
    card(header, "NAXIS   =                    2");
    card(header, "NAXIS1  =                 2048");
    card(header, "NAXIS2  =                 1489");
    card(header, "RADECSYS= 'ICRS    '");
    snprintf(text, sizeof text, "CTYPE1  = 'RA---%s'", projection);
    card(header, text);
    snprintf(text, sizeof text, "CTYPE2  = 'DEC--%s'", projection);
    card(header, text);
    card(header, "CRPIX1  =        1025.00000000");
    card(header, "CRPIX2  =        745.000000000");
    card(header, "CRVAL1  =        229.537988811");
    card(header, "CRVAL2  =        42.7632764344");
}

static void add_scale(char header[HEADER_BYTES])
{
    card(header, "CD1_1   =    6.12244995309E-05");
    card(header, "CD1_2   =    9.14089391883E-05");
    card(header, "CD2_1   =    9.13919502146E-05");
    card(header, "CD2_2   =   -6.12100865715E-05");
}

static zm_wcs *create(const char *header)
{
    zm_wcs *wcs = NULL;
    expect_ok(zm_wcs_create("frame", header, &wcs));
    return wcs;
}

Test(wcs, agrees_with_astropy_and_goes_back)
{
    // astropy.wcs.WCS(header).all_pix2world(x, y, 0), twelve decimals
    static const double pixels[6] = {0, 0, 2047, 1488, 100.25, 1400.5};
    static const double expected[6] = {229.360099097152, 42.715093755477,
                                       229.716070924987, 42.811092112231,
                                       229.542683809244, 42.638668799158};
    char header[HEADER_BYTES];
    double sky[6], back[6];
    begin_header(header, "TAN");
    add_scale(header);
    zm_wcs *wcs = create(header);
    zm_wcs_to_sky(wcs, 3, pixels, sky);
    zm_wcs_to_pixel(wcs, 3, sky, back);
    for (int i = 0; i < 6; i++) {
        cr_expect_float_eq(sky[i], expected[i], 2e-12, "%d: %.13f", i, sky[i]);
        // eps * 360 degrees is 8e-14 degrees, 7e-10 pixels
        cr_expect_float_eq(back[i], pixels[i], 1e-8, "%d: %.10f", i, back[i]);
    }
    zm_wcs_destroy(&wcs);
}

Test(wcs, points_behind_the_tangent_plane_have_no_pixel)
{
    char header[HEADER_BYTES];
    const double sky[4] = {49.5, -42.7, 229.5, 42.7}; // the other side of the sky, here
    double pixels[4];
    begin_header(header, "TAN");
    add_scale(header);
    zm_wcs *wcs = create(header);
    zm_wcs_to_pixel(wcs, 2, sky, pixels);
    cr_expect(isnan(pixels[0]) && isnan(pixels[1]));
    cr_expect(isfinite(pixels[2]) && isfinite(pixels[3]));
    zm_wcs_destroy(&wcs);
}

Test(wcs, what_cannot_place_a_cutout_is_refused)
{
    char header[HEADER_BYTES];
    zm_wcs *wcs = NULL;
    begin_header(header, "TAN"); // singular
    card(header, "CD1_1   =                  0.0");
    card(header, "CD1_2   =                  0.0");
    card(header, "CD2_1   =                  0.0");
    card(header, "CD2_2   =                  0.0");
    expect_status(zm_wcs_create("frame", header, &wcs), ZM_ERR_FORMAT);
    expect_detail("frame: world coordinates");
    begin_header(header, "XYZ"); // no such projection
    add_scale(header);
    expect_status(zm_wcs_create("frame", header, &wcs), ZM_ERR_FORMAT);
    begin_header(header, "TAN");
    add_scale(header);
    memcpy(strstr(header, "ICRS"), "FK4 ", 4);
    expect_status(zm_wcs_create("frame", header, &wcs), ZM_ERR_FORMAT);
    expect_detail("FK4");
    expect_status(zm_wcs_create("frame", "", &wcs), ZM_ERR_FORMAT);
    header[0] = '\0';
    card(header, "SIMPLE  =                    T");
    card(header, "NAXIS   =                    2");
    expect_status(zm_wcs_create("frame", header, &wcs), ZM_ERR_FORMAT);
    cr_expect_null(wcs);
}

// Largest distance between the pixels that a cutout uses and the exact ones.
static double grid_error(zm_wcs *wcs, double ra_deg, double dec_deg)
{
    enum { SIZE = 64, NODES = 5 };
    double sky[2 * NODES * NODES], nodes[2 * NODES * NODES];
    double worst = 0.0;
    const double degree = 0.017453292519943295;
    cr_assert_eq(zm_warp_nodes(SIZE), NODES);
    zm_cutout_sky(ra_deg, dec_deg, SIZE, sky);
    zm_wcs_to_pixel(wcs, NODES * NODES, sky, nodes);
    const zm_warp warp = {.size = SIZE, .nodes = NODES, .pixel = nodes};
    for (uint32_t row = 0; row < SIZE; row++) {
        for (uint32_t column = 0; column < SIZE; column++) {
            // the tangential projection as FITS writes it, independent of zm_cutout_sky
            const double xi = -(column - 31.5) * 0.396 / 3600 * degree;
            const double eta = (row - 31.5) * 0.396 / 3600 * degree;
            const double d = dec_deg * degree;
            const double along = cos(d) - eta * sin(d);
            const double exact_sky[2] = {ra_deg + atan2(xi, along) / degree,
                                         atan2(sin(d) + eta * cos(d), hypot(xi, along)) /
                                             degree};
            double exact[2], cell[2 * ZM_WARP_STEP];
            zm_wcs_to_pixel(wcs, 1, exact_sky, exact);
            zm_warp_cell(&warp, row, column / ZM_WARP_STEP * ZM_WARP_STEP, cell);
            const double *used = cell + 2 * (column % ZM_WARP_STEP);
            worst = fmax(worst, hypot(used[0] - exact[0], used[1] - exact[1]));
        }
    }
    return worst;
}

Test(wcs, the_grid_of_a_cutout_is_exact_to_a_millionth_of_a_pixel)
{
    char header[HEADER_BYTES];
    double sky[4];
    const double corners[4] = {60, 60, 1980, 1420};
    begin_header(header, "TAN");
    add_scale(header);
    zm_wcs *wcs = create(header);
    zm_wcs_to_sky(wcs, 2, corners, sky);
    for (int i = 0; i < 2; i++) {
        const double found = grid_error(wcs, sky[2 * i], sky[2 * i + 1]);
        cr_expect_lt(found, 1e-6, "%g", found);
    }
    zm_wcs_destroy(&wcs);
}

Test(wcs, the_grid_of_a_cutout_follows_a_distortion)
{
    char header[HEADER_BYTES];
    const double corner[2] = {60, 60};
    double sky[2];
    begin_header(header, "TAN-SIP");
    add_scale(header);
    card(header, "A_ORDER =                    2");
    card(header, "B_ORDER =                    2");
    card(header, "A_2_0   =              1.0E-06");
    card(header, "B_0_2   =             -1.0E-06");
    zm_wcs *wcs = create(header);
    zm_wcs_to_sky(wcs, 1, corner, sky);
    const double found = grid_error(wcs, sky[0], sky[1]);
    // second derivative 2e-6 per axis, so at most 2e-6 * 16^2 / 8 in each
    cr_expect(found < 1e-4 && found > 1e-6, "%g", found);
    zm_wcs_destroy(&wcs);
}

// One to six cards with a letter, a value or a name that does not belong there. wcslib
// itself writes beyond its buffers on some of these.
static void damage(char *header, uint64_t *state)
{
    const uint32_t cards = (uint32_t)(strlen(header) / 80);
    for (uint32_t k = 1 + test_random(state) % 6; k > 0; k--) {
        char *card = header + 80 * (size_t)(test_random(state) % cards);
        const uint32_t at = test_random(state) % 70;
        switch (test_random(state) % 4) {
        case 0:
            card[at] = (char)(32 + test_random(state) % 95);
            break;
        case 1:
            card[10 + at % 20] = "0123456789.E-+"[test_random(state) % 14];
            break;
        case 2:
            memcpy(card, header + 80 * (size_t)(test_random(state) % cards), 8);
            break;
        default:
            memset(card + 10, 'A' + (int)(at % 26), 70);
            card[10] = '\'';
        }
    }
}

Test(wcs, damaged_headers_are_refused_or_give_coordinates)
{
    uint64_t state = 1;
    int refused = 0, taken = 0;
    for (int i = 0; i < 3000; i++) {
        char header[HEADER_BYTES];
        zm_wcs *wcs = NULL;
        const double sky[4] = {229.5, 42.7, 10, -80};
        double pixels[4], back[4];
        begin_header(header, "TAN-SIP");
        add_scale(header);
        card(header, "A_ORDER =                    2");
        card(header, "A_2_0   =              1.0E-06");
        card(header, "PV2_1   =                  1.0");
        damage(header, &state);
        const zm_status st = zm_wcs_create("frame", header, &wcs);
        cr_assert(st == ZM_OK || st == ZM_ERR_FORMAT, "%s", zm_error_detail());
        refused += st != ZM_OK;
        taken += st == ZM_OK;
        if (st != ZM_OK)
            continue;
        zm_wcs_to_pixel(wcs, 2, sky, pixels);
        zm_wcs_to_sky(wcs, 2, pixels, back);
        zm_wcs_destroy(&wcs);
    }
    cr_expect(refused > 100 && taken > 100, "%d refused, %d taken", refused, taken);
}
