// The record of a run: no step stands twice after a resume.
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/io/bytes.h"
#include "core/train/train_log.h"
#include "tests/unit/io_helpers.h"

static void write_steps(const char *dir, uint64_t from, uint64_t to)
{
    zm_train_log log;
    expect_ok(zm_train_log_open(dir, from, &log));
    for (uint64_t step = from; step < to; step++) {
        const zm_step_result r = {
            .step = step, .loss = 1.0 / 3 + (double)step, .lr = 1e-3, .grad_norm = 0.5};
        cr_expect(zm_train_log_step(&log, &r));
        if (step % 4 == 3)
            cr_expect(zm_train_log_validation(&log, step, 0.25, step == 3));
    }
    zm_train_log_close(&log);
}

static char *read_text(const char *dir, const char *name)
{
    char path[TEST_PATH];
    uint8_t *bytes = NULL;
    uint64_t size = 0;
    expect_ok(zm_file_read(test_join(dir, name, path), 1 << 20, &bytes, &size));
    char *text = realloc(bytes, size + 1);
    cr_assert(text);
    text[size] = '\0';
    return text;
}

static void expect_same_text(const char *a, const char *b, const char *name)
{
    char *x = read_text(a, name), *y = read_text(b, name);
    cr_expect_str_eq(x, y, "%s", name);
    free(x);
    free(y);
}

Test(train_log, a_resumed_log_equals_one_written_through)
{
    char through[TEST_PATH], resumed[TEST_PATH];
    test_dir_create(through);
    test_dir_create(resumed);
    write_steps(through, 0, 12);
    write_steps(resumed, 0, 9); // killed; the checkpoint was at step 6
    write_steps(resumed, 6, 12);
    expect_same_text(through, resumed, "log.jsonl");
    expect_same_text(through, resumed, "log.csv");
    test_dir_remove(through);
    test_dir_remove(resumed);
}

Test(train_log, a_torn_last_line_is_dropped)
{
    char through[TEST_PATH], torn[TEST_PATH], path[TEST_PATH];
    test_dir_create(through);
    test_dir_create(torn);
    write_steps(through, 0, 10);
    write_steps(torn, 0, 7);
    FILE *f = fopen(test_join(torn, "log.jsonl", path), "ab");
    fputs("{\"step\":7,\"lo", f);
    fclose(f);
    f = fopen(test_join(torn, "log.csv", path), "ab");
    fputs("7,0.33", f);
    fclose(f);
    write_steps(torn, 7, 10);
    expect_same_text(through, torn, "log.jsonl");
    expect_same_text(through, torn, "log.csv");
    test_dir_remove(through);
    test_dir_remove(torn);
}

Test(train_log, lines_are_json_and_csv)
{
    char dir[TEST_PATH];
    test_dir_create(dir);
    write_steps(dir, 0, 4);
    char *text = read_text(dir, "log.jsonl");
    int lines = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), lines++) {
        json_t *object = json_loads(line, 0, NULL);
        cr_expect(json_is_object(object), "%s", line);
        cr_expect(json_is_integer(json_object_get(object, "step")));
        json_decref(object);
    }
    cr_expect_eq(lines, 5);
    free(text);
    text = read_text(dir, "log.csv");
    cr_expect_eq(
        strncmp(text, "step,loss,lr,grad_norm,val_loss\n0,0.333333333,0.001,0.5,\n", 57),
        0, "%s", text);
    free(text);
    test_dir_remove(dir);
}

// A validation that came out as no number is a line of the log, not a full disk.
Test(train_log, a_loss_that_is_no_number_is_null)
{
    char dir[TEST_PATH];
    zm_train_log log;
    test_dir_create(dir);
    expect_ok(zm_train_log_open(dir, 0, &log));
    cr_expect(zm_train_log_validation(&log, 0, (double)NAN, false));
    cr_expect_not(log.failed);
    zm_train_log_close(&log);
    char *text = read_text(dir, "log.jsonl");
    cr_expect_str_eq(text, "{\"step\":0,\"val_loss\":null,\"best\":false}\n");
    free(text);
    test_dir_remove(dir);
}

Test(train_log, a_missing_directory_is_refused)
{
    zm_train_log log;
    expect_status(zm_train_log_open("/nowhere/at/all", 0, &log), ZM_ERR_IO);
    cr_expect(!log.jsonl && !log.csv);
}
