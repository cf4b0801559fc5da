#include <inttypes.h>
#include <stdio.h>

#include "core/cli/cli.h"
#include "core/cli/evaluate_plots.h"
#include "core/cli/report.h"

typedef struct evaluate_args {
    const char *pred, *truth, *plots;
    uint32_t resamples;
    bool json;
} evaluate_args;

static void report_text(const zm_redshift_pairs *pairs, const zm_metrics *m)
{
    printf("%" PRIu64 " objects", pairs->count);
    if (pairs->no_prediction > 0)
        printf(", %" PRIu64 " more without a prediction", pairs->no_prediction);
    if (pairs->no_truth > 0)
        printf(", %" PRIu64 " more without a true redshift", pairs->no_truth);
    printf("; dz = (z_phot - z_spec) / (1 + z_spec)\n\n");
    for (zm_metric i = 0; i < ZM_METRIC_COUNT; i++)
        printf("%-12s %10.6f +- %-9.6f  %s\n", zm_metric_name(i), m->value[i],
               m->error[i], zm_metric_definition(i));
}

static zm_status report_json(const zm_redshift_pairs *pairs, const zm_metrics *m)
{
    json_t *root =
        json_pack("{s:I, s:I, s:I, s:b}", "count", (json_int_t)pairs->count,
                  "no_prediction", (json_int_t)pairs->no_prediction, "no_truth",
                  (json_int_t)pairs->no_truth, "joined_by_id", (int)pairs->by_id);
    json_t *errors = json_object(), *definitions = json_object();
    int failed = 0;
    for (zm_metric i = 0; i < ZM_METRIC_COUNT; i++) {
        const char *name = zm_metric_name(i);
        failed |= json_object_set_new(root, name, zm_report_number(m->value[i]));
        failed |= json_object_set_new(errors, name, zm_report_number(m->error[i]));
        failed |=
            json_object_set_new(definitions, name, json_string(zm_metric_definition(i)));
    }
    failed |= json_object_set_new(root, "errors", errors);
    failed |= json_object_set_new(root, "definitions", definitions);
    if (failed) {
        json_decref(root);
        root = NULL;
    }
    return zm_report_json(root);
}

static zm_status evaluate(const evaluate_args *a, const zm_common *common)
{
    const zm_log log = zm_cli_log(common);
    zm_redshift_table pred = {0}, truth = {0};
    zm_redshift_pairs pairs = {0};
    zm_metrics metrics;
    zm_status st = zm_redshift_table_read(a->pred, &log, &pred);
    if (st == ZM_OK && a->truth)
        st = zm_redshift_table_read(a->truth, &log, &truth);
    if (st == ZM_OK)
        st = zm_redshift_join(a->pred, &pred, a->truth, a->truth ? &truth : NULL, &pairs);
    if (st == ZM_OK)
        st = zm_error_context(zm_metrics_compute(pairs.z_phot, pairs.z_spec, pairs.count,
                                                 common->seed, a->resamples, &metrics),
                              "%s", a->pred);
    if (st == ZM_OK && a->plots)
        st = zm_evaluate_plots(a->plots, &pairs, &metrics);
    if (st == ZM_OK && a->json)
        st = report_json(&pairs, &metrics);
    else if (st == ZM_OK)
        report_text(&pairs, &metrics);
    zm_redshift_pairs_finish(&pairs);
    zm_redshift_table_finish(&truth);
    zm_redshift_table_finish(&pred);
    return st;
}

static int run(int argc, const char *const *argv)
{
    evaluate_args a = {.resamples = 1000};
    const zm_option table[] = {
        {"pred", ZM_OPT_STRING(&a.pred), "FILE",
         "predictions: CSV or FITS table with z_phot", .required = true},
        {"truth", ZM_OPT_STRING(&a.truth), "FILE",
         "true redshifts: CSV, FITS table or data set, joined by object_id, else by row",
         .shown = "z_spec of the predictions"},
        {"bootstrap", ZM_OPT_U32(&a.resamples, 2, 1e6), "N", "samples for the errors"},
        {"plots", ZM_OPT_STRING(&a.plots), "DIR",
         "write zphot_zspec.png and residuals.png there"},
        {"json", ZM_OPT_FLAG(&a.json), NULL, "print JSON"},
        {0},
    };
    static const char *const examples[] = {
        "Metrics and figures of predictions that hold z_spec",
        "zmae evaluate --pred z.csv --plots plots",
        "Against a spectroscopic catalogue, as JSON",
        "zmae evaluate --pred z.csv --truth specobj.fits --json", NULL};
    zm_options options = {.verb = argv[0],
                          .summary = "Measures photometric redshifts against true ones, "
                                     "with bootstrap errors.",
                          .table = table,
                          .examples = examples};
    zm_status st = zm_options_parse(&options, argc, argv);
    if (st == ZM_OK)
        st = evaluate(&a, &options.common);
    zm_options_finish(&options);
    return zm_cli_exit(st);
}

const zm_verb zm_verb_evaluate = {
    "evaluate", "every metric of predictions, with bootstrap errors and figures", run};
