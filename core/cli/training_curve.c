#include "core/cli/training_curve.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/io/bytes.h"
#include "core/io/csv.h"
#include "core/io/path.h"

enum { MAX_LOG_BYTES = 1 << 30 };

static bool allocate(zm_training_curve *c, uint64_t lines)
{
    c->step = zm_calloc(lines, sizeof *c->step);
    c->loss = zm_calloc(lines, sizeof *c->loss);
    c->lr = zm_calloc(lines, sizeof *c->lr);
    c->val_step = zm_calloc(lines, sizeof *c->val_step);
    c->val_loss = zm_calloc(lines, sizeof *c->val_loss);
    return c->step && c->loss && c->lr && c->val_step && c->val_loss;
}

static void add_step(zm_training_curve *c, double step, double loss, double lr)
{
    c->step[c->steps] = step;
    c->loss[c->steps] = loss;
    c->lr[c->steps++] = lr;
}

static void add_validation(zm_training_curve *c, double step, double loss)
{
    c->val_step[c->validations] = step;
    c->val_loss[c->validations++] = loss;
}

// ---- log.jsonl

static double number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static bool add_line(zm_training_curve *c, const char *line, size_t size)
{
    json_t *object = json_loadb(line, size, 0, NULL);
    const double step = number(object, "step");
    const bool sound = isfinite(step);
    if (sound && json_object_get(object, "val_loss"))
        add_validation(c, step, number(object, "val_loss"));
    if (sound && json_object_get(object, "loss"))
        add_step(c, step, number(object, "loss"), number(object, "lr"));
    json_decref(object);
    return sound;
}

static zm_status parse_jsonl(const char *path, const char *text, size_t size,
                             zm_training_curve *c)
{
    uint64_t lines = 1, line = 0;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    if (!allocate(c, lines))
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: out of memory", path);
    for (const char *at = text, *last = text + size; at < last;) {
        const char *end = memchr(at, '\n', (size_t)(last - at));
        if (!end)
            break;
        line++;
        if (!add_line(c, at, (size_t)(end - at)))
            return ZM_FAIL(ZM_ERR_FORMAT, "%s: line %llu is no record with a step", path,
                           (unsigned long long)line);
        at = end + 1;
    }
    return ZM_OK;
}

static zm_status read_jsonl(const char *path, zm_training_curve *c)
{
    uint8_t *text = NULL;
    uint64_t size = 0;
    ZM_TRY(zm_file_read(path, MAX_LOG_BYTES, &text, &size));
    const zm_status st = parse_jsonl(path, (const char *)text, (size_t)size, c);
    free(text);
    return st;
}

// ---- log.csv

static zm_status csv_rows(const zm_csv *csv, zm_training_curve *c)
{
    const int64_t columns[] = {zm_csv_find(csv, "step"), zm_csv_find(csv, "loss"),
                               zm_csv_find(csv, "lr"), zm_csv_find(csv, "val_loss")};
    if (columns[0] < 0 || columns[1] < 0)
        return ZM_FAIL(ZM_ERR_FORMAT, "wanted columns step and loss");
    if (!allocate(c, ZM_MAX(zm_csv_rows(csv), 1)))
        return ZM_FAIL(ZM_ERR_MEMORY, "out of memory");
    for (uint64_t i = 0; i < zm_csv_rows(csv); i++) {
        double v[ZM_COUNT_OF(columns)];
        for (size_t k = 0; k < ZM_COUNT_OF(columns); k++)
            ZM_TRY(zm_csv_f64(csv, i, columns[k], &v[k]));
        if (!isnan(v[3]))
            add_validation(c, v[0], v[3]);
        if (!isnan(v[1]))
            add_step(c, v[0], v[1], v[2]);
    }
    return ZM_OK;
}

static zm_status read_csv(const char *path, zm_training_curve *c)
{
    zm_csv *csv = NULL;
    ZM_TRY(zm_csv_read(path, &csv));
    const zm_status st = zm_error_context(csv_rows(csv, c), "%s", path);
    zm_csv_destroy(&csv);
    return st;
}

// ---- either

static bool exists(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f)
        fclose(f);
    return f != NULL;
}

zm_status zm_training_curve_read(const char *dir, zm_training_curve *out)
{
    zm_training_curve curve = {0};
    char *jsonl = zm_path_join(dir, "log.jsonl"), *csv = zm_path_join(dir, "log.csv");
    zm_status st =
        jsonl && csv ? ZM_OK : ZM_FAIL(ZM_ERR_MEMORY, "%s: out of memory", dir);
    if (st == ZM_OK)
        st = !exists(jsonl) && exists(csv) ? read_csv(csv, &curve)
                                           : read_jsonl(jsonl, &curve);
    if (st == ZM_OK && curve.steps == 0)
        st = ZM_FAIL(ZM_ERR_FORMAT, "%s: the log holds no training step", dir);
    free(jsonl);
    free(csv);
    if (st == ZM_OK)
        *out = curve;
    else
        zm_training_curve_finish(&curve);
    return st;
}

void zm_training_curve_finish(zm_training_curve *c)
{
    free(c->step);
    free(c->loss);
    free(c->lr);
    free(c->val_step);
    free(c->val_loss);
    *c = (zm_training_curve){0};
}

uint64_t zm_training_curve_best(const zm_training_curve *c)
{
    uint64_t best = c->validations;
    for (uint64_t i = 0; i < c->validations; i++)
        if (isfinite(c->val_loss[i]) &&
            (best == c->validations || c->val_loss[i] < c->val_loss[best]))
            best = i;
    return best;
}

// Sums from the start give every window in two look-ups.
zm_status zm_training_curve_smooth(const zm_training_curve *c, uint64_t window,
                                   double *out)
{
    double *sum = zm_calloc(c->steps + 1, sizeof *sum);
    if (!sum)
        return ZM_FAIL(ZM_ERR_MEMORY, "training curve: out of memory");
    for (uint64_t i = 0; i < c->steps; i++)
        sum[i + 1] = sum[i] + (isfinite(c->loss[i]) ? c->loss[i] : 0);
    for (uint64_t i = 0; i < c->steps; i++) {
        const uint64_t half = ZM_MIN(window / 2, ZM_MIN(i, c->steps - 1 - i));
        out[i] = (sum[i + half + 1] - sum[i - half]) / (double)(2 * half + 1);
    }
    free(sum);
    return ZM_OK;
}
