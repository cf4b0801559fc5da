#include "npy_helpers.h"
#include "zip_helpers.h"

#include <math.h>

#include "core/data/dataset.h"
#include "core/data/photometry.h"
#include "core/survey/cube_import.h"

// A cube of ROWS cutouts and its labels, in one archive.
enum { ROWS = 5, SIDE = 4, WIDE = 6, IMAGE = ZM_BANDS * SIDE * WIDE };

static const int64_t first_id = INT64_C(4611686018427387905); // not a double

static float pixel(int row, int band, int y, int x)
{
    return (float)(row * 1000 + band * 100 + y * 10 + x) / 7.0f;
}

static void build_cube(npy_image *n, bool bands_last)
{
    npy_begin(n, 1,
              bands_last
                  ? "{'descr': '<f4', 'fortran_order': False, 'shape': (5, 4, 6, 5)}"
                  : "{'descr': '<f4', 'fortran_order': False, 'shape': (5, 5, 4, 6)}");
    for (int row = 0; row < ROWS; row++)
        for (int i = 0; i < IMAGE; i++) {
            const int band = bands_last ? i % ZM_BANDS : i / (SIDE * WIDE);
            const int at = bands_last ? i / ZM_BANDS : i % (SIDE * WIDE);
            npy_put_f32(n, pixel(row, band, at / WIDE, at % WIDE));
        }
}

// Row 2 has no redshift, row 3 no magnitude in u; rows 0, 1 and 4 are in the main sample.
static void build_labels(npy_image *n, bool extinction)
{
    char header[1024];
    snprintf(
        header, sizeof header,
        "{'descr': [('specObjID', '<i8'), ('Z', '<f4'), ('ebv', '<f8'), "
        "('ra', '<f8'), ('DEC', '<f8'), ('modelMag_u', '<f4'), ('modelMag_g', '<f4'),"
        "('modelMag_r', '<f4'), ('modelMag_i', '<f4'), ('modelMag_z', '<f4'), "
        "%s('name', '|S4'), ('dered_petro_r', '<f4'), ('primTarget', '<i4')], "
        "'fortran_order': False, 'shape': (5,)}",
        extinction ? "('extinction_u', '<f4'), ('extinction_g', '<f4'), "
                     "('extinction_r', '<f4'), ('extinction_i', '<f4'), "
                     "('extinction_z', '<f4'), "
                   : "");
    npy_begin(n, 1, header);
    for (int row = 0; row < ROWS; row++) {
        npy_put_number(n, (uint64_t)(first_id + row), 8, false);
        npy_put_f32(n, row == 2 ? NAN : 0.1f * (float)row);
        npy_put_f64(n, 0.25);
        npy_put_f64(n, 100.0 / 3 + row);
        npy_put_f64(n, -row);
        for (int band = 0; band < ZM_BANDS; band++)
            npy_put_f32(n, row == 3 && band == 0 ? -9999 : 20.0f - (float)band);
        for (int band = 0; extinction && band < ZM_BANDS; band++)
            npy_put_f32(n, 0.5f * (float)band);
        npy_put(n, "abcd", 4);
        npy_put_f32(n, row == 3 ? 17.9f : 17.8f);
        npy_put_number(n, row == 2 ? 63 : 64, 4, false);
    }
}

static npy_image cube, labels;
static zip_image archive;
static char dir[TEST_PATH], npz[TEST_PATH], converted[TEST_PATH];

// Writes DIR/d.npz: labels before the cube or behind it, the cube stored or deflated.
static void write_npz(bool deflated, bool labels_first)
{
    static uint8_t packed[NPY_TEST_SIZE];
    const zip_item stored_cube = {
        .name = "cube.npy", .data = cube.data, .packed = cube.size};
    const zip_item packed_cube = {
        .name = "cube.npy",
        .data = packed,
        .packed = zip_deflate(cube.data, cube.size, packed, sizeof packed),
        .size = cube.size,
        .crc = (uint32_t)crc32(0, cube.data, cube.size),
        .method = 8,
    };
    const zip_item label_item = {
        .name = "labels.npy", .data = labels.data, .packed = labels.size};
    const zip_item cube_item = deflated ? packed_cube : stored_cube;
    zip_item items[2] = {labels_first ? label_item : cube_item,
                         labels_first ? cube_item : label_item};
    zip_build(&archive, items, labels.size ? 2 : 1); // without labels: the cube alone
    test_write_file(npz, archive.data, archive.size);
}

static void setup(void)
{
    test_dir_create(dir);
    test_join(dir, "d.npz", npz);
    test_join(dir, "d.safetensors", converted);
    build_cube(&cube, true);
    build_labels(&labels, true);
}

static void teardown(void)
{
    test_dir_remove(dir);
}

TestSuite(npz, .init = setup, .fini = teardown);

// rows: which rows of the cube the data set should hold
static void expect_images(zm_dataset *ds, const int *rows, uint64_t count)
{
    cr_assert_eq(ds->count, count);
    cr_assert(ds->height == SIDE && ds->width == WIDE);
    for (uint64_t k = 0; k < count; k++) {
        const uint64_t i = k * 2 % count; // out of order
        float image[IMAGE];
        uint32_t flags = 99;
        expect_ok(zm_dataset_image(ds, i, image, &flags));
        cr_expect_eq(flags, 0);
        for (int p = 0; p < IMAGE; p++) {
            const int at = p % (SIDE * WIDE);
            cr_assert_eq(image[p],
                         pixel(rows[i], p / (SIDE * WIDE), at / WIDE, at % WIDE));
        }
    }
}

static void expect_rows(const zm_dataset *ds, const int *rows)
{
    cr_expect(ds->has_ids && ds->has_mags && !ds->simulated);
    cr_expect_eq(ds->mag_kind, ZM_MAG_MODEL);
    for (uint64_t i = 0; i < ds->count; i++) {
        const zm_row *r = &ds->rows[i];
        const int row = rows[i];
        cr_expect_eq(r->object_id, first_id + row);
        cr_expect(row == 2 ? isnan(r->z) : r->z == 0.1f * (float)row);
        cr_expect(r->ebv == 0.25f && r->label == -1);
        cr_expect(r->ra_deg == 100.0 / 3 + row && r->dec_deg == -row);
        for (int band = 0; band < ZM_BANDS; band++)
            if (row == 3 && band == 0)
                cr_expect(isnan(r->mags[band]), "-9999 is no magnitude");
            else
                cr_expect_eq(r->mags[band], 20.0f - 1.5f * (float)band);
    }
}

static const int all_rows[ROWS] = {0, 1, 2, 3, 4};
static const int main_rows[] = {0, 1, 4};

Test(npz, a_stored_cube_is_read_at_random_in_both_layouts)
{
    for (int layout = 0; layout < 4; layout++) {
        zm_dataset *ds = NULL;
        build_cube(&cube, layout % 2);
        write_npz(false, layout / 2);
        expect_ok(zm_dataset_open(npz, NULL, NULL, &ds));
        cr_expect_str_eq(ds->format, "npz");
        expect_images(ds, all_rows, ROWS);
        expect_rows(ds, all_rows);
        zm_dataset_close(&ds);
    }
}

Test(npz, without_extinctions_the_reddening_is_taken_from_ebv)
{
    zm_dataset *ds = NULL;
    build_labels(&labels, false);
    write_npz(false, true);
    expect_ok(zm_dataset_open(npz, NULL, NULL, &ds));
    for (int band = 0; band < ZM_BANDS; band++)
        cr_expect_eq(ds->rows[0].mags[band],
                     (float)(20.0 - band - 0.25 * zm_extinction_per_ebv[band]));
    zm_dataset_close(&ds);
}

Test(npz, a_cube_without_labels_is_an_unlabelled_data_set)
{
    zm_dataset *ds = NULL;
    labels.size = 0;
    write_npz(false, false);
    expect_ok(zm_dataset_open(npz, NULL, NULL, &ds));
    expect_images(ds, all_rows, ROWS);
    cr_expect(!ds->has_ids && !ds->has_mags && isnan(ds->rows[1].z));
    cr_expect_eq(ds->rows[3].object_id, 3);
    zm_dataset_close(&ds);
}

Test(npz, a_deflated_cube_is_refused_and_the_way_out_named)
{
    zm_dataset *ds = NULL;
    write_npz(true, true);
    expect_status(zm_dataset_open(npz, NULL, NULL, &ds), ZM_ERR_FORMAT);
    expect_detail("zmae prepare --cube");
}

static void expect_import(const zm_cube_import_params *params, const int *rows,
                          uint64_t count)
{
    zm_dataset *ds = NULL;
    expect_ok(zm_cube_import(params, NULL, NULL, NULL));
    expect_ok(zm_dataset_open(params->out, NULL, NULL, &ds));
    expect_images(ds, rows, count);
    expect_rows(ds, rows);
    zm_dataset_close(&ds);
}

Test(npz, importing_copies_every_pixel_and_label)
{
    const zm_cube_import_params params = {.cube = npz, .out = converted};
    for (int layout = 0; layout < 4; layout++) {
        write_npz(layout % 2, layout / 2);
        expect_import(&params, all_rows, ROWS);
    }
}

Test(npz, importing_applies_the_cuts_of_the_main_sample_before_it_counts)
{
    zm_cube_import_params params = {.cube = npz, .out = converted, .mgs = true};
    for (int deflated = 0; deflated < 2; deflated++) {
        write_npz(deflated, !deflated);
        params.count = 0;
        expect_import(&params, main_rows, 3);
        params.count = 2;
        expect_import(&params, main_rows, 2);
    }
}

Test(npz, cuts_without_their_columns_are_refused_by_name)
{
    const zm_cube_import_params params = {.cube = npz, .out = converted, .mgs = true};
    npy_begin(&labels, 1,
              "{'descr': [('z', '<f4')], 'fortran_order': False, 'shape': (5,)}");
    for (int row = 0; row < ROWS; row++)
        npy_put_f32(&labels, 0.1f);
    write_npz(false, true);
    expect_status(zm_cube_import(&params, NULL, NULL, NULL), ZM_ERR_FORMAT);
    expect_detail("lack: dered_petro_r primtarget");
    labels.size = 0;
    write_npz(false, false);
    expect_status(zm_cube_import(&params, NULL, NULL, NULL), ZM_ERR_FORMAT);
    expect_detail("lack: dered_petro_r z primtarget");
    cr_expect_eq(test_dir_count(dir), 1, "nothing was written");
}

Test(npz, a_flipped_bit_anywhere_is_noticed_by_the_import)
{
    zm_cube_import_params params = {.cube = npz, .out = converted};
    for (int deflated = 0; deflated < 2; deflated++)
        for (int mgs = 0; mgs < 2; mgs++) {
            write_npz(deflated, true);
            for (uint32_t at = 200; at < archive.central; at += 97) {
                params.mgs = mgs;
                archive.data[at] ^= 4;
                test_write_file(npz, archive.data, archive.size);
                archive.data[at] ^= 4;
                cr_expect_eq(zm_cube_import(&params, NULL, NULL, NULL), ZM_ERR_FORMAT,
                             "byte %u", (unsigned)at);
                cr_expect_eq(test_dir_count(dir), 1, "something was written");
            }
        }
}

Test(npz, the_archive_is_not_written_over)
{
    const zm_cube_import_params params = {.cube = npz, .out = npz};
    write_npz(false, true);
    expect_status(zm_cube_import(&params, NULL, NULL, NULL), ZM_ERR_USAGE);
}

static void expect_refused(const char *detail)
{
    const zm_cube_import_params params = {.cube = npz, .out = converted};
    zm_dataset *ds = NULL;
    write_npz(false, true);
    expect_status(zm_dataset_open(npz, NULL, NULL, &ds), ZM_ERR_FORMAT);
    expect_detail(detail);
    expect_status(zm_cube_import(&params, NULL, NULL, NULL), ZM_ERR_FORMAT);
    expect_detail(detail);
    cr_expect_eq(test_dir_count(dir), 1, "something was written");
}

static void give_cube(const char *descr, const char *shape, uint32_t bytes)
{
    static const uint8_t zeros[NPY_TEST_SIZE / 2];
    char header[256];
    snprintf(header, sizeof header, "{'descr': %s, 'fortran_order': False, 'shape': %s}",
             descr, shape);
    npy_begin(&cube, 1, header);
    npy_put(&cube, zeros, bytes);
}

Test(npz, cubes_of_another_shape_or_type_are_refused)
{
    give_cube("'<f4'", "(5, 4, 4, 3)", 960);
    expect_refused("found (5, 4, 4, 3)");
    give_cube("'<f4'", "(1, 5, 6, 5)", 600);
    expect_refused("either axis");
    give_cube("'<f4'", "(0, 4, 4, 5)", 0);
    expect_refused("found (0, 4, 4, 5)");
    give_cube("'|u1'", "(5, 4, 4, 5)", 400);
    expect_refused("found type |u1");
    give_cube("'|O'", "(5, 4, 4, 5)", 3200);
    expect_refused("Python objects");
    give_cube("[('a', '<f4')]", "(5, 4, 4, 5)", 1600);
    expect_refused("a record array");
    give_cube("'<f4'", "(5, 4, 4, 5)", 1599);
    expect_refused("expected the data of shape");
    npy_begin(&cube, 1, "{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1, 1, 5)}");
    npy_put(&cube, "12345678901234567890", 20);
    expect_refused("Fortran order");
}

static void give_labels(const char *descr, const char *shape, uint32_t bytes)
{
    const npy_image kept = cube;
    give_cube(descr, shape, bytes);
    labels = cube;
    cube = kept;
}

Test(npz, labels_that_do_not_fit_the_cube_are_refused)
{
    give_labels("[('z', '<f4')]", "(4,)", 16);
    expect_refused("expected shape (5,), one row a cutout, found (4,)");
    give_labels("'<f4'", "(5,)", 20);
    expect_refused("expected a record array");
    give_labels("[('z', '|S4')]", "(5,)", 20);
    expect_refused("column z: expected one number a row");
    give_labels("[('z', '<f4', (2,))]", "(5,)", 40);
    expect_refused("found 2 of type <f4");
    give_labels("[('z', '<f4'), ('imageID', '|O')]", "(5,)", 60);
    expect_refused("in the field imageID");
}

Test(npz, other_archives_are_refused_by_what_they_are)
{
    static const char text[] = "hello";
    zm_dataset *ds = NULL;
    zip_item item = {.name = "archive/data.pkl", .data = text, .packed = 5};
    zip_build(&archive, &item, 1);
    test_write_file(npz, archive.data, archive.size);
    expect_status(zm_dataset_open(npz, NULL, NULL, &ds), ZM_ERR_FORMAT);
    expect_detail("a PyTorch file");
    item.name = "cube.npy";
    zip_build(&archive, &item, 1);
    test_write_file(npz, archive.data, archive.size);
    expect_status(zm_dataset_open(npz, NULL, NULL, &ds), ZM_ERR_FORMAT);
    expect_detail("expected a numpy array, found 5 bytes");
}

Test(npz, every_truncated_archive_is_refused)
{
    zm_dataset *ds = NULL;
    write_npz(false, true);
    for (uint32_t size = 4; size < archive.size; size += 37) {
        test_write_file(npz, archive.data, size);
        cr_expect_eq(zm_dataset_open(npz, NULL, NULL, &ds), ZM_ERR_FORMAT, "%u bytes",
                     (unsigned)size);
    }
}

static void keep_warning(void *user, zm_log_level level, const char *message)
{
    if (level == ZM_LOG_WARN)
        snprintf(user, TEST_PATH, "%s", message);
}

Test(npz, an_id_of_floating_point_is_not_taken_for_one)
{
    char warning[TEST_PATH] = "";
    const zm_log log = {keep_warning, warning};
    zm_dataset *ds = NULL;
    give_labels("[('specObjID', '<f8')]", "(5,)", 40);
    write_npz(false, true);
    expect_ok(zm_dataset_open(npz, NULL, &log, &ds));
    cr_expect(!ds->has_ids && ds->rows[4].object_id == 4);
    cr_expect(strstr(warning, "specObjID"), "%s", warning);
    zm_dataset_close(&ds);
}
