#include <string.h>

#include "core/cli/cli.h"
#include "core/cli/evaluate_plots.h"
#include "core/cli/evaluate_report.h"
#include "core/cli/evaluate_run.h"

typedef struct evaluate_args {
    const char *pred, *truth, *run, *plots, *join, *point, *edges;
    uint32_t resamples, bins;
    bool json;
} evaluate_args;

static zm_status evaluate(const evaluate_args *a, const zm_common *common)
{
    const zm_log log = zm_cli_log(common);
    if (a->run && !a->pred)
        return zm_evaluate_run(a->run, a->plots, a->json);
    if (!a->pred || a->run)
        return ZM_FAIL(ZM_ERR_USAGE, "wanted either --pred FILE or --run DIR");
    zm_evaluation_args args = {.pred = a->pred,
                               .truth = a->truth,
                               .point = a->point,
                               .binning = {.bins = a->bins,
                                           .equal_widths = strcmp(a->edges, "width") == 0,
                                           .seed = common->seed,
                                           .resamples = a->resamples}};
    zm_evaluation e;
    ZM_TRY(zm_join_parse(a->join, &args.join));
    ZM_TRY(zm_evaluation_run(&args, &log, &e));
    zm_status st = a->plots ? zm_evaluate_plots(a->plots, &e) : ZM_OK;
    if (st == ZM_OK)
        st = a->json ? zm_evaluate_report_json(&e) : zm_evaluate_report_text(&e);
    zm_evaluation_finish(&e);
    return st;
}

static int run(int argc, const char *const *argv)
{
    evaluate_args a = {.resamples = 1000, .bins = 10, .join = "auto", .edges = "count"};
    const zm_option table[] = {
        {"pred", ZM_OPT_STRING(&a.pred), "FILE",
         "predictions: CSV or FITS table with z_phot, or a qp file (FITS)"},
        {"truth", ZM_OPT_STRING(&a.truth), "FILE",
         "true redshifts: CSV, FITS table or data set",
         .shown = "z_spec of the predictions"},
        {"join", ZM_OPT_CHOICE(&a.join, "auto|id|row"), "HOW",
         "pairs by object_id or by row; auto: by object_id where both files have it"},
        {"point", ZM_OPT_STRING(&a.point), "COLUMN", "column of --pred taken as z_phot",
         .shown = "z_phot, zphot, photo_z, zmean, zmode, zmedian"},
        {"run", ZM_OPT_STRING(&a.run), "DIR",
         "instead of --pred: the log of a training run, for its learning curve"},
        {"bootstrap", ZM_OPT_U32(&a.resamples, 2, 1e6), "N", "samples for the errors"},
        {"bins", ZM_OPT_U32(&a.bins, 1, ZM_METRICS_MAX_BINS), "N",
         "bins of z_spec, z_phot and r magnitude, at most"},
        {"bin-edges", ZM_OPT_CHOICE(&a.edges, "count|width"), "HOW",
         "bins of equal counts (at least about 20 objects) or of equal widths"},
        {"plots", ZM_OPT_STRING(&a.plots), "DIR",
         "write figures there, PNG, with the numbers drawn as CSV"},
        {"json", ZM_OPT_FLAG(&a.json), NULL, "print JSON"},
        {0},
    };
    static const char *const examples[] = {
        "Metrics and figures of predictions that hold z_spec",
        "zmae evaluate --pred z.csv --plots plots",
        "Against a spectroscopic catalogue, as JSON",
        "zmae evaluate --pred z.csv --truth specobj.fits --json",
        "Loss, validation and learning rate of a training run",
        "zmae evaluate --run run2 --plots plots",
        NULL};
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
