#include "core/train/calibration.h"

#include <math.h>
#include <string.h>

#include "core/train/pdf.h"

static const char *const names[] = {"none", "temperature", "quantile"};

const char *zm_calibration_name(zm_calibration_kind kind)
{
    return names[kind];
}

zm_status zm_calibration_parse(const char *name, zm_calibration_kind *out)
{
    for (size_t i = 0; i < ZM_COUNT_OF(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (zm_calibration_kind)i;
            return ZM_OK;
        }
    }
    return ZM_FAIL(ZM_ERR_USAGE,
                   "expected a calibration none, temperature or quantile, found %s",
                   name);
}

double zm_calibration_knot(uint32_t j)
{
    const double s = sin(0.5 * acos(-1.0) * j / (ZM_CALIBRATION_KNOTS - 1));
    return s * s;
}

// F rises from bin to bin, so the knots are passed in order too.
static void apply_map(const double map[ZM_CALIBRATION_KNOTS], uint32_t bins, double *p)
{
    double f = 0.0, mapped_below = 0.0;
    uint32_t j = 0; // f lies between knots j and j + 1
    double low = 0.0, high = zm_calibration_knot(1);
    for (uint32_t k = 0; k < bins; k++) {
        f += p[k];
        if (k + 1 == bins && !isnan(f))
            f = 1.0; // rounding of the sum must not leave probability behind
        while (f > high && j + 2 < ZM_CALIBRATION_KNOTS) {
            low = high;
            high = zm_calibration_knot(++j + 1);
        }
        const double part = isnan(f) ? f : fmin((f - low) / (high - low), 1.0);
        const double mapped = map[j] + (map[j + 1] - map[j]) * part;
        p[k] = mapped - mapped_below;
        mapped_below = mapped;
    }
}

void zm_pdf_calibrate(const zm_calibration *c, const zm_head *head, const float *out,
                      double *p)
{
    const zm_calibration_kind kind = c ? c->kind : ZM_CALIBRATION_NONE;
    zm_pdf_of_head(head, out, kind == ZM_CALIBRATION_NONE ? 1.0 : c->temperature, p);
    if (kind == ZM_CALIBRATION_QUANTILE)
        apply_map(c->map, head->bins, p);
}

json_t *zm_calibration_json(const zm_calibration *c)
{
    if (c->kind == ZM_CALIBRATION_NONE)
        return NULL;
    json_t *root =
        json_pack("{s:s, s:f, s:I}", "kind", zm_calibration_name(c->kind), "temperature",
                  c->temperature, "objects", (json_int_t)c->objects);
    if (!root || c->kind != ZM_CALIBRATION_QUANTILE)
        return root;
    json_t *map = json_array();
    int failed = 0;
    for (size_t i = 0; i < ZM_CALIBRATION_KNOTS; i++)
        failed |= json_array_append_new(map, json_real(c->map[i]));
    failed |= json_object_set_new(root, "map", map);
    if (failed) {
        json_decref(root);
        root = NULL;
    }
    return root;
}

static zm_status read_map(const json_t *json, const char *path,
                          double map[ZM_CALIBRATION_KNOTS])
{
    if (!json_is_array(json) || json_array_size(json) != ZM_CALIBRATION_KNOTS)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: metadata: calibration: map is not an array of %d numbers",
                       path, ZM_CALIBRATION_KNOTS);
    for (size_t i = 0; i < ZM_CALIBRATION_KNOTS; i++) {
        const json_t *x = json_array_get(json, i);
        map[i] = json_number_value(x);
        if (!json_is_number(x) || (i > 0 && !(map[i] >= map[i - 1])))
            return ZM_FAIL(ZM_ERR_FORMAT,
                           "%s: metadata: calibration: map[%zu] is not a number that is "
                           "at least the one before it",
                           path, i);
    }
    if (map[0] != 0.0 || map[ZM_CALIBRATION_KNOTS - 1] != 1.0)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: metadata: calibration: expected a map from 0 to 1, found %g "
                       "to %g",
                       path, map[0], map[ZM_CALIBRATION_KNOTS - 1]);
    return ZM_OK;
}

zm_status zm_calibration_read(const json_t *json, const char *path, zm_calibration *out)
{
    zm_calibration c = {.kind = ZM_CALIBRATION_NONE};
    if (!json) {
        *out = c;
        return ZM_OK;
    }
    const char *kind = json_string_value(json_object_get(json, "kind"));
    const json_t *temperature = json_object_get(json, "temperature");
    const json_t *objects = json_object_get(json, "objects");
    if (!kind || zm_calibration_parse(kind, &c.kind) != ZM_OK)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: metadata: calibration: expected a kind none, temperature or "
                       "quantile, found %s",
                       path, kind ? kind : "none");
    c.temperature = json_number_value(temperature);
    if (c.kind != ZM_CALIBRATION_NONE &&
        !(c.temperature >= ZM_CALIBRATION_T_MIN && c.temperature <= ZM_CALIBRATION_T_MAX))
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: metadata: calibration: expected a temperature of %g to %g, "
                       "found %g",
                       path, ZM_CALIBRATION_T_MIN, ZM_CALIBRATION_T_MAX, c.temperature);
    if (objects && (!json_is_integer(objects) || json_integer_value(objects) < 0))
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: metadata: calibration: objects is not a count",
                       path);
    c.objects = (uint64_t)json_integer_value(objects);
    if (c.kind == ZM_CALIBRATION_QUANTILE)
        ZM_TRY(read_map(json_object_get(json, "map"), path, c.map));
    *out = c;
    return ZM_OK;
}
