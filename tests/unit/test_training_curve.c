#include <math.h>

#include "core/cli/training_curve.h"
#include "io_helpers.h"

static void put(const char *dir, const char *name, const char *text)
{
    char path[TEST_PATH];
    FILE *f = fopen(test_join(dir, name, path), "wb");
    cr_assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static const char good[] = "{\"step\":0,\"loss\":4.0,\"lr\":0.1,\"grad_norm\":1}\n"
                           "{\"step\":1,\"loss\":2.0,\"lr\":0.2}\n"
                           "{\"step\":1,\"val_loss\":3.5,\"best\":true}\n"
                           "{\"step\":2,\"loss\":null,\"lr\":0.3}\n"
                           "{\"step\":3,\"loss\":1.0,\"lr\":0.4}\n"
                           "{\"step\":3,\"val_loss\":null,\"best\":false}\n"
                           "{\"step\":4,\"val_loss\":2.5,\"best\":true}\n";

Test(training_curve, reads_steps_and_validations)
{
    char dir[TEST_PATH];
    zm_training_curve c;
    test_dir_create(dir);
    put(dir, "log.jsonl", good);
    cr_assert_eq(zm_training_curve_read(dir, &c), ZM_OK);
    cr_assert_eq(c.steps, 4);
    cr_assert_eq(c.validations, 3);
    cr_expect_eq(c.loss[1], 2.0);
    cr_expect_eq(c.lr[3], 0.4);
    cr_expect(isnan(c.loss[2]));
    cr_expect(isnan(c.val_loss[1]));
    cr_expect_eq(zm_training_curve_best(&c), 2);
    zm_training_curve_finish(&c);
    test_dir_remove(dir);
}

Test(training_curve, leaves_out_a_line_that_is_being_written)
{
    char dir[TEST_PATH], text[1024];
    zm_training_curve c;
    test_dir_create(dir);
    snprintf(text, sizeof text, "%s{\"step\":5,\"lo", good);
    put(dir, "log.jsonl", text);
    cr_assert_eq(zm_training_curve_read(dir, &c), ZM_OK);
    cr_expect_eq(c.steps, 4);
    zm_training_curve_finish(&c);
    test_dir_remove(dir);
}

Test(training_curve, reads_the_csv_where_there_is_nothing_else)
{
    char dir[TEST_PATH];
    zm_training_curve c;
    test_dir_create(dir);
    put(dir, "log.csv",
        "step,loss,lr,grad_norm,val_loss\n0,4,0.1,1,\n0,,,,3\n1,2,0.2,1,\n");
    cr_assert_eq(zm_training_curve_read(dir, &c), ZM_OK);
    cr_expect_eq(c.steps, 2);
    cr_expect_eq(c.validations, 1);
    cr_expect_eq(c.val_loss[0], 3.0);
    zm_training_curve_finish(&c);
    test_dir_remove(dir);
}

Test(training_curve, names_the_line_that_is_wrong)
{
    char dir[TEST_PATH];
    zm_training_curve c;
    test_dir_create(dir);
    put(dir, "log.jsonl", "{\"step\":0,\"loss\":1}\n{\"loss\":\n");
    cr_expect_eq(zm_training_curve_read(dir, &c), ZM_ERR_FORMAT);
    cr_expect(strstr(zm_error_detail(), "line 2"), "%s", zm_error_detail());
    put(dir, "log.jsonl", "{\"step\":0,\"val_loss\":1}\n");
    cr_expect_eq(zm_training_curve_read(dir, &c), ZM_ERR_FORMAT);
    cr_expect(strstr(zm_error_detail(), "no training step"), "%s", zm_error_detail());
    test_dir_remove(dir);
    cr_expect_eq(zm_training_curve_read("/nowhere", &c), ZM_ERR_IO);
}

Test(training_curve, is_smoothed_by_means_that_narrow_at_the_ends)
{
    double step[] = {0, 1, 2, 3, 4}, loss[] = {1, 5, 3, 7, 9}, out[5];
    const zm_training_curve c = {.steps = 5, .step = step, .loss = loss};
    cr_assert_eq(zm_training_curve_smooth(&c, 4, out), ZM_OK);
    const double wanted[] = {1, 3, 5, 19.0 / 3, 9};
    for (int i = 0; i < 5; i++)
        cr_expect_float_eq(out[i], wanted[i], 1e-14, "%d: %g", i, out[i]);
    cr_assert_eq(zm_training_curve_smooth(&c, 0, out), ZM_OK);
    cr_expect_arr_eq(out, loss, sizeof loss);
}
