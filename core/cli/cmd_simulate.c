#include "core/cli/cli.h"
#include "core/cli/progress.h"
#include "core/sky/simulate.h"

static void show_progress(void *user, uint64_t done, uint64_t count)
{
    (void)count;
    zm_progress_set(user, done, NULL);
}

static zm_status simulate(zm_simulate_params *params, const zm_common *common)
{
    params->seed = common->seed;
    params->threads = common->threads;
    const zm_log log = zm_cli_log(common);
    zm_cli_check_dataset_name(&log, params->out);
    zm_progress progress =
        zm_progress_init("simulate", "cutouts", 0, params->count, common->quiet);
    const zm_status st = zm_simulate(params, show_progress, &progress, &log);
    if (st == ZM_OK) {
        progress.done = params->count;
        zm_progress_finish(&progress);
    }
    return st;
}

static int run(int argc, const char *const *argv)
{
    zm_simulate_params p = {.size = 64};
    const zm_option table[] = {
        {"count", ZM_OPT_U64(&p.count, 1, 1e8), "N", "cutouts to make", .required = true},
        {"out", ZM_OPT_STRING(&p.out), "FILE",
         "data set to write: a FITS table for *.fits, else safetensors",
         .required = true},
        {"catalog", ZM_OPT_STRING(&p.catalog), "FILE",
         "FITS table with MODELFLUX, Z, EXTINCTION to draw galaxies from",
         .shown = "analytic luminosity functions"},
        {"size", ZM_OPT_U32(&p.size, 16, 1024), "PIXELS", "side of a cutout"},
        {0},
    };
    static const char *const examples[] = {
        "Five thousand galaxies",
        "zmae simulate --count 5000 --seed 1 --out sky.safetensors",
        "With the colours and redshifts of a catalogue, as a FITS table",
        "zmae simulate --count 5000 --catalog main-sample.fits --out sky.fits", NULL};
    zm_options options = {.verb = argv[0],
                          .summary = "Simulates ugriz sky cutouts of galaxies with known "
                                     "redshift, for training and tests.",
                          .table = table,
                          .examples = examples};
    zm_status st = zm_options_parse(&options, argc, argv);
    if (st == ZM_OK)
        st = simulate(&p, &options.common);
    zm_options_finish(&options);
    return zm_cli_exit(st);
}

const zm_verb zm_verb_simulate = {
    "simulate", "make sky cutouts of galaxies with known redshift", run};
