#include "io_helpers.h"

#include "fits_helpers.h"

#include <math.h>

#include "core/data/dataset.h"
#include "core/data/photometry.h"
#include "core/data/sample.h"
#include "core/io/bytes.h"
#include "core/io/safetensors.h"

enum { SIDE = 8, WIDE = 10, IMAGE = ZM_BANDS * SIDE * WIDE, ROWS = 7 };

typedef struct collected {
    int count;
    char last[1024];
} collected;

static void collect(void *user, zm_log_level level, const char *message)
{
    collected *c = user;
    if (level != ZM_LOG_WARN)
        return;
    c->count++;
    snprintf(c->last, sizeof c->last, "%s", message);
}

static void sample_row(uint64_t i, zm_row *row, float *image)
{
    *row = (zm_row){.object_id = INT64_C(1237662301903192106) + (int64_t)i,
                    .ra_deg = 10.0 / 3.0 + (double)i,
                    .dec_deg = -1e-9,
                    .z = i == 3 ? NAN : 0.1f * (float)i,
                    .ebv = 0.03f,
                    .label = -1,
                    .coverage = 1.0f - 0.125f * (float)i,
                    .flags = i == 4 ? ZM_FLAG_OFF_FRAME | ZM_FLAG_DUPLICATE_ID : 0};
    for (int band = 0; band < ZM_BANDS; band++)
        row->mags[band] = 17.0f + (float)band + (float)i / 7.0f;
    for (int k = 0; k < IMAGE; k++)
        image[k] = (float)k * 0.01f - (float)i;
}

static void write_sample(const char *path)
{
    zm_dataset_writer *w = NULL;
    const zm_dataset_info info = {.count = ROWS,
                                  .height = SIDE,
                                  .width = WIDE,
                                  .simulated = true,
                                  .mag_kind = ZM_MAG_MODEL,
                                  .origin = "a test"};
    expect_ok(zm_dataset_writer_create(path, &info, &w));
    for (uint64_t i = 0; i < ROWS; i++) {
        zm_row row;
        float image[IMAGE];
        sample_row(i, &row, image);
        if (i == 2) {
            image[0] = NAN;
            image[IMAGE / 2 + 4 * WIDE + 5] = INFINITY;
        }
        expect_ok(zm_dataset_writer_row(w, &row, image));
    }
    expect_ok(zm_dataset_writer_finish(&w));
}

static void expect_sample(const char *path, const char *format)
{
    zm_dataset *ds = NULL;
    expect_ok(zm_dataset_open(path, test_helper, NULL, &ds));
    cr_expect_str_eq(ds->format, format);
    cr_assert(ds->count == ROWS && ds->height == SIDE && ds->width == WIDE);
    cr_expect(ds->has_mags && ds->has_ids && !ds->has_mask_noise && ds->simulated);
    cr_expect_eq(ds->mag_kind, ZM_MAG_MODEL);
    for (uint64_t k = 0; k < ROWS; k++) {
        const uint64_t i = k * 3 % ROWS; // out of order
        zm_row row;
        float image[IMAGE], found[IMAGE];
        uint32_t flags = 99;
        sample_row(i, &row, image);
        expect_ok(zm_dataset_image(ds, i, found, &flags));
        const zm_row *r = &ds->rows[i];
        cr_expect(r->object_id == row.object_id && r->ra_deg == row.ra_deg &&
                  r->dec_deg == row.dec_deg && r->ebv == row.ebv && r->label == -1);
        cr_expect(i == 3 ? isnan(r->z) : r->z == row.z);
        cr_expect(isnan(r->coverage) && r->flags == 0); // not written unless asked for
        cr_expect_eq(memcmp(r->mags, row.mags, sizeof row.mags), 0);
        if (i == 2) {
            image[0] = 0.0f;
            image[IMAGE / 2 + 4 * WIDE + 5] = 0.0f;
        }
        cr_expect_eq(flags, i == 2 ? ZM_FLAG_MASKED | ZM_FLAG_CENTRE_MASKED : 0u);
        cr_expect_eq(memcmp(image, found, sizeof image), 0, "row %d", (int)i);
    }
    float image[IMAGE];
    uint32_t flags;
    expect_status(zm_dataset_image(ds, ROWS, image, &flags), ZM_ERR_SHAPE);
    expect_status(zm_dataset_mask_noise(ds, 0, image), ZM_ERR_FORMAT);
    zm_dataset_close(&ds);
}

Test(dataset, both_formats_survive_a_round_trip_bit_by_bit)
{
    char dir[TEST_PATH], path[TEST_PATH];
    test_dir_create(dir);
    write_sample(test_join(dir, "d.safetensors", path));
    expect_sample(path, "safetensors");
    write_sample(test_join(dir, "d.fits", path));
    expect_sample(path, "fits-table");
    test_dir_remove(dir);
}

// Rows in the order 3 6 2 5 1 4 0, one of them twice.
static void place_sample(const char *path)
{
    zm_dataset_writer *w = NULL;
    const zm_dataset_info info = {
        .count = ROWS, .height = SIDE, .width = WIDE, .records_flags = true};
    expect_ok(zm_dataset_writer_create(path, &info, &w));
    for (uint64_t k = 0; k < ROWS + 1; k++) {
        const uint64_t i = (k + 1) * 3 % ROWS;
        zm_row row;
        float image[IMAGE];
        sample_row(k < ROWS ? i : 3, &row, image);
        if (k == 0)
            image[7] = 99.0f; // placed again below, as it is to be
        expect_ok(zm_dataset_writer_place(w, k < ROWS ? i : 3, &row, image));
    }
    zm_row row;
    float image[IMAGE];
    sample_row(0, &row, image);
    expect_status(zm_dataset_writer_place(w, ROWS, &row, image), ZM_ERR_INTERNAL);
    expect_ok(zm_dataset_writer_finish(&w));
}

Test(dataset, rows_placed_in_any_order_come_back_with_their_flags)
{
    static const char *const names[] = {"d.safetensors", "d.fits"};
    char dir[TEST_PATH], path[TEST_PATH];
    test_dir_create(dir);
    for (int f = 0; f < 2; f++) {
        zm_dataset *ds = NULL;
        place_sample(test_join(dir, names[f], path));
        expect_ok(zm_dataset_open(path, test_helper, NULL, &ds));
        for (uint64_t i = 0; i < ROWS; i++) {
            zm_row row;
            float image[IMAGE], found[IMAGE];
            uint32_t flags;
            sample_row(i, &row, image);
            expect_ok(zm_dataset_image(ds, i, found, &flags));
            cr_expect_eq(memcmp(image, found, sizeof image), 0, "%s row %d", names[f],
                         (int)i);
            cr_expect(ds->rows[i].object_id == row.object_id &&
                      ds->rows[i].coverage == row.coverage &&
                      ds->rows[i].flags == row.flags);
        }
        zm_dataset_close(&ds);
    }
    test_dir_remove(dir);
}

Test(dataset, a_row_that_is_never_placed_is_an_error_and_leaves_nothing)
{
    static const char *const names[] = {"d.safetensors", "d.fits"};
    char dir[TEST_PATH], path[TEST_PATH];
    test_dir_create(dir);
    for (int f = 0; f < 2; f++) {
        zm_dataset_writer *w = NULL;
        zm_row row;
        float image[IMAGE];
        const zm_dataset_info info = {.count = ROWS, .height = SIDE, .width = WIDE};
        sample_row(0, &row, image);
        expect_ok(zm_dataset_writer_create(test_join(dir, names[f], path), &info, &w));
        expect_ok(zm_dataset_writer_place(w, ROWS - 1, &row, image));
        expect_status(zm_dataset_writer_finish(&w), ZM_ERR_INTERNAL);
    }
    cr_expect_eq(test_dir_count(dir), 0);
    test_dir_remove(dir);
}

Test(dataset, bands_and_cutouts_without_a_pixel_are_flagged)
{
    char dir[TEST_PATH], path[TEST_PATH];
    const zm_dataset_info info = {.count = 2, .height = SIDE, .width = SIDE};
    enum { PIXELS = SIDE * SIDE };
    float image[ZM_BANDS * PIXELS] = {0};
    zm_dataset_writer *w = NULL;
    zm_dataset *ds = NULL;
    uint32_t flags = 0;
    const zm_row row = zm_row_unknown(0);
    test_dir_create(dir);
    expect_ok(zm_dataset_writer_create(test_join(dir, "d.fits", path), &info, &w));
    for (int i = 2 * PIXELS; i < 3 * PIXELS; i++)
        image[i] = NAN;
    expect_ok(zm_dataset_writer_row(w, &row, image));
    for (int i = 0; i < ZM_BANDS * PIXELS; i++)
        image[i] = NAN;
    expect_ok(zm_dataset_writer_row(w, &row, image));
    expect_ok(zm_dataset_writer_finish(&w));
    expect_ok(zm_dataset_open(path, test_helper, NULL, &ds));
    const uint32_t masked = ZM_FLAG_MASKED | ZM_FLAG_CENTRE_MASKED;
    expect_ok(zm_dataset_image(ds, 0, image, &flags));
    cr_expect_eq(flags, masked | (uint32_t)ZM_FLAG_MISSING_BAND);
    expect_ok(zm_dataset_image(ds, 1, image, &flags));
    cr_expect_eq(flags, masked | (uint32_t)ZM_FLAG_NO_IMAGE);
    zm_dataset_close(&ds);
    test_dir_remove(dir);
}

Test(dataset, recorded_flags_reach_the_sampler)
{
    char dir[TEST_PATH], path[TEST_PATH];
    zm_dataset *ds = NULL;
    zm_sampler sampler;
    float image[ZM_BANDS * SIDE * SIDE];
    uint32_t flags = 0;
    test_dir_create(dir);
    place_sample(test_join(dir, "d.fits", path));
    expect_ok(zm_dataset_open(path, test_helper, NULL, &ds));
    expect_ok(zm_sampler_init(&sampler, ds, SIDE));
    expect_ok(zm_sampler_read(&sampler, 4, image, NULL, &flags));
    cr_expect_eq(flags, (uint32_t)(ZM_FLAG_OFF_FRAME | ZM_FLAG_DUPLICATE_ID));
    expect_ok(zm_sampler_read(&sampler, 5, image, NULL, &flags));
    cr_expect_eq(flags, 0u);
    zm_sampler_finish(&sampler);
    zm_dataset_close(&ds);
    test_dir_remove(dir);
}

Test(dataset, a_fits_table_is_recognised_by_content)
{
    char dir[TEST_PATH], path[TEST_PATH], other[TEST_PATH];
    test_dir_create(dir);
    write_sample(test_join(dir, "d.fits", path));
    expect_sample(path, "fits-table");
    cr_assert_eq(rename(path, test_join(dir, "d.safetensors", other)), 0);
    expect_sample(other, "fits-table");
    test_dir_remove(dir);
}

Test(dataset, a_packed_fits_table_is_read)
{
    char dir[TEST_PATH], path[TEST_PATH];
    size_t size;
    test_need_helper();
    test_dir_create(dir);
    write_sample(test_join(dir, "d.fits", path));
    uint8_t *data = sample_load(path, &size);
    sample_gzip(path, data, size);
    free(data);
    expect_sample(path, "fits-table");
    test_dir_remove(dir);
}

Test(dataset, other_files_are_named_for_what_they_are)
{
    static const struct {
        const char *data;
        size_t size;
        const char *detail;
    } cases[] = {{"PK\3\4aaaaaaaaaaaa", 16, "zip"},
                 {"\x89HDF\r\n\x1a\n........", 16, "HDF5"},
                 {"", 0, "empty"},
                 {"id,ra,dec\n1,2,3\n", 16, "something else"}};
    char dir[TEST_PATH], path[TEST_PATH];
    zm_dataset *ds = NULL;
    test_dir_create(dir);
    test_join(dir, "f", path);
    for (size_t i = 0; i < ZM_COUNT_OF(cases); i++) {
        test_write_file(path, cases[i].data, cases[i].size);
        expect_status(zm_dataset_open(path, NULL, NULL, &ds), ZM_ERR_FORMAT);
        expect_detail(cases[i].detail);
    }
    remove(path);
    expect_status(zm_dataset_open(path, NULL, NULL, &ds), ZM_ERR_IO);
    expect_status(zm_dataset_open(dir, NULL, NULL, &ds), ZM_ERR_FORMAT);
    test_dir_remove(dir);
}

// A safetensors file of two images of 5 x 2 x 2 and one more tensor.
static void write_tensors(const char *path, const uint64_t images[4], const char *name,
                          zm_st_dtype dtype, uint32_t rank, const uint64_t *shape,
                          const void *data, uint64_t size)
{
    zm_st_writer *w = NULL;
    static const float pixels[256];
    uint64_t count = 1;
    for (int i = 0; i < 4; i++)
        count *= images[i];
    expect_ok(zm_st_writer_create(path, &w));
    expect_ok(zm_st_writer_declare(w, "images", ZM_ST_F32, 4, images));
    if (name)
        expect_ok(zm_st_writer_declare(w, name, dtype, rank, shape));
    expect_ok(zm_st_writer_data(w, pixels, count * 4));
    if (name)
        expect_ok(zm_st_writer_data(w, data, size));
    expect_ok(zm_st_writer_finish(&w));
}

Test(dataset, tensors_of_the_wrong_shape_are_errors_that_say_so)
{
    char dir[TEST_PATH], path[TEST_PATH];
    zm_dataset *ds = NULL;
    static const uint64_t good[4] = {2, 5, 2, 2};
    const float values[16] = {0};
    test_dir_create(dir);
    test_join(dir, "d", path);
    write_tensors(path, (uint64_t[]){2, 4, 2, 2}, NULL, ZM_ST_F32, 0, NULL, NULL, 0);
    expect_status(zm_dataset_open(path, NULL, NULL, &ds), ZM_ERR_FORMAT);
    expect_detail("found (2, 4, 2, 2)");
    write_tensors(path, (uint64_t[]){0, 5, 2, 2}, NULL, ZM_ST_F32, 0, NULL, NULL, 0);
    expect_status(zm_dataset_open(path, NULL, NULL, &ds), ZM_ERR_FORMAT);
    write_tensors(path, (uint64_t[]){2, 5, 0, 2}, NULL, ZM_ST_F32, 0, NULL, NULL, 0);
    expect_status(zm_dataset_open(path, NULL, NULL, &ds), ZM_ERR_FORMAT);
    write_tensors(path, good, "z", ZM_ST_F32, 1, (uint64_t[]){3}, values, 12);
    expect_status(zm_dataset_open(path, NULL, NULL, &ds), ZM_ERR_FORMAT);
    expect_detail("tensor z: expected shape (2), found (3)");
    write_tensors(path, good, "mags", ZM_ST_F32, 2, (uint64_t[]){2, 4}, values, 32);
    expect_status(zm_dataset_open(path, NULL, NULL, &ds), ZM_ERR_FORMAT);
    expect_detail("(2, 5), found (2, 4)");
    write_tensors(path, good, "object_id", ZM_ST_F32, 1, (uint64_t[]){2}, values, 8);
    expect_status(zm_dataset_open(path, NULL, NULL, &ds), ZM_ERR_FORMAT);
    test_dir_remove(dir);
}

Test(dataset, mask_noise_and_labels_are_read_by_row)
{
    char dir[TEST_PATH], path[TEST_PATH];
    zm_dataset *ds = NULL;
    float noise[3];
    const float values[6] = {1, 2, 3, 4, 5, 6};
    const int32_t labels[2] = {4, -1};
    test_dir_create(dir);
    test_join(dir, "d", path);
    write_tensors(path, (uint64_t[]){2, 5, 2, 2}, "mask_noise", ZM_ST_F32, 2,
                  (uint64_t[]){2, 3}, values, sizeof values);
    expect_ok(zm_dataset_open(path, NULL, NULL, &ds));
    cr_expect(ds->has_mask_noise && ds->mask_patches == 3 && !ds->has_mags &&
              !ds->has_ids && ds->rows[1].object_id == 1);
    expect_ok(zm_dataset_mask_noise(ds, 1, noise));
    cr_expect(noise[0] == 4 && noise[1] == 5 && noise[2] == 6);
    zm_dataset_close(&ds);
    write_tensors(path, (uint64_t[]){2, 5, 2, 2}, "label", ZM_ST_I32, 1, (uint64_t[]){2},
                  labels, sizeof labels);
    expect_ok(zm_dataset_open(path, NULL, NULL, &ds));
    cr_expect(ds->rows[0].label == 4 && ds->rows[1].label == -1);
    zm_dataset_close(&ds);
    test_dir_remove(dir);
}

Test(dataset, a_model_is_not_taken_for_a_data_set)
{
    char dir[TEST_PATH], path[TEST_PATH];
    zm_dataset *ds = NULL;
    zm_st_writer *w = NULL;
    test_dir_create(dir);
    expect_ok(zm_st_writer_create(test_join(dir, "m", path), &w));
    expect_ok(zm_st_writer_declare(w, "cls_token", ZM_ST_F32, 1, (uint64_t[]){1}));
    expect_ok(zm_st_writer_data(w, "abcd", 4));
    expect_ok(zm_st_writer_finish(&w));
    expect_status(zm_dataset_open(path, NULL, NULL, &ds), ZM_ERR_FORMAT);
    expect_detail("cls_token (is this a model?)");
    test_dir_remove(dir);
}

Test(dataset, an_unfinished_output_never_appears)
{
    char dir[TEST_PATH], path[TEST_PATH];
    const zm_dataset_info info = {.count = 2, .height = SIDE, .width = WIDE};
    test_dir_create(dir);
    for (int k = 0; k < 4; k++) {
        zm_dataset_writer *w = NULL;
        zm_row row;
        float image[IMAGE];
        sample_row(0, &row, image);
        test_join(dir, k % 2 ? "d.fits" : "d.safetensors", path);
        expect_ok(zm_dataset_writer_create(path, &info, &w));
        expect_ok(zm_dataset_writer_row(w, &row, image));
        if (k < 2)
            zm_dataset_writer_abort(&w);
        else
            expect_status(zm_dataset_writer_finish(&w), ZM_ERR_INTERNAL);
        cr_expect_eq(test_dir_count(dir), 0);
    }
    test_dir_remove(dir);
}

Test(dataset, frames_are_refused_with_their_shape)
{
    char dir[TEST_PATH], path[TEST_PATH];
    zm_dataset *ds = NULL;
    fitsfile *f = NULL;
    int status = 0;
    long axes[2] = {2048, 1489};
    test_dir_create(dir);
    fits_create_diskfile(&f, test_join(dir, "f.fits", path), &status);
    fits_create_img(f, FLOAT_IMG, 2, axes, &status);
    fits_close_file(f, &status);
    expect_status(zm_dataset_open(path, NULL, NULL, &ds), ZM_ERR_FORMAT);
    expect_detail("expected NAXIS3 = 5 (u g r i z), found 2 axes 2048 x 1489");
    test_dir_remove(dir);
}

Test(dataset, a_unit_other_than_nanomaggies_is_warned_of)
{
    char dir[TEST_PATH], path[TEST_PATH];
    zm_dataset *ds = NULL;
    fitsfile *f = NULL;
    int status = 0;
    collected c = {0};
    const zm_log log = {collect, &c};
    test_dir_create(dir);
    cr_assert_eq(sample_cube(test_join(dir, "f.fits", path), 0, FLOAT_IMG, true), 0);
    expect_ok(zm_dataset_open(path, NULL, &log, &ds));
    cr_expect_eq(c.count, 0);
    zm_dataset_close(&ds);
    fits_open_diskfile(&f, path, READWRITE, &status);
    fits_update_key_str(f, "BUNIT", "counts", NULL, &status);
    fits_write_chksum(f, &status);
    fits_close_file(f, &status);
    expect_ok(zm_dataset_open(path, NULL, &log, &ds));
    cr_expect_eq(c.count, 1);
    cr_expect(strstr(c.last, "counts"));
    zm_dataset_close(&ds);
    test_dir_remove(dir);
}

Test(dataset, a_directory_is_joined_with_its_labels)
{
    char dir[TEST_PATH], path[TEST_PATH];
    zm_dataset *ds = NULL;
    collected c = {0};
    const zm_log log = {collect, &c};
    static const char labels[] = "Z,FILE,z_dered,u_dered,z_spec,dec,ra,ebv,ext_r\n"
                                 "0.5,c.fits,15.5,19.5,,-1,2,,0.2751\n"
                                 "0.5,gone.fits,,,,,,,\n"
                                 "0.5,a.fits,,,0.25,,,0.5,0.2751\n";
    test_dir_create(dir);
    cr_assert_eq(sample_cube(test_join(dir, "a.fits", path), 0, FLOAT_IMG, true), 0);
    cr_assert_eq(sample_cube(test_join(dir, "b.fits", path), 0, FLOAT_IMG, true), 0);
    cr_assert_eq(sample_cube(test_join(dir, "c.fits", path), 0, FLOAT_IMG, true), 0);
    test_write_file(test_join(dir, "labels.csv", path), labels, sizeof labels - 1);
    test_write_file(test_join(dir, "notes.txt", path), "text", 4);
    test_write_file(test_join(dir, "half.fits", path), "SIMPLE  = T", 11);
    expect_ok(zm_dataset_open(dir, NULL, &log, &ds));
    cr_expect_str_eq(ds->format, "directory");
    cr_assert_eq(ds->count, 3);
    cr_expect(ds->skipped == 2 && c.count == 2, "%d", c.count);
    const zm_row *r = ds->rows; // order of labels.csv, then b
    cr_expect(r[0].object_id == 0 && r[0].z == 0.5f && r[0].mags[0] == 19.5f);
    cr_expect(r[0].mags[4] == 15.5f && isnan(r[0].mags[2]) && r[0].ra_deg == 2.0);
    cr_expect(r[1].object_id == 2 && r[1].z == 0.25f);
    cr_expect(r[0].ebv == 0.1f && r[1].ebv == 0.5f && isnan(r[2].ebv));
    cr_expect(r[2].object_id == 3 && isnan(r[2].z) && isnan(r[2].ra_deg));
    float image[SAMPLE_PIXELS];
    uint32_t flags;
    expect_ok(zm_dataset_image(ds, 2, image, &flags));
    cr_expect(image[100] == sample_pixel(100) && flags == 0);
    zm_dataset_close(&ds);
    test_dir_remove(dir);
}

Test(dataset, the_real_cutouts_are_read)
{
    char dir[TEST_PATH];
    zm_dataset *ds = NULL;
    collected c = {0};
    const zm_log log = {collect, &c};
    int labelled = 0;
    static float image[ZM_BANDS * 64 * 64];
    test_data("sdss-cutouts", dir);
    expect_ok(zm_dataset_open(dir, NULL, &log, &ds));
    cr_assert(ds->count == 50 && ds->width == 64 && ds->height == 64);
    cr_expect(c.count == 0 && ds->skipped == 0 && ds->has_mags);
    for (uint64_t i = 0; i < ds->count; i++) {
        const zm_row *r = &ds->rows[i];
        uint32_t flags = 0;
        float mags[ZM_BANDS];
        expect_ok(zm_dataset_image(ds, i, image, &flags));
        zm_aperture_mags(image, 64, 64, r->ebv, mags, &flags);
        cr_expect(isfinite(r->ra_deg) && isfinite(r->dec_deg) && isfinite(r->mags[2]));
        // the labels' apertures follow the galaxy: not the same, but not far
        cr_expect(fabsf(mags[2] - r->mags[2]) < 2.5f, "row %d: %g and %g", (int)i,
                  (double)mags[2], (double)r->mags[2]);
        labelled += isfinite(r->z);
    }
    cr_expect_eq(labelled, 1);
    zm_dataset_close(&ds);
}
