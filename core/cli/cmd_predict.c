#include <stdlib.h>
#include <string.h>

#include "core/cli/model_list.h"
#include "core/cli/predictions.h"
#include "core/cli/progress.h"
#include "core/cli/session.h"
#include "core/train/ensemble.h"

typedef struct predict_args {
    const char *model, *data, *out, *format, *point;
    uint32_t batch, heads;
    bool tta, points, pdf;
} predict_args;

typedef struct job {
    const predict_args *args;
    const zm_common *common;
    zm_session session; // without a model of its own
    zm_model_list models;
    zm_ensemble *ensemble;
    zm_predictions_info info;
    zm_predictions *table;
} job;

// What a user should know of a model before trusting its redshifts.
static void warn_of_differences(const job *j, const zm_model *model)
{
    const zm_session *s = &j->session;
    const zm_preprocess *pre = &model->pre;
    if (pre->recorded && pre->mag_kind != s->ds->mag_kind)
        zm_log_write(&s->log, ZM_LOG_WARN,
                     "%s: trained on %s magnitudes, the data have %s", model->path,
                     zm_mag_kind_name(pre->mag_kind), zm_mag_kind_name(s->ds->mag_kind));
    if (model->simulated && !s->ds->simulated)
        zm_log_write(&s->log, ZM_LOG_WARN, "%s: was trained on a simulated sky",
                     model->path);
}

static zm_status open_ensemble(job *j)
{
    zm_session *s = &j->session;
    const zm_ensemble_options options = {
        .batch = (uint32_t)ZM_MIN((uint64_t)j->args->batch, s->ds->count),
        .all_symmetries = j->args->tta};
    ZM_TRY(zm_ensemble_create(s->gpu, j->models.models, j->models.count, s->ds, &options,
                              &j->ensemble));
    const zm_caps *device = zm_gpu_caps(s->gpu);
    zm_log_write(&s->log, ZM_LOG_INFO,
                 "%s (%s): %u model%s, %u view%s of %llu cutouts, batch %u, %.1f MiB",
                 device->name, device->driver, j->models.count,
                 j->models.count == 1 ? "" : "s", j->args->tta ? ZM_SYMMETRIES : 1,
                 j->args->tta ? "s" : "", (unsigned long long)s->ds->count,
                 zm_ensemble_batch(j->ensemble),
                 (double)zm_ensemble_memory(j->ensemble) / 1048576.0);
    return ZM_OK;
}

static void check_name(const job *j, zm_predictions_format format)
{
    static const char *const csv[] = {".csv", ".txt", NULL};
    static const char *const fits[] = {".fits", ".fit", NULL};
    const bool is_csv = format == ZM_PREDICTIONS_CSV;
    zm_cli_check_name(&j->session.log, j->args->out, is_csv ? csv : fits,
                      is_csv ? "CSV" : "FITS");
}

static zm_status open_table(job *j)
{
    const predict_args *a = j->args;
    j->info =
        (zm_predictions_info){.format = zm_predictions_format_of(a->format, a->out),
                              .ds = j->session.ds,
                              .batch = zm_ensemble_batch(j->ensemble),
                              .grid = zm_ensemble_grid(j->ensemble),
                              .point = strcmp(a->point, "mean") == 0     ? ZM_POINT_MEAN
                                       : strcmp(a->point, "median") == 0 ? ZM_POINT_MEDIAN
                                                                         : ZM_POINT_MODE,
                              .points = a->points,
                              .pdf = a->pdf,
                              .models = j->models.models,
                              .model_count = j->models.count,
                              .device = zm_gpu_caps(j->session.gpu),
                              .precision = j->common->precision,
                              .all_symmetries = a->tta};
    check_name(j, j->info.format);
    return zm_predictions_create(a->out, &j->info, &j->table);
}

static zm_status predict_all(job *j, double *values, uint32_t *flags)
{
    const uint32_t count = (uint32_t)j->session.ds->count;
    const uint32_t batch = zm_ensemble_batch(j->ensemble);
    zm_progress progress =
        zm_progress_init("predict", "cutouts", 0, count, j->common->quiet);
    for (uint32_t at = 0; at < count; at += batch) {
        const uint32_t n = ZM_MIN(batch, count - at);
        ZM_TRY(zm_ensemble_predict(j->ensemble, at, n, values, flags));
        ZM_TRY(zm_predictions_rows(j->table, n, values, flags));
        zm_progress_set(&progress, at + n, NULL);
    }
    zm_progress_finish(&progress);
    return zm_predictions_finish(&j->table);
}

static zm_status run_job(job *j)
{
    ZM_TRY(zm_model_list_load(j->args->model, j->args->heads, &j->models));
    ZM_TRY(zm_session_open_data(&j->session, j->args->data, j->common));
    for (uint32_t i = 0; i < j->models.count; i++)
        warn_of_differences(j, j->models.models[i]);
    ZM_TRY(open_ensemble(j));
    ZM_TRY(open_table(j)); // a place that cannot be written to shows before the work
    const uint64_t batch = zm_ensemble_batch(j->ensemble);
    double *values = zm_calloc(batch * zm_ensemble_width(j->ensemble), sizeof *values);
    uint32_t *flags = zm_calloc(batch, sizeof *flags);
    const zm_status st = values && flags
                             ? predict_all(j, values, flags)
                             : ZM_FAIL(ZM_ERR_MEMORY, "no memory for the results");
    free(values);
    free(flags);
    return st == ZM_OK ? zm_session_skipped(&j->session, j->args->out) : st;
}

static zm_status predict(const predict_args *args, const zm_common *common)
{
    job j = {.args = args, .common = common, .session = {.log = zm_cli_log(common)}};
    const zm_status st = run_job(&j);
    zm_predictions_abort(&j.table);
    zm_ensemble_destroy(&j.ensemble);
    zm_model_list_finish(&j.models);
    zm_session_close(&j.session);
    return st;
}

// The manual page beyond the options.
static const zm_detail details[] = {
    {NULL,
     "Rows come in input order: of the file, of labels.csv in a directory, else by "
     "file name. Calibrated models give calibrated distributions. Several models, "
     "and with --tta the eight views of each cutout, are averaged: distributions bin "
     "by bin on the grid of the first model, redshifts of regression models as "
     "numbers."},
    {"Columns", NULL},
    {"object_id, ra, dec",
     "of the data; the number of the row from 0 where it has no ids"},
    {"z_phot",
     "the redshift, nan where the row has no image; of a distribution what --point "
     "says"},
    {"z_phot_err",
     "standard deviation of the distribution; regression models have neither this "
     "nor what follows"},
    {"z025, z160, z500, z840, z975",
     "redshifts below which 2.5, 16, 50, 84 and 97.5 % of the probability lie"},
    {"z_mean, z_median, z_mode", "with --points"},
    {"flags", "a sum of the bits below"},
    {"z_spec", "where any row has one"},
    {"file", "where the data are a directory"},
    {NULL, "In CSV other missing numbers are empty cells. A FITS table adds the column "
           "pdf, the probabilities of the bins, and a second table ZGRID with z_lo, z_hi "
           "and z_mid of each bin; its header names the models with their SHA-256, heads "
           "and calibrations, program, device, driver and precision, and holds CHECKSUM "
           "and DATASUM. --format qp writes the tables meta (pdf_name interp, xvals: the "
           "centres of the bins), data (yvals: densities there) and ancil (a row per "
           "object), which the qp of LSST-DESC and RAIL read."},
    {"Flags", NULL},
    {"1", "some pixels were not finite and count as sky"},
    {"2", "such pixels lie in the aperture"},
    {"4", "no E(B-V): magnitudes are not dereddened"},
    {"8", "the magnitudes given were not finite and were measured instead"},
    {"16", "a measured flux was not positive"},
    {"32", "magnitudes lie outside of the range of the training set"},
    {"64", "some pixels lie off the frames (prepare)"},
    {"128", "no pixel at all: z_phot is nan"},
    {"256", "a band has no pixel, as where its frame is missing"},
    {"512", "an earlier row has the same object_id (prepare)"},
    {"1024", "the row of the catalogue has no position (prepare): z_phot is nan"},
    {0}};

static int run(int argc, const char *const *argv)
{
    predict_args a = {.batch = 128, .format = "auto", .point = "mean", .pdf = true};
    const zm_option table[] = {
        {"model", ZM_OPT_STRING(&a.model), "FILE",
         "redshift model made by finetune; several with commas between are averaged",
         .required = true},
        {"data", ZM_OPT_STRING(&a.data), "FILE",
         "data set, cutout or directory of cutouts", .required = true},
        {"out", ZM_OPT_STRING(&a.out), "FILE", "table to write", .required = true},
        {"format", ZM_OPT_CHOICE(&a.format, "auto|csv|fits|qp"), "NAME",
         "csv, fits, or qp for RAIL (FITS tables meta, data, ancil)",
         .shown = "fits for *.fits, else csv"},
        {"tta", ZM_OPT_FLAG(&a.tta), NULL,
         "average over the eight flips and quarter turns of each cutout"},
        {"point", ZM_OPT_CHOICE(&a.point, "mean|median|mode"), "NAME",
         "what z_phot is of a distribution"},
        {"points", ZM_OPT_FLAG(&a.points), NULL,
         "columns z_mean, z_median and z_mode of a distribution too"},
        {"pdf", ZM_OPT_FLAG(&a.pdf), NULL,
         "distributions in FITS tables, where the model gives them (--no-pdf: none)"},
        {"batch", ZM_OPT_U32(&a.batch, 1, 1 << 16), "N",
         "cutouts at a time; results do not depend on it"},
        {"heads", ZM_OPT_U32(&a.heads, 0, 256), "N", "attention heads of the encoder",
         .shown = "the model's"},
        {0},
    };
    static const char *const examples[] = {
        "Redshifts of a data set as CSV",
        "zmae predict --model run2/model.safetensors --data new.fits --out z.csv",
        "Of a directory of cutouts as a FITS table, on the second Vulkan device",
        "zmae predict --model run2/model.safetensors --data cutouts --out z.fits "
        "--device vulkan:1",
        "Calibrated distributions for RAIL, three models averaged over flips and turns",
        "zmae predict --model a.safetensors,b.safetensors,c.safetensors --tta "
        "--data new.fits --out pz.fits --format qp",
        NULL};
    zm_options options = {.verb = argv[0],
                          .summary = "Predicts redshifts of cutouts, in input order.",
                          .table = table,
                          .details = details,
                          .examples = examples};
    zm_status st = zm_options_parse(&options, argc, argv);
    if (st == ZM_OK)
        st = predict(&a, &options.common);
    zm_options_finish(&options);
    return zm_cli_exit(st);
}

const zm_verb zm_verb_predict = {"predict", "predict redshifts of cutouts", run};
