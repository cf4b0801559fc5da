// The trainer: it learns, and what must not matter does not matter.
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/model/train_tools.h"

static bool same_weights(const zm_training *t, const float *a, const float *b)
{
    return memcmp(a, b, zm_params_host_count(&t->model->params) * sizeof *a) == 0;
}

// Sixteen smooth images, under other masks in every step: a mean image alone would leave
// most of the loss, a tenth needs the images themselves.
Test(trainer, an_autoencoder_overfits_sixteen_images)
{
    zm_training t;
    const zm_training_options o = {
        .train = {.seed = 1, .batch = 16, .schedule.lr = 3e-3}};
    zm_training_begin(&t, zm_training_mae(true), &o);
    const double first = zm_training_step(&t).loss;
    double last = 0;
    for (int i = 0; i < 250; i++)
        last = zm_training_step(&t).loss;
    cr_expect_lt(last, first / 10, "loss %g, then %g", first, last);
    zm_training_end(&t);
}

Test(trainer, a_redshift_model_overfits_sixteen_objects)
{
    zm_training t;
    const zm_training_options o = {
        .train = {.seed = 1, .batch = 16, .schedule.lr = 3e-4, .beta2 = 0.999f}};
    zm_training_begin(&t, zm_training_astromae(), &o);
    const double first = zm_training_step(&t).loss;
    double last = 0;
    for (int i = 0; i < 40; i++)
        last = zm_training_step(&t).loss;
    cr_expect_lt(last, first / 10, "loss %g, then %g", first, last);
    zm_training_end(&t);
}

// Plain blocks know no batch: four micro-batches of 4 give the gradient of 16 up to the
// order of sums. After one AdamW step of a fresh model every weight has moved by about
// lr, in the direction of its gradient's sign: gradients that are rounding noise may
// turn.
Test(trainer, accumulation_equals_the_large_batch)
{
    zm_step_result result[2][3];
    for (int i = 0; i < 2; i++) {
        zm_training t;
        const zm_training_options o = {
            .train = {
                .seed = 2, .batch = 16, .micro_batch = i ? 4 : 16, .schedule.lr = 1e-4}};
        zm_training_begin(&t, zm_training_mae(false), &o);
        cr_expect_eq(zm_trainer_memory(t.trainer).micro_batch, i ? 4 : 16);
        for (int s = 0; s < 3; s++)
            result[i][s] = zm_training_step(&t);
        zm_training_end(&t);
    }
    for (int s = 0; s < 3;
         s++) { // sums of a few thousand terms: well below 1000 roundings
        const zm_step_result *a = &result[0][s], *b = &result[1][s];
        cr_expect(fabs(a->loss - b->loss) <= 1000 * FLT_EPSILON * a->loss,
                  "step %d: loss %.9g and %.9g", s, a->loss, b->loss);
        cr_expect(fabs(a->grad_norm - b->grad_norm) <= 1000 * FLT_EPSILON * a->grad_norm,
                  "step %d: norm %.9g and %.9g", s, a->grad_norm, b->grad_norm);
    }
}

Test(trainer, a_micro_batch_that_does_not_divide_is_refused)
{
    zm_training t;
    const zm_training_options o = {.train = {.batch = 16, .schedule.lr = 1e-4}};
    zm_training_begin(&t, zm_training_mae(false), &o);
    zm_trainer *second = NULL;
    zm_model *other = zm_training_mae(false);
    const zm_train_config config = {.batch = 16, .micro_batch = 5};
    expect_status(zm_trainer_create(t.gpu, other, t.ds, &t.order, &config, NULL, &second),
                  ZM_ERR_USAGE);
    cr_expect_null(second);
    expect_detail("5");
    zm_model_destroy(&other);
    zm_training_end(&t);
}

// With beta1 = beta2 = 0 a step is lr * g / (|g| + eps): nearly lr for any gradient above
// eps, clipped or not; with eps = 1e-8 and a clip to 1e-9 it is at most lr * 0.1.
Test(trainer, clipping_bounds_the_gradient)
{
    for (int clipped = 0; clipped < 2; clipped++) {
        zm_training t;
        const zm_training_options o = {.train = {.batch = 16,
                                                 .schedule.lr = 1e-3,
                                                 .beta1 = FLT_MIN,
                                                 .beta2 = FLT_MIN,
                                                 .clip = clipped ? 1e-9f : 0.0f}};
        zm_training_begin(&t, zm_training_mae(false), &o);
        float *before = zm_training_weights(&t);
        const zm_step_result r = zm_training_step(&t);
        cr_expect_gt(r.grad_norm, 1e-3, "the norm is that before clipping");
        float *after = zm_training_weights(&t);
        double most = 0;
        for (uint64_t i = 0; i < t.model->params.weights; i++)
            most = fmax(most, fabs((double)after[i] - (double)before[i]));
        cr_expect(clipped ? most <= 1.1e-4 : most > 0.9e-3, "largest step %g", most);
        free(before);
        free(after);
        zm_training_end(&t);
    }
}

// With a vanishing step for gradients (clip) only decay is left: w *= 1 - lr * decay for
// weights of two and more dimensions and tokens, nothing for biases, norms and positions.
Test(trainer, weight_decay_meets_matrices_and_tokens_only)
{
    zm_training t;
    const zm_training_options o = {
        .train = {
            .batch = 16, .schedule.lr = 0.01, .weight_decay = 0.5f, .clip = 1e-20f}};
    zm_training_begin(&t, zm_training_mae(true), &o);
    float *before = zm_training_weights(&t);
    zm_training_step(&t);
    float *after = zm_training_weights(&t);
    const zm_params *ps = &t.model->params;
    for (uint32_t i = 0; i < ps->name_count; i++) {
        const zm_param_name *n = &ps->names[i];
        if (ps->slots[n->slot].kind == ZM_PARAM_STATISTIC)
            continue;
        const bool position = strstr(n->name, "pos_embed") != NULL;
        const float factor = n->rank >= 2 && !position ? 0.995f : 1.0f;
        const float *a = zm_params_host_at(ps, n, before);
        const float *b = zm_params_host_at(ps, n, after);
        for (uint64_t e = 0; e < n->count; e++)
            cr_assert(fabsf(b[e] - factor * a[e]) <=
                          4 * FLT_EPSILON * fabsf(a[e]) + 1e-9f,
                      "%s: %.9g became %.9g", n->name, (double)a[e], (double)b[e]);
    }
    free(before);
    free(after);
    zm_training_end(&t);
}

Test(trainer, what_is_frozen_stays_bit_for_bit)
{
    zm_training t;
    const zm_training_options o = {
        .train = {.batch = 8, .schedule.lr = 1e-3, .weight_decay = 0.1f}};
    zm_training_begin(&t, zm_training_astromae(), &o);
    float *before = zm_training_weights(&t);
    for (int i = 0; i < 3; i++)
        zm_training_step(&t);
    float *after = zm_training_weights(&t);
    const zm_params *ps = &t.model->params;
    for (uint32_t i = 0; i < ps->name_count; i++) {
        const zm_param_name *n = &ps->names[i];
        const bool encoder = strncmp(n->name, "blocks.", 7) == 0 ||
                             strncmp(n->name, "patch_embed.", 12) == 0 ||
                             strcmp(n->name, "cls_token") == 0 ||
                             strcmp(n->name, "pos_embed") == 0;
        const bool dead = strstr(n->name, "vis_inception.8.branch3.") != NULL;
        const bool same =
            memcmp(zm_params_host_at(ps, n, before), zm_params_host_at(ps, n, after),
                   n->count * sizeof(float)) == 0;
        cr_expect_eq(same, encoder || dead, "%s %s", n->name,
                     same ? "did not change" : "changed");
    }
    free(before);
    free(after);
    zm_training_end(&t);
}

Test(trainer, threads_do_not_change_a_bit)
{
    static const uint32_t threads[] = {1, 2, 7};
    for (int astromae = 0; astromae < 2; astromae++) {
        float *first = NULL;
        double loss = 0;
        for (size_t i = 0; i < ZM_COUNT_OF(threads); i++) {
            zm_training t;
            const zm_training_options o = {
                .threads = threads[i],
                .shuffle = true,
                .train = {.seed = 5,
                          .batch = 8,
                          .schedule.lr = 1e-3,
                          .clip = 1,
                          .augment = ZM_AUG_FLIP | ZM_AUG_ROT90,
                          .noise = 0.01f}};
            zm_training_begin(
                &t, astromae ? zm_training_astromae() : zm_training_mae(true), &o);
            zm_step_result r = {0};
            for (int s = 0; s < 3; s++)
                r = zm_training_step(&t);
            float *weights = zm_training_weights(&t);
            if (i == 0) {
                first = weights;
                loss = r.loss;
            } else {
                cr_expect(same_weights(&t, first, weights), "%u threads", threads[i]);
                cr_expect_eq(r.loss, loss);
                free(weights);
            }
            zm_training_end(&t);
        }
        free(first);
    }
}

// Results may be fetched late: three steps in flight, the fourth is refused.
Test(trainer, three_steps_may_be_outstanding)
{
    zm_training t;
    const zm_training_options o = {.train = {.batch = 4, .schedule.lr = 1e-3}};
    zm_training_begin(&t, zm_training_mae(false), &o);
    zm_step_result r;
    expect_status(zm_trainer_result(t.trainer, &r), ZM_ERR_USAGE);
    for (int i = 0; i < ZM_STEPS_IN_FLIGHT; i++)
        expect_ok(zm_trainer_step(t.trainer));
    expect_status(zm_trainer_step(t.trainer), ZM_ERR_USAGE);
    cr_expect_eq(zm_trainer_pending(t.trainer), ZM_STEPS_IN_FLIGHT);
    expect_ok(zm_gpu_wait(t.gpu));
    for (uint64_t i = 0; i < ZM_STEPS_IN_FLIGHT; i++) {
        expect_ok(zm_trainer_result(t.trainer, &r));
        cr_expect_eq(r.step, i);
    }
    cr_expect_eq(zm_trainer_pending(t.trainer), 0);
    zm_training_end(&t);
}

Test(trainer, a_loss_that_is_not_finite_names_the_step)
{
    zm_training t;
    const zm_training_options o = {.train = {.batch = 16, .schedule.lr = 1e30}};
    zm_training_begin(&t, zm_training_mae(false), &o);
    zm_step_result r;
    zm_status st = ZM_OK;
    for (int i = 0; i < 5 && st == ZM_OK; i++) {
        expect_ok(zm_trainer_step(t.trainer));
        expect_ok(zm_gpu_wait(t.gpu));
        st = zm_trainer_result(t.trainer, &r);
    }
    cr_expect_eq(st, ZM_ERR_FORMAT);
    expect_detail("step");
    zm_training_end(&t);
}
