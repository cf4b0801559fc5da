#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/rng.h"
#include "core/train/calibrate.h"
#include "core/train/pdf.h"

enum { COUNT = 20000, BINS = 80 };
static const zm_head histogram = {ZM_HEAD_PDF, BINS, 0.0, 0.4};
static const zm_head normal = {ZM_HEAD_GAUSS, BINS, 0.0, 0.4};

static float logits[2 * COUNT * BINS], gauss[2 * COUNT * 2], z[2 * COUNT];

// Redshifts from normal laws of mean in [0.14, 0.26] and sd 0.02, six bins to 2 sigma and
// nothing off the grid; a model that says those laws, but `shift` sd to the right and
// `sharp` times narrower (sd / sharp; logits times sharp).
static void draw(uint32_t seed, double shift, double sharp, uint64_t count)
{
    const zm_z_grid grid = zm_z_grid_of(&histogram);
    const double sd = 0.02;
    zm_rng rng = zm_rng_init(seed, ZM_RNG_TEST, 0, 0);
    for (uint64_t i = 0; i < count; i++) {
        double p[BINS];
        const double mean = 0.14 + 0.12 * zm_rng_double(&rng);
        zm_pdf_normal(&grid, mean, sd, p);
        z[i] = (float)zm_pdf_quantile(&grid, p, zm_rng_double(&rng));
        gauss[2 * i] = (float)(mean + shift * sd);
        gauss[2 * i + 1] = (float)(2.0 * log(sd / sharp));
        for (uint32_t k = 0; k < BINS; k++) {
            const double d = (zm_z_grid_centre(&grid, k) - mean) / sd - shift;
            logits[i * BINS + k] = (float)(-0.5 * d * d * sharp);
        }
    }
}

static zm_calibrate_sample sample_of(const zm_head *head)
{
    return (zm_calibrate_sample){.head = head,
                                 .outputs = head == &normal ? gauss : logits,
                                 .z = z,
                                 .count = COUNT};
}

static double ks_of(const zm_calibrate_sample *s, const zm_calibration *c)
{
    static double pit[COUNT];
    cr_assert_eq(zm_calibrate_pit(s, c, pit), ZM_OK);
    return zm_pit_ks(pit, s->count);
}

// P(KS sqrt(n) > 1.95) = 0.001 of uniform PITs; the draws are fixed.
static const double uniform_ks = 1.95 / 141.42; // sqrt(COUNT)

Test(calibrate, temperature_undoes_a_histogram_that_is_too_sharp)
{
    zm_calibration c;
    draw(1, 0.0, 3.0, COUNT);
    const zm_calibrate_sample s = sample_of(&histogram);
    cr_assert_eq(zm_calibrate_fit(&s, ZM_CALIBRATION_TEMPERATURE, &c), ZM_OK);
    // T multiplies sd^2, whose relative standard error is sqrt(2 / COUNT) = 0.01
    cr_expect(fabs(c.temperature / 3.0 - 1.0) < 0.04, "T = %g", c.temperature);
    cr_expect_eq(c.objects, COUNT);
    cr_expect_gt(ks_of(&s, NULL), 0.1);
    cr_expect_lt(ks_of(&s, &c), uniform_ks);
}

Test(calibrate, temperature_undoes_a_histogram_that_is_too_wide)
{
    zm_calibration c;
    draw(2, 0.0, 0.4, COUNT);
    const zm_calibrate_sample s = sample_of(&histogram);
    cr_assert_eq(zm_calibrate_fit(&s, ZM_CALIBRATION_TEMPERATURE, &c), ZM_OK);
    cr_expect(fabs(c.temperature / 0.4 - 1.0) < 0.04, "T = %g", c.temperature);
    cr_expect_lt(ks_of(&s, &c), uniform_ks);
}

Test(calibrate, temperature_scales_the_width_of_a_normal_law)
{
    zm_calibration c;
    draw(3, 0.0, 2.0, COUNT);
    const zm_calibrate_sample s = sample_of(&normal);
    cr_assert_eq(zm_calibrate_fit(&s, ZM_CALIBRATION_TEMPERATURE, &c), ZM_OK);
    cr_expect(fabs(c.temperature / 2.0 - 1.0) < 0.02, "T = %g", c.temperature);
    cr_expect_lt(ks_of(&s, &c), uniform_ks);
}

// A bias is nothing that a temperature could mend; the map must, also on new objects.
Test(calibrate, quantile_map_undoes_a_bias_on_objects_it_never_saw)
{
    const zm_head *const heads[] = {&histogram, &normal};
    draw(4, 0.7, 2.0, 2 * COUNT);
    for (size_t i = 0; i < ZM_COUNT_OF(heads); i++) {
        zm_calibration scaled, mapped;
        const zm_calibrate_sample known = sample_of(heads[i]);
        zm_calibrate_sample fresh = known;
        fresh.first = COUNT;
        cr_assert_eq(zm_calibrate_fit(&known, ZM_CALIBRATION_TEMPERATURE, &scaled),
                     ZM_OK);
        cr_assert_eq(zm_calibrate_fit(&known, ZM_CALIBRATION_QUANTILE, &mapped), ZM_OK);
        cr_expect_gt(ks_of(&fresh, &scaled), 0.1);
        // the map is a sample of the same size: sqrt(2); a bin is up to 0.1 of a law, in
        // which the knots of the map are replaced by a line: 0.005 at most
        cr_expect_lt(ks_of(&fresh, &mapped), sqrt(2.0) * uniform_ks + 0.005);
        cr_expect_eq(mapped.map[0], 0.0);
        cr_expect_eq(mapped.map[ZM_CALIBRATION_KNOTS - 1], 1.0);
    }
}

// One redshift in 30 lies far off; a map of even knots would leave them in one lump.
Test(calibrate, quantile_map_spreads_outliers)
{
    zm_calibration c;
    draw(10, 0.0, 1.0, 2 * COUNT);
    for (uint64_t i = 0; i < 2 * COUNT; i += 30)
        z[i] = gauss[2 * i] + (i % 60 ? 0.08f : -0.08f); // 4 sd: PIT of 3e-5
    const zm_calibrate_sample known = sample_of(&normal);
    zm_calibrate_sample fresh = known;
    fresh.first = COUNT;
    cr_assert_eq(zm_calibrate_fit(&known, ZM_CALIBRATION_QUANTILE, &c), ZM_OK);
    // the lumps at either end, 1 / 60 each, hold at most a knot's interval
    cr_expect_lt(ks_of(&fresh, &c), 0.5 / 60 + sqrt(2.0) * uniform_ks);
}

Test(calibrate, a_calibrated_distribution_is_one)
{
    zm_calibration c;
    draw(5, -0.5, 2.0, COUNT);
    const zm_calibrate_sample s = sample_of(&histogram);
    cr_assert_eq(zm_calibrate_fit(&s, ZM_CALIBRATION_QUANTILE, &c), ZM_OK);
    for (int i = 0; i < 100; i++) {
        double p[BINS], sum = 0.0;
        zm_pdf_calibrate(&c, &histogram, logits + i * BINS, p);
        for (int k = 0; k < BINS; k++) {
            cr_assert_geq(p[k], 0.0);
            sum += p[k];
        }
        cr_assert(fabs(sum - 1.0) <= BINS * DBL_EPSILON, "sum %.17g", sum);
    }
}

Test(calibrate, none_changes_nothing)
{
    zm_calibration c;
    double head[BINS], none[BINS], null[BINS];
    draw(6, 0.5, 2.0, COUNT);
    const zm_calibrate_sample s = sample_of(&histogram);
    cr_assert_eq(zm_calibrate_fit(&s, ZM_CALIBRATION_NONE, &c), ZM_OK);
    zm_pdf_of_head(&histogram, logits, 1.0, head);
    zm_pdf_calibrate(&c, &histogram, logits, none);
    zm_pdf_calibrate(NULL, &histogram, logits, null);
    cr_expect_eq(memcmp(none, head, sizeof head), 0);
    cr_expect_eq(memcmp(null, head, sizeof head), 0);
}

// Of a perfect head. The distance scatters by 30 % (Kolmogorov's law), the mean of 40 by
// 4.7 %; the limit is three times that. A map between knots is smoother than the steps of
// 250 objects, which takes a little off.
Test(calibrate, chance_is_what_a_perfect_head_comes_to)
{
    enum { PARTS = 40, OBJECTS = COUNT / PARTS };
    const zm_calibration_kind kinds[] = {ZM_CALIBRATION_NONE, ZM_CALIBRATION_QUANTILE};
    draw(11, 0.0, 1.0, COUNT);
    for (size_t k = 0; k < ZM_COUNT_OF(kinds); k++) {
        zm_calibrate_report r = {0};
        double mean = 0.0;
        for (uint32_t i = 0; i < PARTS; i++) {
            zm_calibrate_sample s = sample_of(&normal);
            zm_calibration c;
            s.first = i * OBJECTS;
            s.count = OBJECTS;
            cr_assert_eq(zm_calibrate_fit(&s, kinds[k], &c), ZM_OK);
            cr_assert_eq(zm_calibrate_assess(&s, &c, &r), ZM_OK);
            mean += r.crossed / PARTS;
        }
        const double smooth = kinds[k] == ZM_CALIBRATION_QUANTILE ? 0.1 : 0.0;
        const double ratio = mean / r.chance;
        cr_expect(ratio > 0.86 - smooth && ratio < 1.14, "%s: %g of %g",
                  zm_calibration_name(kinds[k]), mean, r.chance);
    }
}

Test(calibrate, assessment_tells_in_sample_from_crossed)
{
    zm_calibration c;
    zm_calibrate_report r;
    draw(7, 0.7, 2.0, COUNT);
    zm_calibrate_sample s = sample_of(&histogram);
    s.count = 400; // few, so that learning on the sample itself shows
    cr_assert_eq(zm_calibrate_fit(&s, ZM_CALIBRATION_QUANTILE, &c), ZM_OK);
    cr_assert_eq(zm_calibrate_assess(&s, &c, &r), ZM_OK);
    cr_expect_eq(r.before, ks_of(&s, NULL));
    cr_expect_eq(r.after, ks_of(&s, &c));
    cr_expect_lt(r.after, r.crossed);
    cr_expect_lt(r.crossed, r.before);
    s.count = 2 * ZM_CALIBRATE_MIN_OBJECTS - 2;
    cr_assert_eq(zm_calibrate_assess(&s, &c, &r), ZM_OK);
    cr_expect(isnan(r.crossed), "halves of 99 are too few");
}

Test(calibrate, refuses_what_teaches_nothing)
{
    const zm_head point = {.kind = ZM_HEAD_POINT};
    zm_calibration c;
    draw(8, 0.0, 1.0, COUNT);
    zm_calibrate_sample s = sample_of(&histogram);
    s.head = &point;
    cr_expect_eq(zm_calibrate_fit(&s, ZM_CALIBRATION_TEMPERATURE, &c), ZM_ERR_SHAPE);
    s.head = &histogram;
    s.count = ZM_CALIBRATE_MIN_OBJECTS - 1;
    cr_expect_eq(zm_calibrate_fit(&s, ZM_CALIBRATION_TEMPERATURE, &c), ZM_ERR_FORMAT);
    s.count = COUNT;
    z[17] = NAN;
    cr_expect_eq(zm_calibrate_fit(&s, ZM_CALIBRATION_TEMPERATURE, &c), ZM_ERR_FORMAT);
    cr_expect(strstr(zm_error_detail(), "object 17"), "%s", zm_error_detail());
    z[17] = 0.1f;
    logits[18 * BINS + 3] = INFINITY;
    cr_expect_eq(zm_calibrate_fit(&s, ZM_CALIBRATION_TEMPERATURE, &c), ZM_ERR_FORMAT);
    cr_expect(strstr(zm_error_detail(), "object 18"), "%s", zm_error_detail());
}

static zm_status read_text(const char *text, zm_calibration *out)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    const zm_status st = zm_calibration_read(json, "model", out);
    json_decref(json);
    return st;
}

Test(calibrate, survives_its_json_bit_by_bit)
{
    const zm_calibration_kind kinds[] = {ZM_CALIBRATION_TEMPERATURE,
                                         ZM_CALIBRATION_QUANTILE};
    draw(9, 0.3, 2.0, COUNT);
    const zm_calibrate_sample s = sample_of(&histogram);
    for (size_t i = 0; i < ZM_COUNT_OF(kinds); i++) {
        zm_calibration c, back;
        cr_assert_eq(zm_calibrate_fit(&s, kinds[i], &c), ZM_OK);
        json_t *json = zm_calibration_json(&c);
        char *text = json_dumps(json, JSON_COMPACT);
        cr_assert_eq(read_text(text, &back), ZM_OK);
        cr_expect_eq(back.kind, c.kind);
        cr_expect_eq(back.temperature, c.temperature);
        cr_expect_eq(back.objects, c.objects);
        cr_expect_eq(memcmp(back.map, c.map, sizeof c.map), 0);
        free(text);
        json_decref(json);
    }
}

Test(calibrate, hostile_metadata_are_errors)
{
    static const char *const texts[] = {
        "3",
        "[]",
        "{}",
        "{\"kind\": \"magic\", \"temperature\": 1}",
        "{\"kind\": 4, \"temperature\": 1}",
        "{\"kind\": \"temperature\"}",
        "{\"kind\": \"temperature\", \"temperature\": 0}",
        "{\"kind\": \"temperature\", \"temperature\": -1}",
        "{\"kind\": \"temperature\", \"temperature\": 1e300}",
        "{\"kind\": \"temperature\", \"temperature\": \"1\"}",
        "{\"kind\": \"temperature\", \"temperature\": 1, \"objects\": -4}",
        "{\"kind\": \"temperature\", \"temperature\": 1, \"objects\": 0.5}",
        "{\"kind\": \"quantile\", \"temperature\": 1}",
        "{\"kind\": \"quantile\", \"temperature\": 1, \"map\": [0, 1]}",
        "{\"kind\": \"quantile\", \"temperature\": 1, \"map\": 1}",
    };
    for (size_t i = 0; i < ZM_COUNT_OF(texts); i++) {
        zm_calibration c = {.objects = 77};
        cr_expect_eq(read_text(texts[i], &c), ZM_ERR_FORMAT, "%s", texts[i]);
        cr_expect_eq(c.objects, 77, "untouched by %s", texts[i]);
    }
}

Test(calibrate, a_map_must_rise_from_zero_to_one)
{
    static const struct {
        size_t knot;
        double value;
    } damage[] = {{0, 0.001}, {0, -1.0}, {50, 0.2}, {99, 1.5}, {100, 0.999}, {100, 7.0}};
    for (size_t i = 0; i < ZM_COUNT_OF(damage); i++) {
        zm_calibration c = {.kind = ZM_CALIBRATION_QUANTILE, .temperature = 1.0}, back;
        for (int j = 0; j < ZM_CALIBRATION_KNOTS; j++)
            c.map[j] = j / 100.0;
        c.map[damage[i].knot] = damage[i].value;
        json_t *json = zm_calibration_json(&c);
        cr_expect_eq(zm_calibration_read(json, "model", &back), ZM_ERR_FORMAT, "map %zu",
                     damage[i].knot);
        json_decref(json);
    }
    zm_calibration none;
    cr_expect_eq(zm_calibration_read(NULL, "model", &none), ZM_OK);
    cr_expect_eq(none.kind, ZM_CALIBRATION_NONE);
}
