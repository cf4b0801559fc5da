#include "core/cli/evaluate_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/cli/evaluate_plots.h"
#include "core/cli/report.h"
#include "core/cli/training_curve.h"
#include "core/io/bytes.h"
#include "core/plot/plot_table.h"

enum { WIDTH = 900, HEIGHT = 800, WINDOWS = 50 };
static const zm_box upper = {120, 90, 870, 500}, lower = {120, 560, 870, 715};
static const uint32_t pale = 0xa9c8e6, blue = 0x0055aa, red = 0xcc3311, dark = 0x262626;

static void widen(zm_range *r, const double *v, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (isfinite(v[i])) {
            r->low = fmin(r->low, v[i]);
            r->high = fmax(r->high, v[i]);
        }
}

// Ends of the loss axis with a margin; log where the losses are positive and span a
// decade, which is what such an axis needs for its labels.
static zm_range loss_range(const zm_training_curve *c, bool *log)
{
    zm_range r = {INFINITY, -INFINITY};
    widen(&r, c->loss, c->steps);
    widen(&r, c->val_loss, c->validations);
    *log = r.low > 0 && r.high >= 10 * r.low;
    if (*log) {
        const double margin = pow(r.high / r.low, 0.05);
        return (zm_range){r.low / margin, r.high * margin};
    }
    const double margin = 0.05 * fmax(r.high - r.low, 1e-6);
    return (zm_range){r.low - margin, r.high + margin};
}

static void draw_loss(zm_plot *plot, const zm_training_curve *c, const double *smooth,
                      zm_range x)
{
    bool log;
    const zm_range y = loss_range(c, &log);
    const uint64_t best = zm_training_curve_best(c);
    char numbers[ZM_PLOT_TEXT];
    int n = snprintf(numbers, sizeof numbers, "last loss %.4g", smooth[c->steps - 1]);
    if (best < c->validations)
        snprintf(numbers + n, sizeof numbers - (size_t)n,
                 "    best validation %.4g at step %.0f", c->val_loss[best],
                 c->val_step[best]);
    zm_axes *a = zm_plot_axes(plot, &(zm_axes_spec){.box = upper,
                                                    .title = "Training",
                                                    .numbers = numbers,
                                                    .y_label = "loss",
                                                    .x_min = x.low,
                                                    .x_max = x.high,
                                                    .y_min = y.low,
                                                    .y_max = y.high,
                                                    .log_y = log});
    zm_axes_curve(a, c->step, c->loss, c->steps,
                  &(zm_plot_style){.rgb = pale, .width = 1.2, .label = "steps"});
    zm_axes_curve(a, c->step, smooth, c->steps,
                  &(zm_plot_style){.rgb = blue, .width = 2.4, .label = "running mean"});
    zm_axes_curve(a, c->val_step, c->val_loss, c->validations,
                  &(zm_plot_style){.rgb = red,
                                   .width = 2,
                                   .label = c->validations ? "validation" : NULL});
    zm_axes_points(a, c->val_step, c->val_loss, c->validations,
                   &(zm_plot_style){.rgb = red, .width = 6});
    if (best < c->validations)
        zm_axes_points(a, &c->val_step[best], &c->val_loss[best], 1,
                       &(zm_plot_style){.rgb = dark, .width = 10, .label = "best"});
}

static void draw_rate(zm_plot *plot, const zm_training_curve *c, zm_range x)
{
    zm_range y = {0, 0};
    widen(&y, c->lr, c->steps);
    zm_axes *a = zm_plot_axes(plot, &(zm_axes_spec){.box = lower,
                                                    .x_label = "step",
                                                    .y_label = "learning rate",
                                                    .x_min = x.low,
                                                    .x_max = x.high,
                                                    .y_max = 1.1 * y.high});
    zm_axes_curve(a, c->step, c->lr, c->steps, &(zm_plot_style){.rgb = dark, .width = 2});
}

static zm_status write_numbers(const char *folder, const zm_training_curve *c,
                               const double *smooth)
{
    ZM_TRY(zm_plot_table_write(folder, "learning.csv",
                               &(zm_plot_table){"step,loss,running_mean,lr",
                                                4,
                                                c->steps,
                                                {c->step, c->loss, smooth, c->lr}}));
    return zm_plot_table_write(
        folder, "learning_validation.csv",
        &(zm_plot_table){"step,val_loss", 2, c->validations, {c->val_step, c->val_loss}});
}

static zm_status draw(const char *folder, const zm_training_curve *c)
{
    zm_range x = {0, 0};
    zm_plot *plot = NULL;
    double *smooth = zm_calloc(c->steps, sizeof *smooth);
    zm_status st = smooth ? zm_training_curve_smooth(c, c->steps / WINDOWS, smooth)
                          : ZM_FAIL(ZM_ERR_MEMORY, "plots: out of memory");
    if (st == ZM_OK)
        st = zm_make_dirs(folder);
    if (st == ZM_OK)
        st = zm_plot_create(WIDTH, HEIGHT, &plot);
    if (st == ZM_OK) {
        widen(&x, c->step, c->steps);
        widen(&x, c->val_step, c->validations);
        x.high *= 1.01; // room for the last mark
        draw_loss(plot, c, smooth, x);
        draw_rate(plot, c, x);
        st = zm_evaluate_write_plot(plot, folder, "learning.png");
    }
    if (st == ZM_OK)
        st = write_numbers(folder, c, smooth);
    zm_plot_destroy(&plot);
    free(smooth);
    return st;
}

static zm_status report(const char *run, const zm_training_curve *c, bool json)
{
    const uint64_t best = zm_training_curve_best(c), last = c->steps - 1;
    const bool validated = best < c->validations;
    const double val = validated ? c->val_loss[best] : NAN;
    const double step = validated ? c->val_step[best] : NAN;
    if (json)
        return zm_report_json(json_pack(
            "{s:I, s:f, s:o, s:o, s:I, s:o, s:o}", "logged_steps", (json_int_t)c->steps,
            "last_step", c->step[last], "first_loss", zm_report_number(c->loss[0]),
            "last_loss", zm_report_number(c->loss[last]), "validations",
            (json_int_t)c->validations, "best_val_loss", zm_report_number(val),
            "best_val_step", zm_report_number(step)));
    printf("%s: step %.0f, loss %.6g at first, %.6g at last\n", run, c->step[last],
           c->loss[0], c->loss[last]);
    if (validated)
        printf("validations: %llu, the best %.6g at step %.0f\n",
               (unsigned long long)c->validations, val, step);
    return zm_report_flush();
}

zm_status zm_evaluate_run(const char *run, const char *folder, bool json)
{
    zm_training_curve curve;
    ZM_TRY(zm_training_curve_read(run, &curve));
    zm_status st = folder ? draw(folder, &curve) : ZM_OK;
    if (st == ZM_OK)
        st = report(run, &curve, json);
    zm_training_curve_finish(&curve);
    return st;
}
