#include <stdio.h>
#include <string.h>

#include "core/cli/cli.h"
#include "core/cli/progress.h"
#include "core/survey/cube_import.h"
#include "core/survey/detect_frames.h"
#include "core/survey/prepare.h"

typedef struct arguments {
    zm_prepare_params frames;
    zm_detect_args detection;
    bool detect;
    const char *mags;
    zm_cube_import_params cube;
} arguments;

// ---- what is shown while it runs ----------------------------------------------------

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

static bool show_detection(void *user, uint64_t fields, uint64_t field_count)
{
    zm_progress *progress = user;
    progress->total = field_count;
    zm_progress_set(progress, fields, "looking for sources");
    return !zm_cli_stop_requested();
}

static void show_rows(void *user, uint64_t done, uint64_t count)
{
    zm_progress *progress = user;
    progress->total = count;
    zm_progress_set(progress, done, NULL);
    if (done == count)
        zm_progress_finish(progress);
}

// ---- what goes together -------------------------------------------------------------

// An option that means nothing without another, or beside it.
typedef struct rule {
    const char *option, *other;
    bool together;
} rule;

static const rule rules[] = {
    {"cube", "frames", false},        {"catalog", "frames", true},
    {"detect", "frames", true},       {"detect", "catalog", false},
    {"detect-sigma", "detect", true}, {"min-area", "detect", true},
    {"margin", "detect", true},       {"size", "frames", true},
    {"mags", "catalog", true},        {"mgs", "cube", true},
    {"count", "cube", true},
};

static zm_status check_options(const zm_options *options, const arguments *a)
{
    for (size_t i = 0; i < ZM_COUNT_OF(rules); i++) {
        const rule *r = &rules[i];
        if (zm_options_given(options, r->option) &&
            zm_options_given(options, r->other) != r->together)
            return ZM_FAIL(ZM_ERR_USAGE, "prepare: --%s %s --%s", r->option,
                           r->together ? "needs" : "does not go with", r->other);
    }
    if (!a->cube.cube && !a->frames.frames)
        return ZM_FAIL(ZM_ERR_USAGE, "prepare: expected --frames or --cube");
    if (!a->cube.cube && !a->frames.catalog && !a->detect)
        return ZM_FAIL(ZM_ERR_USAGE,
                       "prepare: expected --catalog or --detect beside --frames");
    return ZM_OK;
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

// ---- the verb -----------------------------------------------------------------------

static zm_status prepare_frames(const zm_options *options, arguments *a)
{
    const zm_log log = zm_cli_log(&options->common);
    zm_progress progress =
        zm_progress_init("prepare", "fields", 0, 1, options->common.quiet);
    zm_prepare_params *p = &a->frames;
    if (!zm_options_given(options, "margin"))
        a->detection.margin = zm_detect_margin(p->size);
    p->detect = a->detect ? &a->detection : NULL;
    p->helper = zm_cli_helper();
    p->threads = options->common.threads;
    p->mags = mag_choice(a->mags);
    p->progress = show_progress;
    p->detecting = show_detection;
    p->user = &progress;
    zm_cli_check_dataset_name(&log, p->out);
    zm_cli_catch_signals();
    return zm_prepare(p, &log);
}

static zm_status prepare_cube(const zm_options *options, arguments *a)
{
    const zm_log log = zm_cli_log(&options->common);
    zm_progress progress =
        zm_progress_init("prepare", "cutouts", 0, 1, options->common.quiet);
    a->cube.out = a->frames.out;
    zm_cli_check_dataset_name(&log, a->cube.out);
    return zm_cube_import(&a->cube, show_rows, &progress, &log);
}

// The manual page beyond the options.
static const zm_detail details[] = {
    {"Frames and catalogue", NULL},
    {NULL,
     "Frames are corrected frames as SDSS serves them, packed or not; others below "
     "the folder are passed over, fpC files are refused. A row is cut from the field "
     "that its run, camcol and field name where that holds the position, else from "
     "the field that holds it best: in most bands, then farthest from an edge. "
     "Columns of the catalogue count in any case and order:"},
    {"ra, dec", "degrees; needed"},
    {"object_id, objID",
     "all 64 bits are kept; the number of the row from 0 where there is none"},
    {"run, camcol, field", "the field to cut from"},
    {"z_spec, zspec, specz, redshift, z",
     "redshift; z is a magnitude where u stands beside it"},
    {"zWarning", "where it is not 0 the redshift is not taken"},
    {"dered_u, u_dered, modelMag_u, u",
     "and the other bands: model magnitudes; also cModelMag_u, petroMag_u, and "
     "modelFlux_u in nanomaggies"},
    {"extinction_u, ext_u, ebv", "extinction in magnitudes, or E(B-V)"},
    {NULL, "Magnitudes are dereddened: dered_* as they are, others less extinction_* as "
           "they are, else less E(B-V) times 4.239 3.303 2.285 1.698 1.263 (Schlafly & "
           "Finkbeiner 2011). Aperture magnitudes are measured on the cutout within 3 "
           "arcsec and use the same coefficients. Where there is no ebv, E(B-V) is taken "
           "from extinction_*, by the set of coefficients that their ratios fit."},
    {"Detection", NULL},
    {NULL,
     "With --detect the sources of each r frame are found by the method of "
     "SExtractor: a background on a mesh of 64 pixels, pixels above --detect-sigma "
     "on the image smoothed by 3 x 3 pixels, deblending in 32 levels. Stars are cut "
     "out as well as galaxies. A source that two fields hold within 1 arcsec is "
     "taken once."},
    {"Output", NULL},
    {NULL, "A row for every row of the catalogue, in its order, none dropped: cutouts "
           "north up, east left, 0.396 arcsec a pixel, each band resampled once; pixels "
           "off the frames are NaN. coverage is the part of the five bands that has a "
           "value, flags a sum of the bits that zmae-predict(1) lists."},
    {NULL,
     "A row or a frame that cannot be used is named, the rest goes on, and the exit "
     "status is 3."},
    {0}};

static int run(int argc, const char *const *argv)
{
    arguments a = {.frames = {.size = 64},
                   .detection = {.threshold_sigma = 3.0f, .min_area = 8},
                   .mags = "auto"};
    const zm_option table[] = {
        {"frames", ZM_OPT_STRING(&a.frames.frames), "DIR",
         "SDSS corrected frames, frame-*.fits[.bz2|.gz], searched at any depth"},
        {"catalog", ZM_OPT_STRING(&a.frames.catalog), "FILE",
         "positions: CSV of SkyServer or CasJobs, or FITS table"},
        {"detect", ZM_OPT_FLAG(&a.detect), NULL,
         "no catalogue: cut out the sources that are found on the frames in r"},
        {"detect-sigma", ZM_OPT_F32(&a.detection.threshold_sigma, 0.1, 1e6), "X",
         "detect pixels so far above the background, in units of its noise"},
        {"min-area", ZM_OPT_U32(&a.detection.min_area, 1, 1e6), "PIXELS",
         "least number of such pixels in a source"},
        {"margin", ZM_OPT_U32(&a.detection.margin, 0, 8192), "PIXELS",
         "leave out sources closer to the edge of the frame",
         .shown = "so that no cutout leaves a frame: 0.71 size + 16"},
        {"cube", ZM_OPT_STRING(&a.cube.cube), "FILE",
         "convert the public SDSS cube instead: npz with the arrays cube and labels"},
        {"mgs", ZM_OPT_FLAG(&a.cube.mgs), NULL,
         "of the cube only the main galaxy sample: dered_petro_r <= 17.8, z <= 0.4, "
         "primtarget >= 64"},
        {"count", ZM_OPT_U64(&a.cube.count, 1, 1e15), "N",
         "of the cube only the first N rows that are wanted", .shown = "all"},
        {"out", ZM_OPT_STRING(&a.frames.out), "FILE",
         "data set to write: a FITS table for *.fits, else safetensors",
         .required = true},
        {"size", ZM_OPT_U32(&a.frames.size, ZM_PREPARE_MIN_PX, ZM_PREPARE_MAX_PX),
         "PIXELS", "side of a cutout"},
        {"mags", ZM_OPT_CHOICE(&a.mags, "auto|model|cmodel|petro|aperture"), "KIND",
         "magnitudes to take of the catalogue; auto: the first that it has of these, "
         "aperture (measured on the cutouts) where it has none"},
        {0},
    };
    static const char *const examples[] = {
        "Cutouts of a catalogue's objects from a folder of frames",
        "zmae prepare --frames frames --catalog objects.csv --out cutouts.fits",
        "Every source of the frames, to pre-train on",
        "zmae prepare --frames frames --detect --out sky.safetensors",
        "The main galaxy sample of the public cube",
        "zmae prepare --cube sdss.npz --mgs --out mgs.safetensors",
        NULL};
    zm_options options = {
        .verb = argv[0],
        .summary = "Cuts objects out of SDSS frames: five registered bands, one row for "
                   "every row of the catalogue or for every source found.",
        .table = table,
        .details = details,
        .examples = examples};
    zm_status st = zm_options_parse(&options, argc, argv);
    if (st == ZM_OK)
        st = check_options(&options, &a);
    if (st == ZM_OK)
        st = a.cube.cube ? prepare_cube(&options, &a) : prepare_frames(&options, &a);
    zm_options_finish(&options);
    return zm_cli_exit(st);
}

const zm_verb zm_verb_prepare = {"prepare", "cut objects out of SDSS frames", run};
