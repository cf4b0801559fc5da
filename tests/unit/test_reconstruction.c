#include <math.h>

#include "core/cli/paint.h"
#include "core/ops/ops.h"
#include "io_helpers.h"

enum { SIDE = 8, PATCH = 4, GRID = SIDE / PATCH, VALUES = PATCH * PATCH * ZM_BANDS };
enum { IMAGE = SIDE * SIDE * ZM_BANDS, ROWS = 3 };

static const float scales[ZM_BANDS] = {9, 24, 12, 8.5f, 2};

static float flux(uint64_t row, size_t band, size_t y, size_t x)
{
    return 0.1f * (float)(row + 1) * sinf((float)(7 * band + 3 * y + 5 * x)) +
           (float)(y == 3 && x == 4);
}

static zm_dataset *data_of(const char *dir)
{
    char path[TEST_PATH];
    zm_dataset *ds = NULL;
    zm_dataset_writer *w = NULL;
    const zm_dataset_info info = {.count = ROWS, .height = SIDE, .width = SIDE};
    cr_assert_eq(
        zm_dataset_writer_create(test_join(dir, "x.safetensors", path), &info, &w),
        ZM_OK);
    for (uint64_t i = 0; i < ROWS; i++) {
        float image[IMAGE];
        const zm_row row = {.object_id = (int64_t)i, .label = -1};
        for (size_t b = 0; b < ZM_BANDS; b++)
            for (size_t k = 0; k < SIDE * SIDE; k++)
                image[b * SIDE * SIDE + k] = flux(i, b, k / SIDE, k % SIDE);
        cr_assert_eq(zm_dataset_writer_row(w, &row, image), ZM_OK);
    }
    cr_assert_eq(zm_dataset_writer_finish(&w), ZM_OK);
    cr_assert_eq(zm_dataset_open(path, NULL, NULL, &ds), ZM_OK);
    return ds;
}

static zm_model model_of(bool norm_pix)
{
    zm_model m = {.kind = ZM_MODEL_MAE};
    m.mae.config.vit.image = SIDE;
    m.mae.config.vit.patch = PATCH;
    m.mae.config.norm_pix = norm_pix;
    m.pre.stretch = ZM_STRETCH_ASINH;
    m.pre.recorded = true;
    for (int b = 0; b < ZM_BANDS; b++)
        m.pre.scale[b] = scales[b];
    return m;
}

// What a perfect autoencoder would predict.
static void predict(uint64_t row, bool norm_pix, float *pred)
{
    for (size_t patch = 0; patch < GRID * GRID; patch++) {
        double mean = 0, square = 0, value[VALUES];
        for (size_t i = 0; i < VALUES; i++) {
            const size_t band = i % ZM_BANDS;
            const size_t y = patch / GRID * PATCH + i / ZM_BANDS / PATCH;
            const size_t x = patch % GRID * PATCH + i / ZM_BANDS % PATCH;
            value[i] = asinh((double)flux(row, band, y, x) * (double)scales[band]);
            mean += value[i] / VALUES;
        }
        for (size_t i = 0; i < VALUES; i++)
            square += (value[i] - mean) * (value[i] - mean);
        const double sd = sqrt(square / (VALUES - 1) + 1e-6);
        for (size_t i = 0; i < VALUES; i++)
            pred[patch * VALUES + i] =
                (float)(norm_pix ? (value[i] - mean) / sd : value[i]);
    }
}

// float predictions of up to about 5 keep 3e-7; sinh makes that relative, the normalised
// ones add their mean and width.
Test(reconstruction, of_a_perfect_prediction_is_the_original)
{
    char dir[TEST_PATH];
    test_dir_create(dir);
    zm_dataset *ds = data_of(dir);
    for (int norm_pix = 0; norm_pix < 2; norm_pix++) {
        const zm_model m = model_of(norm_pix);
        zm_reconstruction r;
        static float pred[ROWS * IMAGE];
        for (uint64_t i = 0; i < ROWS; i++)
            predict(i, norm_pix, pred + i * IMAGE);
        cr_assert_eq(zm_reconstruction_make(&m, ds, ROWS, pred, &r), ZM_OK);
        cr_expect_eq(r.side, SIDE);
        for (size_t i = 0; i < ROWS * IMAGE; i++) {
            const size_t band = i % ZM_BANDS, k = i / ZM_BANDS % (SIDE * SIDE);
            const double wanted = (double)flux(i / IMAGE, band, k / SIDE, k % SIDE);
            cr_assert_float_eq((double)r.original[i], wanted, 0);
            cr_assert_float_eq((double)r.painted[i], wanted,
                               3e-6 * (fabs(wanted) + 1 / (double)scales[band]),
                               "value %zu: %g, %g", i, (double)r.painted[i], wanted);
        }
        for (int b = 0; b < ZM_BANDS; b++)
            cr_expect_float_eq(r.sigma[b], 1 / (3 * (double)scales[b]), 1e-9);
        zm_reconstruction_finish(&r);
    }
    zm_dataset_close(&ds);
    test_dir_remove(dir);
}

Test(reconstruction, of_wild_predictions_stays_finite)
{
    char dir[TEST_PATH];
    test_dir_create(dir);
    zm_dataset *ds = data_of(dir);
    const zm_model m = model_of(false);
    zm_reconstruction r;
    static float pred[ROWS * IMAGE];
    for (size_t i = 0; i < ROWS * IMAGE; i++)
        pred[i] = i % 2 ? 1e30f : -1e30f;
    cr_assert_eq(zm_reconstruction_make(&m, ds, ROWS, pred, &r), ZM_OK);
    for (size_t i = 0; i < ROWS * IMAGE; i++)
        cr_assert(isfinite(r.painted[i]));
    zm_reconstruction_finish(&r);
    zm_dataset_close(&ds);
    test_dir_remove(dir);
}

Test(reconstruction, colours_keep_their_ratio_and_never_exceed_white)
{
    const double sigma[ZM_BANDS] = {0.04, 0.02, 0.03, 0.04, 0.15};
    double sky[3], red[3], bright[3], brighter[3];
    zm_paint_colour((float[]){0, 0, 0, 0, 0}, sigma, sky);
    cr_expect_float_eq(sky[0], sky[1], 1e-15, "an empty sky is grey");
    cr_expect_float_eq(sky[1], sky[2], 1e-15);
    cr_expect(sky[0] > 0 && sky[0] < 0.3, "and dark: %g", sky[0]);
    zm_paint_colour((float[]){0.1f, 0.4f, 1, 1.5f, 2}, sigma, red);
    cr_expect(red[0] > red[1] && red[1] > red[2]);
    zm_paint_colour((float[]){1, 4, 100, 150, 2}, sigma, bright);
    zm_paint_colour((float[]){1, 8, 200, 300, 2}, sigma, brighter);
    cr_expect_eq(bright[0], 1.0);
    // 0.09 is the sky level that every band carries
    cr_expect_float_eq(bright[1], (100 + 0.09) / (0.85 * 150 + 0.09), 1e-6);
    cr_expect_float_eq(brighter[1] / brighter[0], bright[1] / bright[0], 1e-3);
}
