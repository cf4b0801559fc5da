#include "core/sky/catalog.h"

#include <criterion/criterion.h>
#include <fitsio.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROWS 3

// SFD98 extinction for E(B-V) = 0.1 and three rows of fluxes, one of them negative.
static const float sfd_extinction[5] = {0.5155f, 0.3793f, 0.2751f, 0.2086f, 0.1479f};
static const float sf11_extinction[5] = {0.4239f, 0.3303f, 0.2285f, 0.1698f, 0.1263f};

typedef struct recipe {
    const char *flux_name, *flux_form, *z_name, *extinction_name;
    const float *extinction;
    float z_of_row_1;
    bool position, r50;
} recipe;

static const recipe good = {"MODELFLUX",    "5E", "Z",  "EXTINCTION",
                            sfd_extinction, 0.1f, true, false};

static void make_path(char *path, size_t bytes)
{
    const char *folder = getenv("TMPDIR");
    snprintf(path, bytes, "%s/zmae-catalog-XXXXXX", folder ? folder : "/tmp");
    const int file = mkstemp(path);
    cr_assert_geq(file, 0);
    close(file);
}

static void write_column(fitsfile *f, const char *name, const void *values, int type,
                         long repeat)
{
    int code = 0, number = 0;
    char pattern[32];
    snprintf(pattern, sizeof pattern, "%s", name);
    fits_get_colnum(f, CASEINSEN, pattern, &number, &code);
    cr_assert_eq(code, 0);
    const size_t width = type == TFLOAT ? sizeof(float) : sizeof(double);
    for (long row = 0; row < ROWS; row++) {
        char cells[5 * sizeof(double)];
        memcpy(cells, (const char *)values + (size_t)(row * repeat) * width,
               (size_t)repeat * width);
        fits_write_col(f, type, number, row + 1, 1, repeat, cells, &code);
    }
    cr_assert_eq(code, 0);
}

static void write_catalog(const char *path, const recipe *r)
{
    int code = 0;
    fitsfile *f = NULL;
    char texts[6][32], forms[6][8];
    char *names[6], *form_list[6];
    const char *wanted[6] = {r->flux_name, r->z_name, r->extinction_name,
                             "ra",         "Dec",     "PETROTH50"};
    const char *shapes[6] = {r->flux_form, "E", "5E", "D", "D", "5E"};
    const int columns = r->r50 ? 6 : r->position ? 5 : 3;
    for (int i = 0; i < 6; i++) {
        snprintf(texts[i], sizeof texts[i], "%s", wanted[i]);
        snprintf(forms[i], sizeof forms[i], "%s", shapes[i]);
        names[i] = texts[i];
        form_list[i] = forms[i];
    }
    remove(path);
    fits_create_diskfile(&f, path, &code);
    fits_create_tbl(f, BINARY_TBL, 0, columns, names, form_list, NULL, "T", &code);
    cr_assert_eq(code, 0);
    const float flux[ROWS * 5] = {16, 80, 190, 290, 390, -0.5f, 0, 3,
                                  4,  5,  1,   2,   3,   4,     5};
    const float z[ROWS] = {0.05f, r->z_of_row_1, 0.2f};
    const double ra[ROWS] = {10.0, 20.0, 30.0}, dec[ROWS] = {-1.0, 0.0, 1.0};
    float extinction[ROWS * 5], r50[ROWS * 5];
    for (int i = 0; i < ROWS * 5; i++) {
        extinction[i] = r->extinction[i % 5];
        r50[i] = (float)i;
    }
    write_column(f, r->flux_name, flux, TFLOAT, strcmp(r->flux_form, "5E") == 0 ? 5 : 4);
    write_column(f, r->z_name, z, TFLOAT, 1);
    write_column(f, r->extinction_name, extinction, TFLOAT, 5);
    if (columns > 3) {
        write_column(f, "RA", ra, TDOUBLE, 1);
        write_column(f, "DEC", dec, TDOUBLE, 1);
    }
    if (columns > 5)
        write_column(f, "PETROTH50", r50, TFLOAT, 5);
    fits_close_file(f, &code);
    cr_assert_eq(code, 0);
}

static zm_status read_recipe(const recipe *r, zm_catalog **catalog)
{
    char path[256];
    make_path(path, sizeof path);
    write_catalog(path, r);
    const zm_status st = zm_catalog_read(path, catalog);
    remove(path);
    return st;
}

static void expect_error(const recipe *r, const char *mentions)
{
    zm_catalog *catalog = NULL;
    cr_expect_eq(read_recipe(r, &catalog), ZM_ERR_FORMAT);
    cr_expect_null(catalog);
    cr_expect_not_null(strstr(zm_error_detail(), mentions), "%s: %s", mentions,
                       zm_error_detail());
}

Test(catalog, keeps_every_row_also_faint_ones)
{
    zm_catalog *catalog = NULL;
    cr_assert_eq(read_recipe(&good, &catalog), ZM_OK, "%s", zm_error_detail());
    cr_assert_eq(catalog->count, ROWS);
    cr_expect_eq(catalog->rows[1].flux_nmgy[0], -0.5f);
    cr_expect_eq(catalog->rows[1].flux_nmgy[1], 0.0f);
    cr_expect_eq(catalog->rows[0].flux_nmgy[4], 390.0f);
    cr_expect_eq(catalog->rows[2].z, 0.2f);
    cr_expect_eq(catalog->rows[2].ra_deg, 30.0);
    cr_expect_eq(catalog->rows[0].dec_deg, -1.0);
    zm_catalog_destroy(&catalog);
    cr_expect_null(catalog);
}

Test(catalog, finds_columns_in_any_case)
{
    recipe r = good;
    r.flux_name = "modelFlux";
    r.z_name = "z";
    r.extinction_name = "Extinction";
    zm_catalog *catalog = NULL;
    cr_expect_eq(read_recipe(&r, &catalog), ZM_OK, "%s", zm_error_detail());
    zm_catalog_destroy(&catalog);
}

Test(catalog, reads_the_same_ebv_from_old_and_new_coefficients)
{
    const float *kinds[] = {sfd_extinction, sf11_extinction};
    for (int i = 0; i < 2; i++) {
        recipe r = good;
        r.extinction = kinds[i];
        zm_catalog *catalog = NULL;
        cr_assert_eq(read_recipe(&r, &catalog), ZM_OK, "%s", zm_error_detail());
        // SF11 is fitted through SFD98 coefficients: equal to 1 %.
        cr_expect_float_eq(catalog->rows[0].ebv, 0.1f, 1e-3f, "%g", catalog->rows[0].ebv);
        zm_catalog_destroy(&catalog);
    }
}

Test(catalog, has_optional_columns)
{
    recipe r = good;
    r.r50 = true;
    zm_catalog *catalog = NULL;
    cr_assert_eq(read_recipe(&r, &catalog), ZM_OK, "%s", zm_error_detail());
    cr_expect_eq(catalog->rows[1].r50_arcsec, 7.0f);
    zm_catalog_destroy(&catalog);
    r = good;
    r.position = false;
    cr_assert_eq(read_recipe(&r, &catalog), ZM_OK, "%s", zm_error_detail());
    cr_expect(isnan(catalog->rows[0].ra_deg) && isnan(catalog->rows[0].r50_arcsec));
    zm_catalog_destroy(&catalog);
}

Test(catalog, names_what_is_missing_or_wrong)
{
    recipe r = good;
    r.flux_name = "PSFFLUX";
    expect_error(&r, "MODELFLUX");
    r = good;
    r.z_name = "REDSHIFT";
    expect_error(&r, "column Z");
    r = good;
    r.extinction_name = "EBV";
    expect_error(&r, "EXTINCTION");
    r = good;
    r.flux_form = "4E";
    expect_error(&r, "expected 5 numbers a row, found 4");
    r = good;
    r.z_of_row_1 = NAN;
    expect_error(&r, "column Z, row 1");
    r.z_of_row_1 = -9999.0f;
    expect_error(&r, "column Z, row 1");
    static const float broken[5] = {0.1f, 0.1f, INFINITY, 0.1f, 0.1f};
    r = good;
    r.extinction = broken;
    expect_error(&r, "column EXTINCTION, row 0");
    static const float unmeasured[5] = {0.1f, 0.1f, -9999.0f, 0.1f, 0.1f};
    r.extinction = unmeasured;
    expect_error(&r,
                 "column EXTINCTION, row 0: expected -1 to 100 mag, found 0.1 0.1 -9999");
}

// Writes size bytes of a good catalogue, with the value of a header card replaced.
static void expect_bytes_refused(long keep, const char *card, const char *value)
{
    static char bytes[64 * 1024];
    char path[256];
    make_path(path, sizeof path);
    write_catalog(path, &good);
    FILE *f = fopen(path, "rb");
    cr_assert(f != NULL);
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    if (card) {
        char *at = NULL;
        for (size_t i = 0; i + 80 <= n; i += 80)
            if (strncmp(bytes + i, card, strlen(card)) == 0)
                at = bytes + i;
        cr_assert(at != NULL);
        memset(at + 10, ' ', 70);
        memcpy(at + 30 - strlen(value), value, strlen(value));
    }
    n = keep >= 0 ? (size_t)keep : n;
    f = fopen(path, "wb");
    cr_assert(f != NULL);
    cr_assert_eq(fwrite(bytes, 1, n, f), n);
    fclose(f);
    zm_catalog *catalog = NULL;
    cr_expect_eq(zm_catalog_read(path, &catalog), ZM_ERR_FORMAT, "%ld %s %s: %s", keep,
                 card ? card : "", value ? value : "", zm_error_detail());
    cr_expect_null(catalog);
    remove(path);
}

Test(catalog, refuses_damaged_files)
{
    expect_bytes_refused(0, NULL, NULL);
    expect_bytes_refused(100, NULL, NULL);
    expect_bytes_refused(2880, NULL, NULL);
    expect_bytes_refused(2 * 2880 - 500, NULL, NULL);
    expect_bytes_refused(-1, "NAXIS2", "99999999999");
    expect_bytes_refused(-1, "NAXIS2", "-5");
    expect_bytes_refused(-1, "NAXIS2", "0");
    expect_bytes_refused(-1, "TFORM1", "'9E'");
}

Test(catalog, refuses_missing_and_foreign_files)
{
    zm_catalog *catalog = NULL;
    cr_expect_eq(zm_catalog_read("/nonexistent/catalog.fits", &catalog), ZM_ERR_IO);
    cr_expect_eq(zm_catalog_read(ZM_SOURCE_DIR "/CMakeLists.txt", &catalog),
                 ZM_ERR_FORMAT);
    cr_expect_not_null(strstr(zm_error_detail(), "CMakeLists.txt"));
}

Test(catalog, reads_the_real_main_sample)
{
    char path[1024];
    const char *data = getenv("ZMAE_DATA");
    snprintf(path, sizeof path, "%s/catalogues/kcorrect_gst_tests_small.fits",
             data ? data : ZM_SOURCE_DIR "/../shared/data");
    if (access(path, R_OK) != 0)
        cr_skip_test("no real data: set ZMAE_DATA");
    zm_catalog *catalog = NULL;
    cr_assert_eq(zm_catalog_read(path, &catalog), ZM_OK, "%s", zm_error_detail());
    cr_expect_eq(catalog->count, 10000);
    uint64_t faint = 0;
    double ebv = 0.0;
    for (uint64_t i = 0; i < catalog->count; i++) {
        faint += catalog->rows[i].flux_nmgy[0] <= 0.0f;
        ebv += (double)catalog->rows[i].ebv;
    }
    cr_expect_eq(faint, 12); // counted with astropy
    cr_expect_float_eq(ebv / 10000.0, 0.032, 0.006, "%g", ebv / 10000.0);
    zm_catalog_destroy(&catalog);
}
