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

// The manual page beyond the options.
static const zm_detail details[] = {
    {NULL,
     "All metrics are of dz = (z_phot - z_spec) / (1 + z_spec); each is printed with "
     "its definition and the standard deviation of bootstrap samples."},
    {"Files", NULL},
    {"--pred",
     "a table with z_phot (or zphot, photo_z, zmean, zmode, zmedian, or --point), "
     "and z_spec where there is no --truth; the distributions of a FITS table of "
     "predict (pdf and ZGRID) or of a qp file"},
    {"--truth", "a table with z_spec (or zspec, specz, redshift, z), or a data set"},
    {NULL,
     "Names count in any case. object_id may be called objid or id, the magnitude in "
     "r r_mag, mag_r, dered_r, r_dered or modelmag_r."},
    {"Metrics", NULL},
    {"bias_mean, bias_median", "mean and median dz"},
    {"sigma_mad, nmad_1.48", "1.4826 and 1.48 times the median of |dz - median dz|"},
    {"sigma_iqr", "(75th - 25th percentile of dz) / 1.349"},
    {"eta_0.05, f_out_rail", "fractions with |dz| > 0.05 and > max(0.06, 3 sigma_iqr)"},
    {"mae, mse, r2",
     "mean |z_phot - z_spec|, mean square of it, 1 - mse / variance of z_spec"},
    {"crps",
     "mean integral of (F(z) - 1[z >= z_spec])^2 dz, F the cumulative distribution"},
    {"pit_ks, pit_cvm",
     "distance of the values F(z_spec) from the uniform law: Kolmogorov-Smirnov (0 "
     "to 1) and Cramer-von Mises; errors are upper limits"},
    {"cde_loss", "mean integral of p(z)^2 dz - 2 mean p(z_spec); lower is better"},
    {"Figures", NULL},
    {"zphot_zspec.png", "density of z_phot against z_spec"},
    {"residuals.png, residuals_r.png",
     "dz against z_spec, and against the magnitude in r where it is known, with "
     "running median and scatter"},
    {"dz_hist.png", "histogram of dz beside the normal law of width sigma_mad"},
    {"nz.png", "distribution of z_spec, z_phot and of the summed distributions"},
    {"pit.png", "with distributions: histogram of F(z_spec), and its quantiles"},
    {"learning.png", "with --run: loss, validation and learning rate"},
    {0}};

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
                          .details = details,
                          .examples = examples};
    zm_status st = zm_options_parse(&options, argc, argv);
    if (st == ZM_OK)
        st = evaluate(&a, &options.common);
    zm_options_finish(&options);
    return zm_cli_exit(st);
}

const zm_verb zm_verb_evaluate = {
    "evaluate", "every metric of predictions, with bootstrap errors and figures", run};
