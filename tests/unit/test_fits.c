#include "io_helpers.h"

#include "fits_helpers.h"

#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>

#include "core/io/fits.h"

// A header made of cards, padded to blocks, followed by data_size bytes.
static uint8_t *make_header(const char *const *cards, size_t count, size_t data_size,
                            size_t *size)
{
    const size_t header = (count * 80 + 2879) / 2880 * 2880;
    *size = header + data_size;
    uint8_t *data = malloc(*size);
    cr_assert(data);
    memset(data, ' ', header);
    memset(data + header, 0, data_size);
    for (size_t i = 0; i < count; i++)
        memcpy(data + i * 80, cards[i], strlen(cards[i]));
    return data;
}

#define SCAN(list, data_size, ...)                                                       \
    scan_cards((const char *const[]){__VA_ARGS__},                                       \
               sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), data_size,   \
               list)

static zm_status scan_cards(const char *const *cards, size_t count, size_t data_size,
                            zm_fits_list *list)
{
    size_t size;
    uint8_t *data = make_header(cards, count, data_size, &size);
    const zm_status st = zm_fits_scan("file", data, size, list);
    free(data);
    return st;
}

Test(fits, a_plain_header_is_understood)
{
    zm_fits_list list = {0};
    expect_ok(SCAN(&list, 2880, "SIMPLE  =                    T",
                   "BITPIX  =                  -32", "NAXIS   =                    3",
                   "NAXIS1  =                    8", "NAXIS2  =                    4",
                   "NAXIS3  =                    5", "BUNIT   = 'nano''s  '",
                   "CHECKSUM= 'x'", "END"));
    cr_assert_eq(list.count, 1);
    const zm_fits_hdu *h = &list.hdus[0];
    cr_expect(h->kind == ZM_FITS_IMAGE && h->bitpix == -32 && h->naxis == 3);
    cr_expect(h->axes[0] == 8 && h->axes[1] == 4 && h->axes[2] == 5);
    cr_expect(h->data_size == 640 && h->data_offset == 2880 && !h->truncated);
    cr_expect(h->has_checksum && !list.compressed);
    cr_expect_str_eq(h->unit, "nano's");
    zm_fits_list_finish(&list);
}

Test(fits, hostile_headers_are_refused_without_allocation)
{
    zm_fits_list list = {0};
    expect_status(SCAN(&list, 0, "SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0"),
                  ZM_ERR_FORMAT); // no END
    expect_status(SCAN(&list, 0, "SIMPLE  = T", "BITPIX  = 7", "NAXIS   = 0", "END"),
                  ZM_ERR_FORMAT);
    expect_detail("BITPIX");
    expect_status(SCAN(&list, 0, "SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 999", "END"),
                  ZM_ERR_FORMAT);
    expect_status(SCAN(&list, 0, "SIMPLE  = T", "BITPIX  = 8", "NAXIS   = -1", "END"),
                  ZM_ERR_FORMAT);
    expect_status(SCAN(&list, 0, "SIMPLE  = T", "BITPIX  = 8", "END"), ZM_ERR_FORMAT);
    expect_status(SCAN(&list, 0, "SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 1",
                       "NAXIS1  = -8", "END"),
                  ZM_ERR_FORMAT);
    expect_status(SCAN(&list, 0, "SIMPLE  = T", "BITPIX  = -64", "NAXIS   = 2",
                       "NAXIS1  = 4611686018427387904", "NAXIS2  = 4611686018427387904",
                       "END"),
                  ZM_ERR_FORMAT);
    expect_detail("overflow");
    expect_status(SCAN(&list, 0, "SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 1",
                       "NAXIS1  = 99999999999999999999999", "END"),
                  ZM_ERR_FORMAT);
    expect_status(SCAN(&list, 0, "SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 1",
                       "NAXIS1  = 8", "PCOUNT  = 9223372036854775807",
                       "GCOUNT  = 9223372036854775807", "END"),
                  ZM_ERR_FORMAT);
    expect_status(SCAN(&list, 0, "SIMPLE  = T", "NAXIS   = 0", "BITPIX  = 8", "END"),
                  ZM_ERR_FORMAT);
    expect_detail("BITPIX in card 2");
    expect_status(SCAN(&list, 0, "SIMPLE  = T", "BITPIX  = 'x'", "NAXIS   = 0", "END"),
                  ZM_ERR_FORMAT);
    cr_expect_null(list.hdus);
}

Test(fits, a_claim_beyond_the_file_is_seen_before_reading)
{
    char dir[TEST_PATH], path[TEST_PATH];
    size_t size;
    zm_fits_image *image = NULL;
    static const char *const cards[] = {"SIMPLE  =                    T",
                                        "BITPIX  =                  -32",
                                        "NAXIS   =                    3",
                                        "NAXIS1  =               100000",
                                        "NAXIS2  =               100000",
                                        "NAXIS3  =                    5",
                                        "END"};
    test_dir_create(dir);
    uint8_t *data = make_header(cards, 7, 0, &size);
    test_write_file(test_join(dir, "bomb.fits", path), data, size);
    free(data);
    expect_status(zm_fits_image_read(path, NULL, -1, &image), ZM_ERR_FORMAT);
    expect_detail("truncated");
    test_dir_remove(dir);
}

static void expect_sample(const char *path, int hdu, double tolerance)
{
    zm_fits_image *image = NULL;
    expect_ok(zm_fits_image_read(path, test_helper, -1, &image));
    cr_expect_eq(image->hdu, (uint32_t)hdu);
    cr_expect(image->width == 32 && image->height == 32 && image->depth == 5);
    cr_expect_str_eq(image->unit, "nanomaggy");
    for (int i = 0; i < SAMPLE_PIXELS; i++)
        cr_assert(fabs((double)(image->data[i] - sample_pixel(i))) <= tolerance,
                  "%s: pixel %d: %g", path, i, (double)image->data[i]);
    zm_fits_image_destroy(&image);
}

Test(fits, plain_and_packed_cubes_hold_the_same_pixels)
{
    char dir[TEST_PATH], plain[TEST_PATH], path[TEST_PATH];
    size_t size;
    test_need_helper();
    test_dir_create(dir);
    cr_assert_eq(sample_cube(test_join(dir, "a.fits", plain), 0, FLOAT_IMG, true), 0);
    expect_sample(plain, 0, 0.0);
    uint8_t *data = sample_load(plain, &size);
    sample_gzip(test_join(dir, "named.fits", path), data, size); // by content, not name
    expect_sample(path, 0, 0.0);
    sample_bzip2(path, data, size);
    expect_sample(path, 0, 0.0);
    sample_compress(path, data, size);
    expect_sample(path, 0, 0.0);
    free(data);
    test_dir_remove(dir);
}

// Quantised floats are off by half a step: sigma / 4 / 2 of noise that spans 250.
Test(fits, tile_compressed_cubes_are_decoded)
{
    char dir[TEST_PATH], path[TEST_PATH];
    zm_fits_image *image = NULL;
    static const int types[] = {RICE_1, HCOMPRESS_1, PLIO_1, GZIP_1, GZIP_2};
    test_need_helper();
    test_dir_create(dir);
    test_join(dir, "a.fits.fz", path);
    for (size_t k = 0; k < ZM_COUNT_OF(types); k++) {
        cr_assert_eq(sample_cube(path, types[k], SHORT_IMG, true), 0);
        expect_ok(zm_fits_image_read(path, test_helper, -1, &image));
        for (int i = 0; i < SAMPLE_PIXELS; i++)
            cr_assert_eq(image->data[i], (float)(int)(sample_pixel(i) + 20.0f));
        zm_fits_image_destroy(&image);
    }
    cr_assert_eq(sample_cube(path, RICE_1, FLOAT_IMG, true), 0);
    expect_sample(path, 1, 20.0);
    test_dir_remove(dir);
}

Test(fits, compressed_files_are_refused_without_a_decoder)
{
    char dir[TEST_PATH], path[TEST_PATH];
    zm_fits_image *image = NULL;
    zm_fits_list list = {0};
    test_dir_create(dir);
    cr_assert_eq(sample_cube(test_join(dir, "a.fits", path), RICE_1, FLOAT_IMG, true), 0);
    expect_status(zm_fits_image_read(path, NULL, -1, &image), ZM_ERR_FORMAT);
    expect_status(zm_fits_image_read(path, "/nonexistent/zmae", -1, &image), ZM_ERR_IO);
    expect_status(zm_fits_image_read(path, "/bin/true", -1, &image), ZM_ERR_FORMAT);
    expect_status(zm_fits_image_read(path, "/bin/ls", -1, &image), ZM_ERR_FORMAT);
    expect_ok(zm_fits_describe(path, NULL, &list)); // headers need no decoder
    cr_expect_eq(list.count, 2);
    cr_expect_str_eq(list.hdus[1].compression, "RICE_1");
    cr_expect(list.hdus[1].bitpix == -32 && list.hdus[1].axes[2] == 5);
    zm_fits_list_finish(&list);
    test_dir_remove(dir);
}

// A decoder that is killed, lies about its size, or sends a wrong sum.
Test(fits, a_dying_or_lying_decoder_is_an_error_that_names_the_file)
{
    static const struct {
        const char *script;
        const char *detail;
    } cases[] = {{"kill -SEGV $$", "died with signal 11"},
                 {"printf 'ZMZFITS1'; kill -ABRT $$", "died with signal 6"},
                 {"exit 3", "status 3"},
                 {"printf 'ZMZFITS1\\0\\0\\0\\0\\0\\0\\0\\0"
                  "\\377\\377\\377\\377\\377\\377\\377\\377'",
                  "status 0"},
                 {"printf 'ZMZFITS1\\0\\0\\0\\0\\0\\0\\0\\0"
                  "\\1\\0\\0\\0\\0\\0\\0\\0xwrongsum'",
                  "status 0"}};
    char dir[TEST_PATH], path[TEST_PATH], helper[TEST_PATH], script[512];
    zm_fits_image *image = NULL;
    test_dir_create(dir);
    test_join(dir, "helper", helper);
    cr_assert_eq(sample_cube(test_join(dir, "a.fz", path), RICE_1, FLOAT_IMG, true), 0);
    for (size_t i = 0; i < ZM_COUNT_OF(cases); i++) {
        const int n = snprintf(script, sizeof script, "#!/bin/sh\n%s\n", cases[i].script);
        test_write_file(helper, script, (size_t)n);
        cr_assert_eq(chmod(helper, 0755), 0);
        expect_status(zm_fits_image_read(path, helper, -1, &image), ZM_ERR_FORMAT);
        expect_detail(cases[i].detail);
        expect_detail(path);
    }
    test_dir_remove(dir);
}

Test(fits, bombs_are_refused)
{
    char dir[TEST_PATH], path[TEST_PATH];
    zm_fits_image *image = NULL;
    size_t size;
    static const char *const cards[] = {"SIMPLE  =                    T",
                                        "BITPIX  =                  -32",
                                        "NAXIS   =                    3",
                                        "NAXIS1  =                 2048",
                                        "NAXIS2  =                 2048",
                                        "NAXIS3  =                    5",
                                        "END"};
    test_need_helper();
    test_dir_create(dir);
    uint8_t *data = make_header(cards, 7, 2048 * 2048 * 20, &size);
    sample_gzip(test_join(dir, "b.fits.gz", path), data, size);
    expect_status(zm_fits_image_read(path, test_helper, -1, &image), ZM_ERR_FORMAT);
    expect_detail("expands beyond");
    sample_bzip2(path, data, size);
    expect_status(zm_fits_image_read(path, test_helper, -1, &image), ZM_ERR_FORMAT);
    expect_detail("expands beyond");
    free(data);
    test_dir_remove(dir);
}

Test(fits, damaged_compressed_files_are_errors_and_never_crash)
{
    char dir[TEST_PATH], path[TEST_PATH], plain[TEST_PATH];
    static const int types[] = {RICE_1, HCOMPRESS_1, PLIO_1, GZIP_1};
    uint64_t random = 1;
    int errors = 0;
    test_need_helper();
    test_dir_create(dir);
    test_join(dir, "d.fits", path);
    test_join(dir, "plain.fits", plain);
    cr_assert_eq(sample_cube(plain, 0, FLOAT_IMG, false), 0);
    for (int k = 0; k < 7; k++) {
        size_t size;
        uint8_t *data = sample_load(plain, &size);
        if (k < 4)
            cr_assert_eq(
                sample_cube(path, types[k], k == 2 ? SHORT_IMG : FLOAT_IMG, false), 0);
        else
            (k == 4   ? sample_gzip
             : k == 5 ? sample_bzip2
                      : sample_compress)(path, data, size);
        free(data);
        data = sample_load(path, &size);
        for (int variant = 0; variant < 12; variant++) {
            zm_fits_image *image = NULL;
            const size_t at = test_random(&random) % size;
            const uint8_t old = data[at];
            data[at] = (uint8_t)test_random(&random);
            const size_t kept = variant % 4 == 3 ? at + 1 : size;
            test_write_file(path, data, kept);
            const zm_status st = zm_fits_image_read(path, test_helper, -1, &image);
            cr_expect(st == ZM_OK || st == ZM_ERR_FORMAT, "%s", zm_error_detail());
            errors += st != ZM_OK;
            zm_fits_image_destroy(&image);
            data[at] = old;
        }
        free(data);
    }
    cr_expect_gt(errors, 30);
    test_dir_remove(dir);
}

Test(fits, a_wrong_checksum_is_an_error_that_names_the_hdu)
{
    char dir[TEST_PATH], path[TEST_PATH];
    zm_fits_image *image = NULL;
    size_t size;
    test_dir_create(dir);
    cr_assert_eq(sample_cube(test_join(dir, "a.fits", path), 0, FLOAT_IMG, true), 0);
    uint8_t *data = sample_load(path, &size);
    data[2880 * 2] ^= 1;
    test_write_file(path, data, size);
    expect_status(zm_fits_image_read(path, NULL, -1, &image), ZM_ERR_FORMAT);
    expect_detail("HDU 0: DATASUM");
    free(data);
    test_dir_remove(dir);
}

Test(fits, truncated_files_are_errors)
{
    char dir[TEST_PATH], path[TEST_PATH];
    struct stat info;
    test_dir_create(dir);
    cr_assert_eq(sample_cube(test_join(dir, "a.fits", path), 0, FLOAT_IMG, true), 0);
    cr_assert_eq(stat(path, &info), 0);
    for (off_t n = 2880 + SAMPLE_PIXELS * 4 - 1; n >= 0; n -= 1013) {
        zm_fits_image *image = NULL;
        cr_assert_eq(truncate(path, n), 0);
        expect_status(zm_fits_image_read(path, NULL, -1, &image), ZM_ERR_FORMAT);
    }
    test_dir_remove(dir);
}

Test(fits, integers_with_scale_and_blank_become_floats)
{
    char dir[TEST_PATH], path[TEST_PATH];
    fitsfile *f = NULL;
    zm_fits_image *image = NULL;
    int status = 0;
    long axes[2] = {3, 1};
    short pixels[3] = {10, -32768, 20};
    test_dir_create(dir);
    fits_create_diskfile(&f, test_join(dir, "a.fits", path), &status);
    fits_create_img(f, SHORT_IMG, 2, axes, &status);
    fits_write_img(f, TSHORT, 1, 3, pixels, &status);
    fits_write_key_dbl(f, "BSCALE", 0.5, 10, NULL, &status);
    fits_write_key_dbl(f, "BZERO", 100.0, 10, NULL, &status);
    fits_write_key_lng(f, "BLANK", -32768, NULL, &status);
    fits_write_key_str(f, "OBJECT", "it's", NULL, &status);
    fits_close_file(f, &status);
    cr_assert_eq(status, 0);
    expect_ok(zm_fits_image_read(path, NULL, -1, &image));
    cr_expect(image->data[0] == 105.0f && isnan(image->data[1]) &&
              image->data[2] == 110.0f);
    double value = 0;
    char text[ZM_FITS_TEXT];
    cr_expect(zm_fits_key_f64(image->header, "BSCALE", &value) && value == 0.5);
    cr_expect(zm_fits_key_string(image->header, "OBJECT", text));
    cr_expect_str_eq(text, "it's");
    cr_expect_not(zm_fits_key_f64(image->header, "NONE", &value));
    zm_fits_image_destroy(&image);
    test_dir_remove(dir);
}

Test(fits, odd_file_names_are_plain_names)
{
    static const char *const names[] = {"a[1].fits", "!b.fits", "~c.fits", "d.fits+1",
                                        "mem:e",     " f.fits", "-"};
    char dir[TEST_PATH], path[TEST_PATH], plain[TEST_PATH];
    test_dir_create(dir);
    cr_assert_eq(sample_cube(test_join(dir, "x.fits", plain), 0, FLOAT_IMG, true), 0);
    cr_assert_eq(chdir(dir), 0);
    for (size_t i = 0; i < ZM_COUNT_OF(names); i++) {
        cr_assert_eq(rename(plain, test_join(dir, names[i], path)), 0);
        expect_sample(names[i], 0, 0.0);
        snprintf(plain, sizeof plain, "%s", path);
    }
    test_dir_remove(dir);
}

static void write_table(const char *path, uint64_t rows)
{
    static const zm_fits_field fields[] = {{"ID", "K", NULL, NULL},
                                           {"POS", "2D", "deg", NULL},
                                           {"FLUX", "6E", "nmgy", "(3,2)"},
                                           {"NAME", "8A", NULL, NULL}};
    zm_fits_writer *w = NULL;
    expect_ok(zm_fits_writer_create(path, "TEST", rows, fields, 4, &w));
    expect_ok(zm_fits_writer_string(w, "MODEL",
                                    "a long value that goes on and on beyond "
                                    "the sixty-eight characters of a card",
                                    NULL));
    expect_ok(zm_fits_writer_bool(w, "FLAG", true, "set"));
    expect_ok(zm_fits_writer_f64(w, "TENTH", 0.1, NULL));
    expect_ok(zm_fits_writer_history(w, "made by a test"));
    for (uint64_t i = 0; i < rows; i++) {
        const int64_t id = INT64_MAX - (int64_t)i;
        const double pos[2] = {(double)i / 3, NAN};
        const float flux[6] = {(float)i, NAN, 1e-40f, -3e38f, INFINITY, -0.0f};
        const char *const name[1] = {"ngc"};
        expect_ok(zm_fits_writer_cells(w, 0, i, 1, &id));
        expect_ok(zm_fits_writer_cells(w, 1, i, 1, pos));
        expect_ok(zm_fits_writer_cells(w, 2, i, 1, flux));
        expect_ok(zm_fits_writer_cells(w, 3, i, 1, name));
    }
    expect_ok(zm_fits_writer_finish(&w));
}

Test(fits, tables_survive_a_round_trip_bit_by_bit)
{
    char dir[TEST_PATH], path[TEST_PATH];
    zm_fits *f = NULL;
    zm_fits_column id, pos, flux, none;
    test_dir_create(dir);
    write_table(test_join(dir, "t.fits", path), 100);
    cr_expect_eq(test_dir_count(dir), 1);
    expect_ok(zm_fits_open(path, NULL, &f));
    cr_assert_eq(zm_fits_find_table(f, "test"), 1);
    cr_expect(zm_fits_hdus(f)->hdus[1].has_checksum);
    expect_ok(zm_fits_verify(f, 0));
    expect_ok(zm_fits_verify(f, 1));
    expect_ok(zm_fits_column_find(f, 1, "id", &id));
    expect_ok(zm_fits_column_find(f, 1, "Pos", &pos));
    expect_ok(zm_fits_column_find(f, 1, "FLUX", &flux));
    expect_ok(zm_fits_column_find(f, 1, "NONE", &none));
    cr_expect(none.number == 0 && id.is_integer && !pos.is_integer && id.rows == 100);
    cr_expect(flux.naxis == 2 && flux.axes[0] == 3 && flux.axes[1] == 2);
    cr_expect_str_eq(flux.unit, "nmgy");
    for (uint64_t k = 0; k < 100; k++) {
        const uint64_t i = k * 37 % 100;
        int64_t number;
        double d[2];
        float v[6];
        expect_ok(zm_fits_column_i64(f, &id, i, 1, -1, &number));
        expect_ok(zm_fits_column_f64(f, &pos, i, 1, d));
        expect_ok(zm_fits_column_f32(f, &flux, i, 1, v));
        cr_expect(number == INT64_MAX - (int64_t)i);
        cr_expect(d[0] == (double)i / 3 && isnan(d[1]));
        cr_expect(v[0] == (float)i && isnan(v[1]) && v[2] == 1e-40f && v[3] == -3e38f &&
                  isinf(v[4]) && signbit(v[5]));
    }
    float v[6];
    int64_t number;
    expect_status(zm_fits_column_f32(f, &flux, 100, 1, v), ZM_ERR_SHAPE);
    expect_status(zm_fits_column_f32(f, &flux, 1, UINT64_MAX, v), ZM_ERR_SHAPE);
    expect_status(zm_fits_column_i64(f, &flux, 0, 1, 0, &number), ZM_ERR_FORMAT);
    zm_fits_close(&f);
    test_dir_remove(dir);
}

Test(fits, several_tables_of_one_file_have_their_own_rows_and_checksums)
{
    char dir[TEST_PATH], path[TEST_PATH];
    static const zm_fits_field one[] = {{"XVALS", "3D", NULL, NULL}};
    static const zm_fits_field two[] = {{"ID", "K", NULL, NULL}, {"Z", "E", NULL, NULL}};
    const double x[3] = {0.25, 0.5, 0.75};
    const int64_t id[2] = {7, 8};
    const float z[2] = {0.1f, NAN};
    zm_fits_writer *w = NULL;
    zm_fits *f = NULL;
    zm_fits_column column;
    test_dir_create(dir);
    expect_ok(
        zm_fits_writer_create(test_join(dir, "t.fits", path), "meta", 1, one, 1, &w));
    expect_ok(zm_fits_writer_cells(w, 0, 0, 1, x));
    expect_ok(zm_fits_writer_table(w, "data", 2, two, 2));
    expect_status(zm_fits_writer_cells(w, 2, 0, 2, id), ZM_ERR_INTERNAL);
    expect_ok(zm_fits_writer_cells(w, 0, 0, 2, id));
    expect_ok(zm_fits_writer_cells(w, 1, 0, 2, z));
    expect_ok(zm_fits_writer_string(w, "NOTE", "of the second", NULL));
    expect_ok(zm_fits_writer_finish(&w));
    expect_ok(zm_fits_open(path, NULL, &f));
    cr_assert_eq(zm_fits_hdus(f)->count, 3);
    for (uint32_t hdu = 0; hdu < 3; hdu++) {
        cr_expect(zm_fits_hdus(f)->hdus[hdu].has_checksum);
        expect_ok(zm_fits_verify(f, hdu));
    }
    double back[3];
    int64_t number[2];
    expect_ok(zm_fits_column_find(f, 1, "XVALS", &column));
    expect_ok(zm_fits_column_f64(f, &column, 0, 1, back));
    cr_expect_eq(memcmp(back, x, sizeof x), 0);
    expect_ok(zm_fits_column_find(f, 2, "ID", &column));
    cr_expect_eq(column.rows, 2);
    expect_ok(zm_fits_column_i64(f, &column, 0, 2, -1, number));
    cr_expect(number[0] == 7 && number[1] == 8);
    zm_fits_close(&f);
    // a table that is not full ends the file
    expect_ok(zm_fits_writer_create(path, "meta", 2, one, 1, &w));
    expect_ok(zm_fits_writer_cells(w, 0, 0, 1, x));
    expect_status(zm_fits_writer_table(w, "data", 2, two, 2), ZM_ERR_INTERNAL);
    zm_fits_writer_abort(&w);
    test_dir_remove(dir);
}

Test(fits, the_same_table_has_the_same_bytes)
{
    char dir[TEST_PATH], a[TEST_PATH], b[TEST_PATH];
    size_t n, m;
    test_dir_create(dir);
    write_table(test_join(dir, "a.fits", a), 10);
    sleep(1); // a time in the header would differ
    write_table(test_join(dir, "b.fits", b), 10);
    uint8_t *x = sample_load(a, &n);
    uint8_t *y = sample_load(b, &m);
    cr_expect(n == m && memcmp(x, y, n) == 0);
    cr_expect_eq(n % 2880, 0);
    free(x);
    free(y);
    test_dir_remove(dir);
}

Test(fits, an_aborted_table_or_a_full_disk_leaves_nothing)
{
    char dir[TEST_PATH], path[TEST_PATH];
    static const zm_fits_field fields[] = {{"IMAGE", "5000E", NULL, NULL}};
    static float row[5000];
    zm_fits_writer *w = NULL;
    test_dir_create(dir);
    test_join(dir, "t.fits", path);
    expect_ok(zm_fits_writer_create(path, "T", 2, fields, 1, &w));
    expect_ok(zm_fits_writer_cells(w, 0, 0, 1, row));
    zm_fits_writer_abort(&w);
    cr_expect_eq(test_dir_count(dir), 0);
    expect_ok(zm_fits_writer_create(path, "T", 2, fields, 1, &w));
    expect_ok(zm_fits_writer_cells(w, 0, 0, 1, row));
    expect_status(zm_fits_writer_finish(&w), ZM_ERR_INTERNAL); // one row of two
    cr_expect_eq(test_dir_count(dir), 0);
    signal(SIGXFSZ, SIG_IGN);
    const struct rlimit small = {200000, 200000};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    expect_ok(zm_fits_writer_create(path, "T", 100, fields, 1, &w));
    zm_status st = ZM_OK;
    for (uint64_t i = 0; i < 100 && st == ZM_OK; i++)
        st = zm_fits_writer_cells(w, 0, i, 1, row);
    if (st == ZM_OK) {
        st = zm_fits_writer_finish(&w);
    } else {
        zm_fits_writer_abort(&w);
    }
    cr_expect_eq(st, ZM_ERR_IO, "%s", zm_error_detail());
    cr_expect_eq(test_dir_count(dir), 0);
    test_dir_remove(dir);
}

// What astropy saw in one image HDU, against what is read.
static void compare_hdu(const char *path, const json_t *hdu, int *compared)
{
    zm_fits_image *image = NULL;
    const int index = (int)json_integer_value(json_object_get(hdu, "index"));
    const json_t *shape = json_object_get(hdu, "shape");
    if (!json_is_array(shape) || !json_object_get(hdu, "mean"))
        return;
    if (zm_fits_image_read(path, test_helper, index, &image) != ZM_OK) {
        // stale checksums are refused on purpose
        cr_expect(strstr(zm_error_detail(), "SUM"), "%s", zm_error_detail());
        return;
    }
    const size_t axes = json_array_size(shape);
    const uint64_t mine[3] = {image->depth, image->height, image->width};
    for (size_t i = 0; i < axes && axes <= 3; i++)
        cr_expect_eq((json_int_t)mine[3 - axes + i],
                     json_integer_value(json_array_get(shape, i)), "%s", path);
    double sum = 0, low = INFINITY, high = -INFINITY;
    uint64_t finite = 0;
    const uint64_t n = mine[0] * mine[1] * mine[2];
    for (uint64_t i = 0; i < n; i++) {
        const double v = (double)image->data[i];
        if (!isfinite(v))
            continue;
        finite++;
        sum += v;
        low = fmin(low, v);
        high = fmax(high, v);
    }
    const double mean = json_number_value(json_object_get(hdu, "mean"));
    const double scale = fmax(fabs(low), fabs(high)) + 1e-30;
    cr_expect(fabs(sum / (double)finite - mean) <= 1e-6 * scale, "%s: mean %g, not %g",
              path, sum / (double)finite, mean);
    cr_expect(fabs(low - json_number_value(json_object_get(hdu, "min"))) <= 1e-6 * scale);
    cr_expect(fabs(high - json_number_value(json_object_get(hdu, "max"))) <=
              1e-6 * scale);
    cr_expect_eq(n - finite,
                 (uint64_t)json_integer_value(json_object_get(hdu, "nonfinite")), "%s",
                 path);
    zm_fits_image_destroy(&image);
    ++*compared;
}

Test(fits, images_have_the_pixels_that_astropy_sees)
{
    char root[TEST_PATH], path[TEST_PATH];
    int compared = 0;
    test_need_helper();
    test_data("fits-conformance", root);
    json_t *manifest = json_load_file(test_join(root, "manifest.json", path), 0, NULL);
    cr_assert(manifest);
    const char *name;
    json_t *entry;
    json_object_foreach(manifest, name, entry)
    {
        zm_fits_list list = {0};
        test_join(root, name, path);
        if (zm_fits_describe(path, test_helper, &list) == ZM_OK)
            cr_expect(list.count >= json_array_size(json_object_get(entry, "hdus")),
                      "%s: %u HDUs %s", name, (unsigned)list.count, list.note);
        else
            // astropy repairs the order of keywords; cfitsio and the standard do not
            cr_expect(json_object_get(entry, "error") ||
                          strstr(zm_error_detail(), "in card"),
                      "%s", zm_error_detail());
        zm_fits_list_finish(&list);
        size_t i;
        json_t *hdu;
        json_array_foreach(json_object_get(entry, "hdus"), i, hdu)
            compare_hdu(path, hdu, &compared);
    }
    json_decref(manifest);
    cr_log_info("%d image HDUs compared", compared);
    cr_expect_geq(compared, 25);
}

Test(fits, sdss_frames_are_read)
{
    char path[TEST_PATH];
    zm_fits_image *image = NULL;
    double value = 0;
    test_need_helper();
    test_data("sdss-frames/003918-3-0213/frame-r-003918-3-0213.fits.bz2", path);
    expect_ok(zm_fits_image_read(path, test_helper, -1, &image));
    cr_expect(image->width == 2048 && image->height == 1489 && image->depth == 1);
    cr_expect_str_eq(image->unit, "nanomaggy");
    cr_expect(zm_fits_key_f64(image->header, "CD1_1", &value));
    zm_fits_image_destroy(&image);
    expect_ok(zm_fits_image_read(path, test_helper, 1, &image)); // calibration vector
    cr_expect(image->width == 2048 && image->height == 1);
    zm_fits_image_destroy(&image);
}
