#include "core/train/train_log.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/io/bytes.h"
#include "core/io/path.h"

enum { MAX_LOG_BYTES = 1 << 30, LINE_BYTES = 256 };
static const char *const csv_header = "step,loss,lr,grad_norm,val_loss\n";

// Step of a JSON line; -1 when it is not one of ours (torn by a crash).
static int64_t jsonl_step(const char *line, size_t size)
{
    json_t *object = json_loadb(line, size, 0, NULL);
    const json_t *step = json_object_get(object, "step");
    const int64_t value = json_is_integer(step) ? json_integer_value(step) : -1;
    json_decref(object);
    return value;
}

static int64_t csv_step(const char *line, size_t size)
{
    char text[24] = {0};
    memcpy(text, line, ZM_MIN(size, sizeof text - 1));
    char *end;
    const long long value = strtoll(text, &end, 10);
    return end != text && *end == ',' ? value : -1;
}

// Rewrites a log with the complete lines of steps below first_step only.
static zm_status cut(const char *path, uint64_t first_step, const char *header,
                     int64_t (*step_of)(const char *, size_t))
{
    uint8_t *text = NULL;
    uint64_t size = 0;
    FILE *f = fopen(path, "rb");
    if (!f && errno == ENOENT) {
        text = NULL;
    } else if (f) {
        fclose(f);
        ZM_TRY(zm_file_read(path, MAX_LOG_BYTES, &text, &size));
    }
    zm_atomic_file out;
    zm_status st = zm_atomic_begin(path, &out);
    if (st != ZM_OK) {
        free(text);
        return st;
    }
    st = zm_atomic_write(&out, header, strlen(header));
    for (uint64_t at = 0; at < size && st == ZM_OK;) {
        const uint8_t *end = memchr(text + at, '\n', (size_t)(size - at));
        if (!end)
            break;
        const char *line = (const char *)text + at;
        const size_t length = (size_t)(end - (text + at)) + 1;
        const int64_t step = step_of(line, length - 1);
        if (step >= 0 && (uint64_t)step < first_step)
            st = zm_atomic_write(&out, line, length);
        at += length;
    }
    free(text);
    if (st == ZM_OK)
        return zm_atomic_commit(&out);
    zm_atomic_abort(&out);
    return st;
}

static zm_status open_one(const char *dir, const char *name, uint64_t first_step,
                          const char *header, int64_t (*step_of)(const char *, size_t),
                          FILE **out)
{
    char *path = zm_path_join(dir, name);
    if (!path)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory", dir);
    zm_status st = cut(path, first_step, header, step_of);
    if (st == ZM_OK && !(*out = fopen(path, "ab")))
        st = ZM_FAIL(ZM_ERR_IO, "%s: %s", path, strerror(errno));
    free(path);
    return st;
}

zm_status zm_train_log_open(const char *dir, uint64_t first_step, zm_train_log *log)
{
    *log = (zm_train_log){0};
    zm_status st = open_one(dir, "log.jsonl", first_step, "", jsonl_step, &log->jsonl);
    if (st == ZM_OK)
        st = open_one(dir, "log.csv", first_step, csv_header, csv_step, &log->csv);
    if (st != ZM_OK)
        zm_train_log_close(log);
    return st;
}

void zm_train_log_close(zm_train_log *log)
{
    if (log->jsonl)
        fclose(log->jsonl);
    if (log->csv)
        fclose(log->csv);
    *log = (zm_train_log){0};
}

static bool put(zm_train_log *log, json_t *object, const char *csv)
{
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    const bool ok = text && fprintf(log->jsonl, "%s\n", text) > 0 &&
                    fflush(log->jsonl) == 0 && fputs(csv, log->csv) >= 0 &&
                    fflush(log->csv) == 0;
    free(text);
    const bool first_failure = !ok && !log->failed;
    log->failed = log->failed || !ok;
    return !first_failure;
}

bool zm_train_log_step(zm_train_log *log, const zm_step_result *r)
{
    char csv[LINE_BYTES];
    snprintf(csv, sizeof csv, "%" PRIu64 ",%.9g,%.9g,%.9g,\n", r->step, r->loss, r->lr,
             r->grad_norm);
    return put(log,
               json_pack("{s:I, s:f, s:f, s:f}", "step", (json_int_t)r->step, "loss",
                         r->loss, "lr", r->lr, "grad_norm", r->grad_norm),
               csv);
}

// JSON has no NaN and no infinity: null.
static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

bool zm_train_log_validation(zm_train_log *log, uint64_t step, double loss, bool best)
{
    char csv[LINE_BYTES];
    snprintf(csv, sizeof csv, "%" PRIu64 ",,,,%.9g\n", step, loss);
    return put(log,
               json_pack("{s:I, s:o, s:b}", "step", (json_int_t)step, "val_loss",
                         number(loss), "best", (int)best),
               csv);
}
