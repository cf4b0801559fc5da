#include "core/cli/evaluate_plots.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/io/bytes.h"
#include "core/io/path.h"

zm_status zm_evaluate_write_plot(zm_plot *plot, const char *folder, const char *name)
{
    char *path = zm_path_join(folder, name);
    if (!path)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: out of memory", folder);
    const zm_status st = zm_plot_write(plot, path);
    free(path);
    return st;
}

enum { SHORT_TEXT = 16 };

// Four decimals, or powers of ten for what no longer is a redshift.
static const char *short_number(double value, char out[SHORT_TEXT])
{
    snprintf(out, SHORT_TEXT, fabs(value) < 1000 ? "%.4f" : "%.3g", value);
    return out;
}

void zm_evaluate_headline(const zm_metrics *m, uint64_t outside, char out[ZM_PLOT_TEXT])
{
    char mean[SHORT_TEXT], median[SHORT_TEXT], sigma[SHORT_TEXT], beyond[32] = "";
    if (outside > 0)
        snprintf(beyond, sizeof beyond, " (%llu outside)", (unsigned long long)outside);
    snprintf(out, ZM_PLOT_TEXT,
             "N = %llu%s    mean dz = %s    median %s    \\sigma_{MAD} = %s    "
             "|dz| > 0.05: %.2f %%",
             (unsigned long long)m->count, beyond,
             short_number(m->value[ZM_BIAS_MEAN], mean),
             short_number(m->value[ZM_BIAS_MEDIAN], median),
             short_number(m->value[ZM_SIGMA_MAD], sigma), 100 * m->value[ZM_ETA_005]);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static zm_range range_of_sorted(const double *v, uint64_t n, bool zero)
{
    const double last = (double)(n - 1);
    const double low = v[(uint64_t)floor(0.02 * last)];
    const double high = v[(uint64_t)ceil(0.98 * last)];
    const double reach = 0.6 * (high - low); // tails of a normal law stay inside
    zm_range r = {v[0] >= low - reach ? v[0] : low - reach,
                  v[n - 1] <= high + reach ? v[n - 1] : high + reach};
    const double margin =
        r.high > r.low ? 0.03 * (r.high - r.low) : 0.05 * fmax(fabs(r.high), 1);
    const bool from_zero = zero && v[0] >= 0 && r.low < 0.5 * r.high;
    return (zm_range){from_zero ? 0 : r.low - margin, r.high + margin};
}

zm_status zm_range_of(const double *values, uint64_t count, bool zero, zm_range *out)
{
    double *sorted = zm_calloc(count, sizeof *sorted);
    uint64_t n = 0;
    if (!sorted)
        return ZM_FAIL(ZM_ERR_MEMORY, "plots: out of memory");
    for (uint64_t i = 0; i < count; i++)
        if (isfinite(values[i]))
            sorted[n++] = values[i];
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    *out = n > 0 ? range_of_sorted(sorted, n, zero) : (zm_range){0, 1};
    free(sorted);
    return ZM_OK;
}

zm_status zm_evaluate_plots(const char *folder, const zm_evaluation *e)
{
    ZM_TRY(zm_make_dirs(folder));
    ZM_TRY(zm_evaluate_plot_redshifts(folder, e));
    ZM_TRY(zm_evaluate_plot_residuals(folder, e));
    ZM_TRY(zm_evaluate_plot_histograms(folder, e));
    return e->pdf.count > 0 ? zm_evaluate_plot_pit(folder, e) : ZM_OK;
}
