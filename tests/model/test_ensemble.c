// Pooling of views and models, on untrained models with every kind of head.
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/train/ensemble.h"
#include "tests/unit/io_helpers.h"

enum { SIDE = 20, OBJECTS = 11, BLIND = 4, BINS = 12 };

static const zm_head pdf_head = {ZM_HEAD_PDF, BINS, 0.0, 0.4};
static const zm_head gauss_head = {ZM_HEAD_GAUSS, 2 * BINS, 0.0, 0.4};

typedef struct bench {
    char dir[TEST_PATH];
    zm_gpu *gpu;
    zm_dataset *ds;
} bench;

static void turn(const float *in, uint32_t symmetry, float *out)
{
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            const int u = symmetry & ZM_SYMMETRY_FLIP_X ? SIDE - 1 - x : x;
            const int v = symmetry & ZM_SYMMETRY_FLIP_Y ? SIDE - 1 - y : y;
            const int to = symmetry & ZM_SYMMETRY_TRANSPOSE ? u * SIDE + v : v * SIDE + u;
            out[to] = in[y * SIDE + x];
        }
}

// Lopsided blobs, each turned; row BLIND is marked as having no image.
static void begin(bench *b, uint32_t symmetry, uint32_t threads)
{
    static float image[ZM_BANDS * SIDE * SIDE];
    char path[TEST_PATH];
    const zm_dataset_info info = {
        .count = OBJECTS, .height = SIDE, .width = SIDE, .origin = "blobs"};
    zm_dataset_writer *w = NULL;
    test_dir_create(b->dir);
    test_join(b->dir, "blobs.safetensors", path);
    expect_ok(zm_dataset_writer_create(path, &info, &w));
    for (uint32_t i = 0; i < OBJECTS; i++) {
        zm_row row = {.object_id = i, .z = 0.1f, .label = -1};
        for (int band = 0; band < ZM_BANDS; band++) {
            float plain[SIDE * SIDE];
            row.mags[band] = 0.1f * (float)i - 0.2f * (float)band;
            for (int p = 0; p < SIDE * SIDE; p++) {
                const double dx = p % SIDE - 7.0 - i % 5, dy = p / SIDE - 9.0 - i % 3;
                plain[p] = (float)((1.0 + 0.3 * band) *
                                   exp(-(dx * dx + 0.5 * dy * dy + 0.4 * dx * dy) / 9.0));
            }
            turn(plain, symmetry, image + band * SIDE * SIDE);
        }
        expect_ok(zm_dataset_writer_row(w, &row, image));
    }
    expect_ok(zm_dataset_writer_finish(&w));
    expect_ok(zm_gpu_open("cpu", &(zm_gpu_params){.threads = threads}, &b->gpu));
    expect_ok(zm_dataset_open(path, NULL, NULL, &b->ds));
    b->ds->rows[BLIND].flags = ZM_FLAG_NO_IMAGE;
}

static void end(bench *b)
{
    zm_dataset_close(&b->ds);
    zm_gpu_destroy(&b->gpu);
    test_dir_remove(b->dir);
}

static zm_model *model_of(const zm_head *head, uint64_t seed)
{
    zm_model *m = NULL;
    const zm_vit_config vit = {.image = 16,
                               .patch = 4,
                               .bands = ZM_BANDS,
                               .width = 32,
                               .depth = 1,
                               .heads = 2,
                               .pcm = true};
    zm_astromae_config config = zm_astromae_default(&vit);
    if (head)
        config.head = *head;
    expect_ok(zm_model_create_astromae(&config, seed, &m));
    return m;
}

// All objects through an ensemble; the caller frees the values.
static double *predict(bench *b, zm_model *const *models, uint32_t count,
                       const zm_ensemble_options *options, uint32_t flags[OBJECTS])
{
    zm_ensemble *e = NULL;
    expect_ok(zm_ensemble_create(b->gpu, models, count, b->ds, options, &e));
    const uint32_t width = zm_ensemble_width(e);
    double *values = zm_calloc(OBJECTS * width, sizeof *values);
    cr_assert_not_null(values);
    for (uint32_t at = 0; at < OBJECTS; at += options->batch) {
        const uint32_t n = ZM_MIN(options->batch, OBJECTS - at);
        expect_ok(zm_ensemble_predict(e, at, n, values + at * width, flags + at));
    }
    zm_ensemble_destroy(&e);
    return values;
}

static void expect_close(const double *found, const double *wanted, uint32_t width,
                         double tolerance, const char *what)
{
    for (uint32_t i = 0; i < OBJECTS * width; i++)
        cr_assert(i / width == BLIND ? isnan(found[i])
                                     : fabs(found[i] - wanted[i]) <= tolerance,
                  "%s: object %u: wanted %.17g, found %.17g", what, i / width, wanted[i],
                  found[i]);
}

Test(ensemble, symmetries_of_one_model_are_the_mean_over_turned_cutouts)
{
    const zm_head *const heads[] = {NULL, &pdf_head, &gauss_head};
    for (size_t h = 0; h < ZM_COUNT_OF(heads); h++) {
        const uint32_t width = heads[h] ? heads[h]->bins : 1;
        double *sum = calloc(OBJECTS * width, sizeof *sum), *found = NULL;
        uint32_t flags[OBJECTS];
        zm_model *m = model_of(heads[h], 5);
        double spread = 0.0;
        for (uint32_t s = 0; s < ZM_SYMMETRIES; s++) {
            bench b;
            begin(&b, s, 2);
            if (s == 0)
                found = predict(&b, &m, 1, &(zm_ensemble_options){4, true}, flags);
            double *one = predict(&b, &m, 1, &(zm_ensemble_options){4, false}, flags);
            for (uint32_t i = 0; i < OBJECTS * width; i++)
                sum[i] += one[i] / ZM_SYMMETRIES;
            spread += fabs(one[0] - found[0]);
            free(one);
            end(&b);
        }
        cr_expect_gt(spread, 1e-6, "the views differ, else nothing is tested");
        // the same float results, summed in the same order
        expect_close(found, sum, width, 1e-15, "mean over the square's symmetries");
        zm_model_destroy(&m);
        free(sum);
        free(found);
    }
}

// The first of two models has seen other magnitudes only; a bad row is predicted by none.
Test(ensemble, any_model_may_raise_a_flag)
{
    enum { BAD = 6 };
    bench b;
    uint32_t flags[OBJECTS];
    begin(&b, 0, 2);
    b.ds->rows[BAD].flags = ZM_FLAG_BAD_ROW;
    zm_model *models[] = {model_of(&pdf_head, 1), model_of(&pdf_head, 2)};
    for (int band = 0; band < ZM_BANDS; band++) {
        models[0]->pre.mag_min[band] = 30.0f;
        models[0]->pre.mag_max[band] = 31.0f;
    }
    double *p = predict(&b, models, 2, &(zm_ensemble_options){4, false}, flags);
    for (uint32_t i = 0; i < OBJECTS; i++) {
        cr_expect(flags[i] & ZM_FLAG_OUTSIDE_TRAINING, "object %u", i);
        cr_expect_eq(isnan(p[i * BINS]), i == BLIND || i == BAD, "object %u", i);
    }
    cr_expect(flags[BAD] & ZM_FLAG_BAD_ROW && flags[BLIND] & ZM_FLAG_NO_IMAGE);
    free(p);
    zm_model_destroy(&models[0]);
    zm_model_destroy(&models[1]);
    end(&b);
}

Test(ensemble, results_depend_on_neither_batch_nor_threads)
{
    zm_model *models[] = {model_of(&pdf_head, 1), model_of(&gauss_head, 2)};
    const uint32_t batches[] = {OBJECTS, 1, 3}, threads[] = {1, 2, 2};
    double *first = NULL;
    for (size_t i = 0; i < ZM_COUNT_OF(batches); i++) {
        bench b;
        uint32_t flags[OBJECTS];
        begin(&b, 0, threads[i]);
        const zm_ensemble_options options = {batches[i], true};
        double *values = predict(&b, models, 2, &options, flags);
        if (first)
            cr_expect_eq(memcmp(values, first, OBJECTS * BINS * sizeof *values), 0,
                         "batch %u", batches[i]);
        cr_expect(flags[BLIND] & ZM_FLAG_NO_IMAGE);
        if (first)
            free(values);
        else
            first = values;
        end(&b);
    }
    free(first);
    zm_model_destroy(&models[0]);
    zm_model_destroy(&models[1]);
}

// The second model has bins of half the width: each pair falls into one of the first's.
Test(ensemble, models_are_pooled_on_the_grid_of_the_first)
{
    bench b;
    uint32_t flags[OBJECTS];
    const zm_ensemble_options options = {5, false};
    double wanted[OBJECTS * BINS];
    zm_model *models[] = {model_of(&pdf_head, 1), model_of(&gauss_head, 2)};
    models[0]->calibration =
        (zm_calibration){.kind = ZM_CALIBRATION_TEMPERATURE, .temperature = 0.2};
    models[1]->calibration =
        (zm_calibration){.kind = ZM_CALIBRATION_TEMPERATURE, .temperature = 0.1};
    begin(&b, 0, 2);
    double *one = predict(&b, models, 1, &options, flags);
    double *two = predict(&b, models + 1, 1, &options, flags);
    double *both = predict(&b, models, 2, &options, flags);
    for (uint32_t i = 0; i < OBJECTS * BINS; i++)
        wanted[i] = 0.5 * (one[i] + (two[2 * i] + two[2 * i + 1]));
    expect_close(both, wanted, BINS, 1e-14, "mean of two distributions");
    cr_expect_gt(fabs(one[0] - (two[0] + two[1])), 1e-3, "the models differ");
    free(one);
    free(two);
    free(both);
    end(&b);
    zm_model_destroy(&models[0]);
    zm_model_destroy(&models[1]);
}

Test(ensemble, one_view_of_one_model_is_what_its_head_says_calibrated)
{
    bench b;
    uint32_t flags[OBJECTS], rows[OBJECTS];
    float *out = calloc(OBJECTS * BINS, sizeof *out);
    double wanted[OBJECTS * BINS];
    zm_model *m = model_of(&pdf_head, 3);
    zm_predictor *p = NULL;
    m->calibration =
        (zm_calibration){.kind = ZM_CALIBRATION_QUANTILE, .temperature = 0.3};
    for (int j = 0; j < ZM_CALIBRATION_KNOTS; j++)
        m->calibration.map[j] = j * j / 1e4;
    begin(&b, 0, 2);
    double *values = predict(&b, &m, 1, &(zm_ensemble_options){4, false}, flags);
    expect_ok(zm_params_allocate(&m->params, b.gpu, false));
    expect_ok(zm_params_upload(&m->params, m->host));
    expect_ok(zm_predictor_create(b.gpu, m, b.ds, OBJECTS, 0, &p));
    for (uint32_t i = 0; i < OBJECTS; i++)
        rows[i] = i;
    expect_ok(zm_predictor_submit(p, rows, OBJECTS));
    expect_ok(zm_gpu_wait(b.gpu));
    expect_ok(zm_predictor_result(p, out, NULL));
    for (uint32_t i = 0; i < OBJECTS; i++)
        zm_pdf_calibrate(&m->calibration, &pdf_head, out + i * BINS, wanted + i * BINS);
    expect_close(values, wanted, BINS, 0.0, "calibrated head");
    zm_predictor_destroy(&p);
    zm_params_finish_device(&m->params);
    zm_model_destroy(&m);
    free(values);
    free(out);
    end(&b);
}

Test(ensemble, distributions_and_numbers_do_not_mix)
{
    bench b;
    zm_ensemble *e = NULL;
    zm_model *models[] = {model_of(&pdf_head, 1), model_of(NULL, 2)};
    begin(&b, 0, 1);
    expect_status(
        zm_ensemble_create(b.gpu, models, 2, b.ds, &(zm_ensemble_options){4, false}, &e),
        ZM_ERR_SHAPE);
    cr_expect(strstr(zm_error_detail(), "regression"), "%s", zm_error_detail());
    end(&b);
    zm_model_destroy(&models[0]);
    zm_model_destroy(&models[1]);
}
