#include "core/cli/evaluate_report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "core/cli/report.h"

// ---- text

enum { NUMBER = 16 };

static const char *number(double value, int digits, char out[NUMBER])
{
    if (!isfinite(value))
        return "n/a";
    snprintf(out, NUMBER, fabs(value) < 1e5 ? "%.*f" : "%.*g", digits, value);
    return out;
}

static void print_metric(const char *name, double value, double error,
                         const char *definition)
{
    char a[NUMBER], b[NUMBER];
    printf("%-12s %10s +- %-9s  %s\n", name, number(value, 6, a), number(error, 6, b),
           definition);
}

static void print_join(const zm_evaluation *e)
{
    const zm_redshift_pairs *p = &e->pairs;
    const bool own = e->truth.count == 0;
    printf("%" PRIu64
           " object%s; z_phot: column %s of %s;\nz_spec: column %s of %s, %s\n",
           p->count, p->count == 1 ? "" : "s", e->pred.z_phot.name, e->pred.path,
           p->spec_name, p->spec_path,
           own        ? "the same rows"
           : p->by_id ? "joined by object_id"
                      : "joined by row");
    if (p->no_prediction > 0)
        printf("  left out for want of a finite z_phot: %" PRIu64 "\n", p->no_prediction);
    if (p->no_truth > 0)
        printf("  left out for want of a true redshift: %" PRIu64 "\n", p->no_truth);
    if (p->unused_truth > 0)
        printf("  true redshifts that were not predicted: %" PRIu64 " of %" PRIu64 "\n",
               p->unused_truth, p->truth_rows);
}

static void print_pdf_metrics(const zm_evaluation *e)
{
    if (e->pdf.count == 0) {
        printf(
            "\nNo redshift distributions in %s: crps, pit_ks, pit_cvm and cde_loss are "
            "left out.\nThey come from a FITS table of predict with a column pdf, or a "
            "qp file, of a model with a\ndistribution head.\n",
            e->pred.path);
        return;
    }
    printf("\n%" PRIu64 " redshift distributions p(z) of %u bins on [%g, %g], F their "
           "integral",
           e->pdf.count, (unsigned)e->grid.bins, e->grid.z_min, e->grid.z_max);
    if (e->no_pdf > 0)
        printf("; %" PRIu64 " objects have none", e->no_pdf);
    printf("\n\n");
    for (zm_pdf_metric m = 0; m < ZM_PDF_METRIC_COUNT; m++)
        print_metric(zm_pdf_metric_name(m), e->pdf.value[m], e->pdf.error[m],
                     zm_pdf_metric_definition(m));
}

static void print_bins(const zm_evaluation *e, zm_bin_axis axis)
{
    static const zm_metric columns[] = {ZM_BIAS_MEAN, ZM_SIGMA_MAD, ZM_ETA_005};
    if (e->bin_count[axis] == 0)
        return;
    printf("\n%-20s %8s", zm_bin_axis_name(axis), "objects");
    for (size_t c = 0; c < ZM_COUNT_OF(columns); c++)
        printf("  %21s", zm_metric_name(columns[c]));
    putchar('\n');
    const int digits = axis == ZM_BIN_R_MAG ? 3 : 4;
    for (uint32_t k = 0; k < e->bin_count[axis]; k++) {
        const zm_metrics_bin *bin = &e->bins[axis][k];
        const zm_metrics *m = &bin->metrics;
        printf("%8.*f to %8.*f %8" PRIu64, digits, bin->low, digits, bin->high, m->count);
        for (size_t c = 0; c < ZM_COUNT_OF(columns); c++) {
            char a[NUMBER], b[NUMBER];
            printf("  %10s +- %7s", number(m->value[columns[c]], 5, a),
                   number(m->error[columns[c]], 5, b));
        }
        putchar('\n');
    }
}

zm_status zm_evaluate_report_text(const zm_evaluation *e)
{
    print_join(e);
    printf("dz = (z_phot - z_spec) / (1 + z_spec); +- bootstrap standard deviation\n\n");
    for (zm_metric m = 0; m < ZM_METRIC_COUNT; m++)
        print_metric(zm_metric_name(m), e->metrics.value[m], e->metrics.error[m],
                     zm_metric_definition(m));
    print_pdf_metrics(e);
    for (zm_bin_axis a = 0; a < ZM_BIN_AXES; a++)
        print_bins(e, a);
    return zm_report_flush();
}

// ---- JSON. Setting a member of an object that is NULL fails, so that one flag will do.

static int add_metric(json_t *to, json_t *errors, const char *name, double value,
                      double error)
{
    int failed = json_object_set_new(to, name, zm_report_number(value));
    failed |= json_object_set_new(errors, name, zm_report_number(error));
    return failed;
}

static json_t *bin_object(const zm_metrics_bin *bin)
{
    json_t *errors = json_object();
    json_t *object = json_pack("{s:f, s:f, s:I}", "low", bin->low, "high", bin->high,
                               "count", (json_int_t)bin->metrics.count);
    int failed = 0;
    for (zm_metric m = 0; m < ZM_METRIC_COUNT; m++)
        failed |= add_metric(object, errors, zm_metric_name(m), bin->metrics.value[m],
                             bin->metrics.error[m]);
    failed |= json_object_set_new(object, "errors", errors);
    if (failed) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static int add_bins(json_t *root, const zm_evaluation *e)
{
    json_t *bins = json_object();
    int failed = 0;
    for (zm_bin_axis a = 0; a < ZM_BIN_AXES; a++) {
        if (e->bin_count[a] == 0)
            continue;
        json_t *list = json_array();
        for (uint32_t k = 0; k < e->bin_count[a]; k++)
            failed |= json_array_append_new(list, bin_object(&e->bins[a][k]));
        failed |= json_object_set_new(bins, zm_bin_axis_name(a), list);
    }
    return failed | json_object_set_new(root, "bins", bins);
}

static int add_metrics(json_t *root, const zm_evaluation *e)
{
    json_t *errors = json_object(), *definitions = json_object();
    int failed = 0;
    for (zm_metric m = 0; m < ZM_METRIC_COUNT; m++) {
        failed |= add_metric(root, errors, zm_metric_name(m), e->metrics.value[m],
                             e->metrics.error[m]);
        failed |= json_object_set_new(definitions, zm_metric_name(m),
                                      json_string(zm_metric_definition(m)));
    }
    for (zm_pdf_metric m = 0; m < ZM_PDF_METRIC_COUNT && e->pdf.count > 0; m++) {
        failed |= add_metric(root, errors, zm_pdf_metric_name(m), e->pdf.value[m],
                             e->pdf.error[m]);
        failed |= json_object_set_new(definitions, zm_pdf_metric_name(m),
                                      json_string(zm_pdf_metric_definition(m)));
    }
    failed |= json_object_set_new(root, "errors", errors);
    return failed | json_object_set_new(root, "definitions", definitions);
}

zm_status zm_evaluate_report_json(const zm_evaluation *e)
{
    const zm_redshift_pairs *p = &e->pairs;
    const bool own = e->truth.count == 0;
    json_t *root = json_pack(
        "{s:I, s:s, s:b, s:I, s:I, s:I, s:s, s:s, s:s?, s:I}", "count",
        (json_int_t)p->count, "join",
        own        ? "none"
        : p->by_id ? "id"
                   : "row",
        "joined_by_id", (int)p->by_id, "no_prediction", (json_int_t)p->no_prediction,
        "no_truth", (json_int_t)p->no_truth, "unused_truth", (json_int_t)p->unused_truth,
        "z_phot_column", e->pred.z_phot.name, "z_spec_column", p->spec_name,
        "r_mag_column", p->r_name, "pdf_count", (json_int_t)e->pdf.count);
    if (add_metrics(root, e) | add_bins(root, e)) {
        json_decref(root);
        root = NULL;
    }
    return zm_report_json(root);
}
