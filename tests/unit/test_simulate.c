#include "core/sky/simulate.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/data/photometry.h"
#include "core/sky/cutout.h"
#include "core/sky/sky_model.h"

#define SIZE   64
#define PIXELS ((size_t)SIZE * SIZE)

// Renders cutouts one at a time.
typedef struct renderer {
    zm_population *population;
    zm_cutout_scratch *scratch;
    float *image; // (ZM_BANDS, SIZE, SIZE)
    zm_row row;
} renderer;

static renderer make_renderer(const zm_catalog *catalog, uint64_t seed)
{
    renderer r = {.image = zm_calloc(ZM_BANDS * PIXELS, sizeof(float))};
    cr_assert(r.image != NULL);
    cr_assert_eq(zm_population_create(catalog, seed, &r.population), ZM_OK);
    cr_assert_eq(zm_cutout_scratch_create(SIZE, &r.scratch), ZM_OK);
    return r;
}

static void free_renderer(renderer *r)
{
    zm_population_destroy(&r->population);
    zm_cutout_scratch_destroy(&r->scratch);
    free(r->image);
}

static void make_path(char *path, size_t bytes, const char *end)
{
    const char *folder = getenv("TMPDIR");
    snprintf(path, bytes, "%s/zmae-simulate-%ld-%s", folder ? folder : "/tmp",
             (long)getpid(), end);
}

static zm_dataset *simulate(uint64_t count, uint32_t threads, const char *end)
{
    char path[256];
    make_path(path, sizeof path, end);
    const zm_simulate_params params = {
        .count = count, .seed = 11, .size = SIZE, .threads = threads, .out = path};
    zm_dataset *ds = NULL;
    cr_assert_eq(zm_simulate(&params, NULL, NULL, NULL), ZM_OK, "%s", zm_error_detail());
    cr_assert_eq(zm_dataset_open(path, NULL, NULL, &ds), ZM_OK, "%s", zm_error_detail());
    cr_assert_eq(ds->count, count);
    remove(path);
    return ds;
}

static void expect_equal_rows(zm_dataset *a, zm_dataset *b, uint64_t count)
{
    float *x = zm_calloc(ZM_BANDS * PIXELS, sizeof(float));
    float *y = zm_calloc(ZM_BANDS * PIXELS, sizeof(float));
    for (uint64_t i = 0; i < count; i++) {
        uint32_t flags = 0;
        cr_assert_eq(zm_dataset_image(a, i, x, &flags), ZM_OK);
        cr_assert_eq(zm_dataset_image(b, i, y, &flags), ZM_OK);
        cr_expect_eq(memcmp(x, y, ZM_BANDS * PIXELS * sizeof(float)), 0, "image %d",
                     (int)i);
        cr_expect_eq(a->rows[i].z, b->rows[i].z);
        cr_expect_eq(a->rows[i].ebv, b->rows[i].ebv);
        cr_expect_eq(memcmp(a->rows[i].mags, b->rows[i].mags, sizeof a->rows[i].mags), 0);
    }
    free(x);
    free(y);
}

Test(simulate, rows_do_not_depend_on_threads_or_count)
{
    zm_dataset *one = simulate(300, 1, "one.safetensors");
    zm_dataset *four = simulate(300, 4, "four.safetensors");
    zm_dataset *few = simulate(7, 3, "few.safetensors");
    expect_equal_rows(one, four, 300);
    expect_equal_rows(one, few, 7);
    zm_dataset_close(&one);
    zm_dataset_close(&four);
    zm_dataset_close(&few);
}

Test(simulate, writes_the_same_rows_in_both_formats)
{
    zm_dataset *st = simulate(5, 2, "a.safetensors");
    zm_dataset *fits = simulate(5, 2, "a.fits");
    expect_equal_rows(st, fits, 5);
    cr_expect(st->simulated && fits->simulated);
    zm_dataset_close(&st);
    zm_dataset_close(&fits);
}

Test(simulate, seeds_give_different_galaxies)
{
    renderer a = make_renderer(NULL, 1), b = make_renderer(NULL, 2);
    zm_cutout_render(a.population, 0, a.scratch, a.image, &a.row);
    zm_cutout_render(b.population, 0, b.scratch, b.image, &b.row);
    cr_expect_neq(a.row.z, b.row.z);
    cr_expect_neq(a.image[0], b.image[0]);
    free_renderer(&a);
    free_renderer(&b);
}

Test(simulate, magnitudes_are_those_of_the_noisy_image)
{
    renderer r = make_renderer(NULL, 3);
    for (uint32_t i = 0; i < 20; i++) {
        float mags[ZM_BANDS];
        uint32_t flags = 0;
        zm_cutout_render(r.population, i, r.scratch, r.image, &r.row);
        zm_aperture_mags(r.image, SIZE, SIZE, r.row.ebv, mags, &flags);
        for (int b = 0; b < ZM_BANDS; b++)
            cr_expect_eq(mags[b], r.row.mags[b]);
        for (size_t k = 0; k < ZM_BANDS * PIXELS; k++)
            cr_assert(isfinite(r.image[k]));
        cr_expect(r.row.z > 0.0f && r.row.z < 0.46f, "z %g", r.row.z);
        cr_expect(r.row.ebv > 0.0f && r.row.ebv <= 0.5f, "ebv %g", r.row.ebv);
    }
    free_renderer(&r);
}

static zm_catalog_row make_row(float scale)
{
    return (zm_catalog_row){
        .ra_deg = 1.0,
        .dec_deg = 2.0,
        .flux_nmgy = {scale, 4 * scale, 9 * scale, 13 * scale, 17 * scale},
        .z = 0.1f,
        .ebv = 0.05f,
        .r50_arcsec = 1.2f};
}

Test(simulate, conserves_the_flux_of_the_catalogue)
{
    zm_catalog_row row = make_row(20.0f);
    row.flux_nmgy[0] = -3.0f; // kept as it is
    const zm_catalog catalog = {1, &row};
    zm_population *population = NULL;
    cr_assert_eq(zm_population_create(&catalog, 5, &population), ZM_OK);
    for (uint32_t i = 0; i < 50; i++) {
        zm_galaxy g;
        zm_population_draw(population, i, &g);
        for (int b = 0; b < ZM_BANDS; b++) {
            const double sum = g.flux_nmgy[0][b] + g.flux_nmgy[1][b] + g.flux_nmgy[2][b];
            const double expected = (double)row.flux_nmgy[b];
            cr_expect_float_eq(sum, expected, 1e-6 * fabs(expected));
        }
    }
    zm_population_destroy(&population);
}

// Mean over many cutouts of a compact catalogue galaxy: neighbours and noise apart, the
// aperture must hold most of the flux and no more.
Test(simulate, images_hold_the_flux_of_the_catalogue)
{
    zm_catalog_row row = make_row(40.0f);
    row.r50_arcsec = 0.6f;
    const zm_catalog catalog = {1, &row};
    renderer r = make_renderer(&catalog, 6);
    double sum[ZM_BANDS] = {0};
    enum { count = 60 };
    for (uint32_t i = 0; i < count; i++) {
        zm_cutout_render(r.population, i, r.scratch, r.image, &r.row);
        for (int b = 0; b < ZM_BANDS; b++)
            sum[b] += zm_asinh_flux((double)r.row.mags[b], b) *
                      zm_sky_transmission((double)r.row.ebv, b);
    }
    for (int b = 0; b < ZM_BANDS; b++) {
        const double ratio = sum[b] / count / (double)row.flux_nmgy[b];
        // The wings of the star profile leave 5 to 12 % outside 3 arcsec.
        cr_expect(ratio > 0.85 && ratio < 1.0, "band %d: %g", b, ratio);
    }
    free_renderer(&r);
}

Test(simulate, takes_each_catalogue_row_once_before_wrapping)
{
    enum { rows = 97 };
    zm_catalog_row list[rows];
    uint32_t seen[rows] = {0};
    for (int i = 0; i < rows; i++) {
        list[i] = make_row(10.0f);
        list[i].z = 0.001f * (float)(i + 1);
    }
    const zm_catalog catalog = {rows, list};
    zm_population *population = NULL;
    cr_assert_eq(zm_population_create(&catalog, 9, &population), ZM_OK);
    uint32_t in_order = 0;
    zm_galaxy first = {0}, again = {0};
    for (uint32_t i = 0; i < 2 * rows; i++) {
        zm_galaxy g;
        zm_population_draw(population, i, &g);
        const int at = (int)lround((double)g.z * 1000.0) - 1;
        cr_assert(at >= 0 && at < rows);
        seen[at]++;
        in_order += (uint32_t)at == i;
        if (i == 0)
            first = g;
        if (i == rows)
            again = g;
    }
    for (int i = 0; i < rows; i++)
        cr_expect_eq(seen[i], 2);
    cr_expect_lt(in_order, 10, "a permutation");
    cr_expect_eq(first.z, again.z);
    cr_expect_neq(first.angle_rad, again.angle_rad, "new orientation");
    zm_population_destroy(&population);
}

static int compare_floats(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

// Rms from the quartiles of the differences of pixels 8 apart, near the edge.
static double measure_noise(const float *band, float *work)
{
    size_t n = 0;
    for (size_t y = 0; y < SIZE; y++)
        for (size_t x = 0; x + 8 < SIZE; x++)
            if (y < 12 || y >= SIZE - 12)
                work[n++] = band[y * SIZE + x + 8] - band[y * SIZE + x];
    qsort(work, n, sizeof *work, compare_floats);
    return (double)(work[3 * n / 4] - work[n / 4]) / 1.3489795 / sqrt(2.0);
}

Test(simulate, has_the_sky_noise_of_sdss_in_each_band)
{
    enum { count = 400 };
    zm_catalog_row row = make_row(0.05f);
    const zm_catalog catalog = {1, &row};
    renderer r = make_renderer(&catalog, 8);
    float *work = zm_calloc(PIXELS, sizeof(float));
    double sum[ZM_BANDS] = {0};
    for (uint32_t i = 0; i < count; i++) {
        zm_cutout_render(r.population, i, r.scratch, r.image, &r.row);
        for (int b = 0; b < ZM_BANDS; b++)
            sum[b] += measure_noise(r.image + (size_t)b * PIXELS, work);
    }
    for (int b = 0; b < ZM_BANDS; b++) {
        const double ratio = sum[b] / count / zm_sky_noise_nmgy[b];
        // Faint neighbours add up to 3 % in g and r; the scatter of levels averages out.
        cr_expect_float_eq(ratio, 1.01, 0.03, "band %d: %g", b, ratio);
    }
    free(work);
    free_renderer(&r);
}

Test(simulate, colours_follow_redshift)
{
    renderer r = make_renderer(NULL, 21);
    double near_gr = 0.0, far_gr = 0.0;
    uint32_t near_count = 0, far_count = 0;
    for (uint32_t i = 0; i < 2000; i++) {
        zm_galaxy g;
        zm_population_draw(r.population, i, &g);
        double green = 0.0, red = 0.0;
        for (int k = 0; k < ZM_PARTS; k++) {
            green += g.flux_nmgy[k][1] / zm_sky_transmission((double)g.ebv, 1);
            red += g.flux_nmgy[k][2] / zm_sky_transmission((double)g.ebv, 2);
        }
        const double gr = -2.5 * log10(green / red);
        if (g.z < 0.06f) {
            near_gr += gr;
            near_count++;
        } else if (g.z > 0.2f && g.z < 0.3f) {
            far_gr += gr;
            far_count++;
        }
    }
    cr_assert(near_count > 100 && far_count > 100);
    cr_expect_gt(far_gr / far_count, near_gr / near_count + 0.4);
    free_renderer(&r);
}

Test(simulate, refuses_what_makes_no_sense)
{
    zm_simulate_params p = {
        .count = 1, .seed = 1, .size = SIZE, .out = "/tmp/never.fits"};
    zm_simulate_params bad = p;
    bad.count = 0;
    cr_expect_eq(zm_simulate(&bad, NULL, NULL, NULL), ZM_ERR_USAGE);
    bad = p;
    bad.size = 8;
    cr_expect_eq(zm_simulate(&bad, NULL, NULL, NULL), ZM_ERR_USAGE);
    bad.size = 100000;
    cr_expect_eq(zm_simulate(&bad, NULL, NULL, NULL), ZM_ERR_USAGE);
    bad = p;
    bad.out = NULL;
    cr_expect_eq(zm_simulate(&bad, NULL, NULL, NULL), ZM_ERR_USAGE);
    bad = p;
    bad.catalog = "/nonexistent/catalog.fits";
    cr_expect_eq(zm_simulate(&bad, NULL, NULL, NULL), ZM_ERR_IO);
    bad = p;
    bad.out = "/nonexistent/folder/out.safetensors";
    cr_expect_eq(zm_simulate(&bad, NULL, NULL, NULL), ZM_ERR_IO);
    cr_expect_neq(access("/tmp/never.fits", F_OK), 0);
}

typedef struct progress {
    uint64_t last, calls;
} progress;

static void note_progress(void *user, uint64_t done, uint64_t count)
{
    progress *p = user;
    cr_expect(done > p->last && done <= count);
    p->last = done;
    p->calls++;
}

Test(simulate, reports_progress_to_the_end)
{
    char path[256];
    make_path(path, sizeof path, "progress.safetensors");
    const zm_simulate_params params = {.count = 300, .seed = 1, .size = 16, .out = path};
    progress p = {0};
    cr_assert_eq(zm_simulate(&params, note_progress, &p, NULL), ZM_OK, "%s",
                 zm_error_detail());
    cr_expect_eq(p.last, 300);
    cr_expect_geq(p.calls, 2);
    remove(path);
}
