#include <stdio.h>
#include <string.h>

#include "core/cli/cli.h"
#include "core/cli/progress.h"
#include "core/data/prepare.h"

static bool show_progress(void *user, uint64_t fields, uint64_t field_count,
                          uint64_t cutouts)
{
    zm_progress *progress = user;
    char note[48];
    snprintf(note, sizeof note, "%llu cutouts", (unsigned long long)cutouts);
    progress->total = field_count;
    zm_progress_set(progress, fields, note);
    if (fields == field_count)
        zm_progress_finish(progress);
    return !zm_cli_stop_requested();
}

static zm_mag_choice mag_choice(const char *name)
{
    static const char *const names[] = {[ZM_MAGS_AUTO] = "auto",
                                        [ZM_MAGS_MODEL] = "model",
                                        [ZM_MAGS_CMODEL] = "cmodel",
                                        [ZM_MAGS_PETRO] = "petro",
                                        [ZM_MAGS_APERTURE] = "aperture"};
    size_t i = 0;
    while (i + 1 < ZM_COUNT_OF(names) && strcmp(name, names[i]) != 0)
        i++;
    return (zm_mag_choice)i;
}

static zm_status prepare(zm_prepare_params *params, const char *mags,
                         const zm_common *common)
{
    const zm_log log = zm_cli_log(common);
    zm_progress progress = zm_progress_init("prepare", "fields", 0, 1, common->quiet);
    params->helper = zm_cli_helper();
    params->threads = common->threads;
    params->mags = mag_choice(mags);
    params->progress = show_progress;
    params->user = &progress;
    zm_cli_catch_signals();
    return zm_prepare(params, &log);
}

static int run(int argc, const char *const *argv)
{
    zm_prepare_params p = {.size = 64};
    const char *mags = "auto";
    const zm_option table[] = {
        {"frames", ZM_OPT_STRING(&p.frames), "DIR",
         "SDSS corrected frames, frame-*.fits[.bz2|.gz], searched at any depth",
         .required = true},
        {"catalog", ZM_OPT_STRING(&p.catalog), "FILE",
         "positions: CSV of SkyServer or CasJobs, or FITS table", .required = true},
        {"out", ZM_OPT_STRING(&p.out), "FILE",
         "data set to write: a FITS table for *.fits, else safetensors",
         .required = true},
        {"size", ZM_OPT_U32(&p.size, ZM_PREPARE_MIN_PX, ZM_PREPARE_MAX_PX), "PIXELS",
         "side of a cutout"},
        {"mags", ZM_OPT_CHOICE(&mags, "auto|model|cmodel|petro|aperture"), "KIND",
         "magnitudes to take of the catalogue; auto: the first that it has of these, "
         "aperture (measured on the cutouts) where it has none"},
        {0},
    };
    static const char *const examples[] = {
        "Cutouts of a catalogue's objects from a folder of frames",
        "zmae prepare --frames frames --catalog objects.csv --out cutouts.fits", NULL};
    zm_options options = {
        .verb = argv[0],
        .summary = "Cuts objects out of SDSS frames: five registered bands, one row for "
                   "every row of the catalogue.",
        .table = table,
        .examples = examples};
    zm_status st = zm_options_parse(&options, argc, argv);
    if (st == ZM_OK)
        st = prepare(&p, mags, &options.common);
    zm_options_finish(&options);
    return zm_cli_exit(st);
}

const zm_verb zm_verb_prepare = {"prepare", "cut objects out of SDSS frames", run};
