// Checkpoints: a run goes on bit for bit, and damage never gets in.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/io/bytes.h"
#include "core/train/checkpoint.h"
#include "tests/model/train_tools.h"

static zm_training_options options(void)
{
    return (zm_training_options){.shuffle = true,
                                 .train = {.seed = 8,
                                           .batch = 8,
                                           .micro_batch = 4,
                                           .schedule = {.kind = ZM_SCHEDULE_COSINE,
                                                        .lr = 1e-3,
                                                        .steps = 8,
                                                        .warmup_steps = 2},
                                           .weight_decay = 0.05f,
                                           .clip = 1,
                                           .augment = ZM_AUG_FLIP | ZM_AUG_ROT90,
                                           .noise = 0.01f}};
}

static void save(zm_training *t, const char *dir, uint64_t step)
{
    const zm_run_state state = {.step = step,
                                .best_loss = INFINITY,
                                .micro_batch = 4,
                                .config = "{}",
                                .device = "cpu"};
    expect_ok(zm_checkpoint_save(dir, t->trainer, t->model, &state));
}

static void resume(zm_training *t, const zm_checkpoint *c)
{
    cr_assert_eq(c->host_count, zm_params_host_count(&t->model->params));
    memcpy(t->model->host, c->host, c->host_count * sizeof *c->host);
    expect_ok(zm_trainer_restore(t->trainer, c->state.step, c->m, c->v));
}

static void check_resume(zm_model *(*create)(void))
{
    char dir[TEST_PATH];
    zm_training through, first, second;
    zm_checkpoint c;
    const zm_training_options o = options();
    test_dir_create(dir);
    zm_training_begin(&through, create(), &o);
    zm_training_begin(&first, create(), &o);
    double losses[6];
    for (int i = 0; i < 6; i++)
        losses[i] = zm_training_step(&through).loss;
    for (int i = 0; i < 3; i++)
        cr_expect_eq(zm_training_step(&first).loss, losses[i]);
    save(&first, dir, 3);
    zm_training_end(&first);
    expect_ok(zm_checkpoint_load_newest(dir, NULL, &c));
    cr_assert(c.path);
    cr_expect_eq(c.state.step, 3);
    cr_expect(isinf(c.state.best_loss));
    cr_expect_eq(c.damaged, 0);
    zm_training_begin(&second, create(), &o);
    resume(&second, &c);
    for (int i = 3; i < 6; i++)
        cr_expect_eq(zm_training_step(&second).loss, losses[i], "step %d", i);
    float *a = zm_training_weights(&through), *b = zm_training_weights(&second);
    cr_expect_eq(memcmp(a, b, c.host_count * sizeof *a), 0);
    free(a);
    free(b);
    zm_checkpoint_finish(&c);
    zm_training_end(&through);
    zm_training_end(&second);
    test_dir_remove(dir);
}

static zm_model *create_pcm(void)
{
    return zm_training_mae(true);
}

Test(checkpoint, an_autoencoder_goes_on_bit_for_bit)
{
    check_resume(create_pcm);
}

Test(checkpoint, a_redshift_model_goes_on_bit_for_bit)
{
    check_resume(zm_training_astromae);
}

Test(checkpoint, the_newest_two_stay)
{
    char dir[TEST_PATH], path[TEST_PATH];
    zm_training t;
    const zm_training_options o = options();
    test_dir_create(dir);
    cr_expect_not(zm_checkpoint_any(dir));
    zm_training_begin(&t, create_pcm(), &o);
    for (uint64_t step = 8; step < 12; step++) // 9 to 10: by number, not by name
        save(&t, dir, step);
    cr_expect(zm_checkpoint_any(dir));
    cr_expect_eq(test_dir_count(dir), ZM_CHECKPOINT_KEEP);
    cr_expect_eq(access(test_join(dir, "step-11.ckpt", path), R_OK), 0);
    cr_expect_eq(access(test_join(dir, "step-10.ckpt", path), R_OK), 0);
    zm_training_end(&t);
    test_dir_remove(dir);
}

// Two checkpoints of a small model, steps 1 and 2; what step-2.ckpt holds comes back.
static uint8_t *two_checkpoints(char dir[TEST_PATH], char newest[TEST_PATH],
                                uint64_t *size)
{
    zm_training t;
    const zm_training_options o = options();
    uint8_t *bytes = NULL;
    zm_model *m = NULL;
    zm_mae_config config = zm_mae_default(false);
    config.vit = (zm_vit_config){
        .image = 16, .patch = 8, .bands = ZM_BANDS, .width = 4, .depth = 1, .heads = 1};
    config.dec_width = 4;
    config.dec_depth = config.dec_heads = 1;
    expect_ok(zm_model_create_mae(&config, 1, &m));
    test_dir_create(dir);
    zm_training_begin(&t, m, &o);
    save(&t, dir, 1);
    save(&t, dir, 2);
    zm_training_end(&t);
    test_join(dir, "step-2.ckpt", newest);
    expect_ok(zm_file_read(newest, 1 << 30, &bytes, size));
    return bytes;
}

static void expect_the_older(const char *dir, const char *what, uint64_t where)
{
    zm_checkpoint c;
    expect_ok(zm_checkpoint_load_newest(dir, NULL, &c));
    cr_expect(c.path && c.state.step == 1 && c.damaged == 1, "%s %llu: step %llu", what,
              (unsigned long long)where, (unsigned long long)c.state.step);
    zm_checkpoint_finish(&c);
}

Test(checkpoint, damage_anywhere_is_passed_over)
{
    char dir[TEST_PATH], newest[TEST_PATH];
    uint64_t size, header = 0, state = 1;
    uint8_t *bytes = two_checkpoints(dir, newest, &size);
    memcpy(&header, bytes, sizeof header); // little-endian, as every machine we test on
    cr_assert_lt(header, size);
    for (uint64_t at = 0; at < size; at += at < 8 + header ? 1 : 1 + size / 200) {
        const uint8_t before = bytes[at], flip = (uint8_t)(1u << test_random(&state) % 8);
        bytes[at] ^= flip;
        test_write_file(newest, bytes, size);
        bytes[at] = before;
        expect_the_older(dir, "byte", at);
    }
    free(bytes);
    test_dir_remove(dir);
}

Test(checkpoint, a_cut_file_is_passed_over)
{
    char dir[TEST_PATH], newest[TEST_PATH];
    uint64_t size;
    uint8_t *bytes = two_checkpoints(dir, newest, &size);
    for (uint64_t keep = 0; keep < size; keep += keep < 64 ? 1 : 1 + size / 100) {
        test_write_file(newest, bytes, keep);
        expect_the_older(dir, "cut at", keep);
    }
    test_write_file(newest, bytes, size - 1);
    expect_the_older(dir, "cut at", size - 1);
    free(bytes);
    test_dir_remove(dir);
}

Test(checkpoint, nothing_valid_is_no_checkpoint)
{
    char dir[TEST_PATH], newest[TEST_PATH], path[TEST_PATH];
    uint64_t size;
    zm_checkpoint c;
    uint8_t *bytes = two_checkpoints(dir, newest, &size);
    test_write_file(newest, bytes, 10);
    test_write_file(test_join(dir, "step-1.ckpt", path), bytes, 0);
    expect_ok(zm_checkpoint_load_newest(dir, NULL, &c));
    cr_expect_null(c.path);
    cr_expect_eq(c.damaged, 2);
    zm_checkpoint_finish(&c);
    expect_ok(zm_checkpoint_load_newest("/nowhere/at/all", NULL, &c));
    cr_expect_null(c.path);
    free(bytes);
    test_dir_remove(dir);
}

// A run that starts afresh after damage writes smaller step numbers than those that lie
// there: its own checkpoints must stay.
Test(checkpoint, a_new_one_outlives_later_damaged_ones)
{
    char dir[TEST_PATH], newest[TEST_PATH], path[TEST_PATH];
    uint64_t size;
    zm_training t;
    zm_checkpoint c;
    const zm_training_options o = options();
    uint8_t *bytes = two_checkpoints(dir, newest, &size);
    test_write_file(test_join(dir, "step-8.ckpt", path), bytes, 10);
    test_write_file(test_join(dir, "step-9.ckpt", path), bytes, 0);
    free(bytes);
    zm_training_begin(&t, create_pcm(), &o);
    save(&t, dir, 3);
    zm_training_end(&t);
    expect_ok(zm_checkpoint_load_newest(dir, NULL, &c));
    cr_expect(c.path && c.state.step == 3 && c.damaged == 0);
    cr_expect_eq(test_dir_count(dir), ZM_CHECKPOINT_KEEP);
    zm_checkpoint_finish(&c);
    test_dir_remove(dir);
}

Test(checkpoint, a_sweep_takes_only_what_a_run_left)
{
    static const char *const left[] = {"model.safetensors.tmp-12", "step-3.ckpt.tmp-4",
                                       "log.csv.tmp-5"};
    static const char *const others[] = {"notes.tmp-old", "z.csv.tmp-7",
                                         "model.safetensors.tmp-x", "step-3.ckpt"};
    char dir[TEST_PATH], path[TEST_PATH];
    test_dir_create(dir);
    for (size_t i = 0; i < ZM_COUNT_OF(left); i++)
        test_write_file(test_join(dir, left[i], path), "a", 1);
    for (size_t i = 0; i < ZM_COUNT_OF(others); i++)
        test_write_file(test_join(dir, others[i], path), "a", 1);
    zm_checkpoint_sweep(dir);
    for (size_t i = 0; i < ZM_COUNT_OF(left); i++)
        cr_expect_neq(access(test_join(dir, left[i], path), F_OK), 0, "%s", left[i]);
    for (size_t i = 0; i < ZM_COUNT_OF(others); i++)
        cr_expect_eq(access(test_join(dir, others[i], path), F_OK), 0, "%s", others[i]);
    test_dir_remove(dir);
}
