#include "tests/model/gradcheck.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MUST(expr) cr_assert_eq((expr), ZM_OK, "%s", zm_error_detail())

zm_slice zm_check_slice(zm_buf *buf, const zm_check_leaf *leaf)
{
    return (zm_slice){buf, leaf->offset, leaf->count * sizeof(double)};
}

// Squared error to a random target with random weights: sees every element of y.
static zm_tensor *record(zm_check *c, const zm_check_case *one, zm_check_mode mode)
{
    MUST(zm_tape_create(c->gpu, mode != ZM_CHECK_FORWARD, &c->tape));
    c->mode = mode;
    c->next = 0;
    for (uint32_t i = 0; i < c->count; i++)
        c->next += c->leaves[i].borrowed;
    zm_tensor *y = one->build(c);
    cr_assert(y, "%s: %s", one->name, zm_error_detail());
    if (c->own_loss) {
        zm_tape_backward(c->tape);
        return y;
    }
    const uint32_t cols = y->dim[y->rank - 1];
    const uint32_t rows = (uint32_t)(zm_tensor_count(y) / cols);
    zm_tensor *target =
        zm_check_constant(c, ZM_CHECK_SYMMETRIC, c->scale, 2, rows, cols, 0, 0);
    zm_tensor *weight = zm_check_constant(c, ZM_CHECK_POSITIVE, 1, 1, rows, 0, 0, 0);
    zm_tensor *loss =
        zm_squared_error(c->tape, y, target, weight, 1.0f / (float)rows, 1.0f, NULL);
    zm_tape_backward(c->tape);
    return loss;
}

static void forget_indices(zm_check *c)
{
    for (uint32_t i = 0; i < c->index_count; i++)
        free(c->indices[i].values);
    c->index_count = 0;
}

static void compile(zm_check *c, const zm_check_case *one)
{
    cr_assert_eq(zm_tape_compile(c->tape), ZM_OK, "%s: %s", one->name, zm_error_detail());
    for (uint32_t i = 0; i < c->index_count; i++)
        MUST(zm_gpu_upload(c->gpu, zm_tape_slice(c->tape, c->indices[i].tensor),
                           c->indices[i].values));
    forget_indices(c);
}

static double evaluate(zm_check *c, const zm_tensor *loss)
{
    double value;
    MUST(zm_tape_replay(c->tape));
    MUST(zm_gpu_fetch(c->gpu, zm_tape_slice(c->tape, loss), &value));
    cr_assert(isfinite(value));
    return value;
}

static bool takes_part(const zm_check *c, uint32_t i)
{
    return !c->leaves[i].constant && (c->mode != ZM_CHECK_ONLY || c->only == i);
}

// Puts old into the gradients to be added to, and into those to be written whole, where
// it must not show.
static void prepare_gradients(zm_check *c, double old)
{
    for (uint32_t i = 0; i < c->count; i++) {
        zm_check_leaf *leaf = &c->leaves[i];
        if (leaf->constant)
            continue;
        for (uint64_t e = 0; e < leaf->count; e++)
            leaf->found[e] = old;
        MUST(zm_gpu_upload(c->gpu, zm_check_slice(leaf->add, leaf), leaf->found));
        if (c->mode == ZM_CHECK_INPUTS && !leaf->borrowed && leaf->tensor->grad)
            MUST(zm_gpu_upload(c->gpu, zm_tape_slice(c->tape, leaf->tensor->grad),
                               leaf->found));
    }
}

// What the passes wrote or added; elements that are skipped keep what was there.
static void fetch_gradients(zm_check *c, const zm_check_case *one, double old, int times)
{
    for (uint32_t i = 0; i < c->count; i++) {
        zm_check_leaf *leaf = &c->leaves[i];
        if (!takes_part(c, i))
            continue;
        const bool whole = c->mode == ZM_CHECK_INPUTS && !leaf->borrowed;
        zm_slice from = zm_check_slice(leaf->add, leaf);
        if (whole) {
            cr_assert(leaf->tensor->grad, "%s: leaf %u has no gradient", one->name, i);
            from = zm_tape_slice(c->tape, leaf->tensor->grad);
        }
        MUST(zm_gpu_fetch(c->gpu, from, leaf->found));
        for (uint64_t e = 0; e < leaf->count; e++) {
            const bool skipped = e >= leaf->skip_begin && e < leaf->skip_end;
            if (!whole || skipped)
                leaf->found[e] = (leaf->found[e] - old) / times;
        }
    }
}

static double largest(const double *values, uint64_t n, uint64_t *where)
{
    double most = 0;
    *where = 0;
    for (uint64_t i = 0; i < n; i++)
        if (fabs(values[i]) > most) {
            most = fabs(values[i]);
            *where = i;
        }
    return most;
}

// Gradients in one mode, after two replays. The first mode to run gives the values that
// the others, and the central differences, are compared with.
static void run_mode(zm_check *c, const zm_check_case *one, zm_check_mode mode,
                     double want_loss, bool first)
{
    const double old = 0.25;
    zm_tensor *loss = record(c, one, mode);
    for (uint32_t i = 0; i < c->count && mode == ZM_CHECK_INPUTS; i++)
        if (!c->leaves[i].borrowed && !c->leaves[i].constant)
            zm_tape_keep(c->tape, c->leaves[i].tensor->grad);
    compile(c, one);
    prepare_gradients(c, old);
    evaluate(c, loss);
    const double got = evaluate(c, loss);
    cr_expect(fabs(got - want_loss) <= 1e-12 * fabs(want_loss),
              "%s: loss %.17g with gradients, %.17g without", one->name, got, want_loss);
    fetch_gradients(c, one, old, 2);
    zm_tape_destroy(&c->tape);
    for (uint32_t i = 0; i < c->count; i++) {
        zm_check_leaf *leaf = &c->leaves[i];
        uint64_t where;
        if (first)
            memcpy(leaf->gradient, leaf->found, leaf->count * sizeof(double));
        if (first || !takes_part(c, i))
            continue;
        const double most = largest(leaf->gradient, leaf->count, &where);
        for (uint64_t e = 0; e < leaf->count; e++)
            cr_assert(fabs(leaf->found[e] - leaf->gradient[e]) <=
                          1e-12 * most + 16 * DBL_EPSILON * old,
                      "%s: leaf %u element %u: %.17g in mode %d, %.17g as an input",
                      one->name, i, (unsigned)e, leaf->found[e], (int)mode,
                      leaf->gradient[e]);
    }
}

// The loss with one element moved; only the part of the leaf around it is uploaded.
static double moved(zm_check *c, const zm_tensor *loss, zm_check_leaf *leaf, uint64_t e,
                    double by)
{
    const uint64_t unit = zm_gpu_caps(c->gpu)->align / sizeof(double),
                   at = e / unit * unit;
    const zm_slice part = {leaf->value, leaf->offset + at * sizeof(double),
                           ZM_MIN(unit, leaf->count - at) * sizeof(double)};
    const double before = leaf->host[e];
    leaf->host[e] = before + by;
    MUST(zm_gpu_upload(c->gpu, part, leaf->host + at));
    leaf->host[e] = before;
    const double value = evaluate(c, loss);
    MUST(zm_gpu_upload(c->gpu, part, leaf->host + at));
    return value;
}

static void compare(zm_check *c, const zm_check_case *one, const zm_tensor *loss,
                    double value)
{
    const double factor = c->grad_scale > 0 ? c->grad_scale : 1;
    for (uint32_t i = 0; i < c->count; i++) {
        zm_check_leaf *leaf = &c->leaves[i];
        uint64_t peak;
        const double most = largest(leaf->gradient, leaf->count, &peak);
        const double h = (one->step > 0 ? one->step : ZM_CHECK_STEP) * leaf->magnitude;
        const double bound =
            ZM_CHECK_RELATIVE * most + ZM_CHECK_ROUNDING * DBL_EPSILON * fabs(value) / h;
        const uint64_t limit = one->samples ? one->samples : 300;
        const uint64_t tries = ZM_MIN(leaf->count, limit);
        for (uint64_t n = 0; n < tries && !leaf->constant; n++) {
            uint64_t e = n;
            if (leaf->count > limit)
                e = n == 0 ? peak
                           : (uint64_t)(zm_rng_double(&c->rng) * (double)leaf->count);
            if (e >= leaf->skip_begin && e < leaf->skip_end) {
                cr_expect_eq(leaf->gradient[e], 0,
                             "%s: leaf %u element %u has a gradient", one->name, i,
                             (unsigned)e);
                continue;
            }
            const double want =
                factor * (moved(c, loss, leaf, e, h) - moved(c, loss, leaf, e, -h)) /
                (2 * h);
            const double error = fabs(leaf->gradient[e] - want);
            c->worst = ZM_MAX(c->worst, error / bound);
            cr_expect(error <= bound,
                      "%s (%u, %u, %u, %u, %u, %u) at %g: leaf %u element %u: gradient "
                      "%.12g, central difference %.12g, largest %.3g",
                      one->name, c->shape[0], c->shape[1], c->shape[2], c->shape[3],
                      c->shape[4], c->shape[5], c->scale, i, (unsigned)e,
                      leaf->gradient[e], want, most);
        }
    }
}

static void start(zm_check *c, const uint32_t *shape, double scale)
{
    *c = (zm_check){.shape = shape,
                    .scale = scale,
                    .rng = zm_rng_init(17, ZM_RNG_TEST, shape[0] + 31 * shape[1], 0)};
    MUST(zm_gpu_open("cpu", &(zm_gpu_params){.f64 = true, .threads = 1}, &c->gpu));
    zm_params_init(&c->params);
}

void zm_check_finish(zm_check *c)
{
    zm_tape_destroy(&c->tape);
    forget_indices(c);
    for (uint32_t i = 0; i < c->count; i++) {
        zm_check_leaf *leaf = &c->leaves[i];
        free(leaf->host);
        free(leaf->gradient);
        free(leaf->found);
        if (!leaf->borrowed) {
            zm_buf_destroy(&leaf->value);
            zm_buf_destroy(&leaf->add);
        }
    }
    zm_params_finish(&c->params);
    free(c->model);
    zm_gpu_destroy(&c->gpu);
}

void zm_check_record(const zm_check_case *one, const uint32_t *shape, zm_check *c)
{
    start(c, shape, 1);
    record(c, one, ZM_CHECK_PARAMS);
    cr_assert(zm_tape_ok(c->tape), "%s: %s", one->name, zm_error_detail());
}

void zm_check_run(const zm_check_case *one)
{
    zm_check *c = zm_calloc(1, sizeof *c);
    double worst = 0;
    cr_assert(c);
    for (int s = 0; s < ZM_CHECK_SHAPES && one->shapes[s][0]; s++)
        for (int m = 0; m < 3 && one->scales[m] > 0; m++) {
            start(c, one->shapes[s], one->scales[m]);
            const zm_tensor *loss = record(c, one, ZM_CHECK_FORWARD);
            compile(c, one);
            const double value = evaluate(c, loss);
            zm_tape *forward = c->tape;
            run_mode(c, one, ZM_CHECK_INPUTS, value, true);
            run_mode(c, one, ZM_CHECK_PARAMS, value, false);
            for (c->only = 0; c->only < c->count; c->only++)
                if (!c->leaves[c->only].constant && !c->leaves[c->only].borrowed)
                    run_mode(c, one, ZM_CHECK_ONLY, value, false);
            c->tape = forward;
            compare(c, one, loss, value);
            worst = ZM_MAX(worst, c->worst);
            zm_check_finish(c);
        }
    cr_log_info("%s: largest error %.2g of the bound\n", one->name, worst);
    free(c);
}
