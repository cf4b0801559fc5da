#include "core/train/pdf_metrics.h"

#include <math.h>
#include <stdlib.h>

#include "core/train/bootstrap.h"

static const struct {
    const char *name, *definition;
} table[ZM_PDF_METRIC_COUNT] = {
    [ZM_CRPS] = {"crps", "mean integral of (F(z) - 1[z >= z_spec])^2 dz"},
    [ZM_PIT_KS] = {"pit_ks", "largest |G(u) - u|, G the distribution of PIT = F(z_spec)"},
    [ZM_PIT_CVM] = {"pit_cvm",
                    "1 / 12n + sum ((2i - 1) / 2n - PIT_i)^2 over the sorted PIT"},
    [ZM_CDE_LOSS] = {"cde_loss", "mean integral of p(z)^2 dz - 2 mean p(z_spec)"},
};

const char *zm_pdf_metric_name(zm_pdf_metric metric)
{
    return table[metric].name;
}

const char *zm_pdf_metric_definition(zm_pdf_metric metric)
{
    return table[metric].definition;
}

zm_pdf_score zm_pdf_score_of(const zm_z_grid *grid, const double *p, double z_spec)
{
    return (zm_pdf_score){.pit = zm_pdf_cdf(grid, p, z_spec),
                          .crps = zm_pdf_crps(grid, p, z_spec),
                          .density = zm_pdf_density(grid, p, z_spec),
                          .square_integral = zm_pdf_square_integral(grid, p)};
}

typedef struct sorted {
    const zm_pdf_score *scores; // (count) by pit
    uint64_t count;
} sorted;

// weight NULL: every object once.
static void measure(const void *user, const uint32_t *weight, double *value)
{
    const sorted *s = user;
    const double n = (double)s->count;
    double crps = 0, density = 0, square = 0, ks = 0, cvm = 1 / (12 * n);
    uint64_t passed = 0;
    for (uint64_t i = 0; i < s->count; i++) {
        const zm_pdf_score *o = &s->scores[i];
        const uint32_t copies = weight ? weight[i] : 1;
        crps += copies * o->crps;
        density += copies * o->density;
        square += copies * o->square_integral;
        if (copies > 0) {
            const double before = (double)passed / n,
                         after = (double)(passed + copies) / n;
            ks = fmax(ks, fmax(o->pit - before, after - o->pit));
        }
        for (uint32_t c = 0; c < copies; c++, passed++) {
            const double d = ((double)passed + 0.5) / n - o->pit;
            cvm += d * d;
        }
    }
    value[ZM_CRPS] = crps / n;
    value[ZM_PIT_KS] = ks;
    value[ZM_PIT_CVM] = cvm;
    value[ZM_CDE_LOSS] = (square - 2 * density) / n;
}

static int by_pit(const void *a, const void *b)
{
    const double x = ((const zm_pdf_score *)a)->pit, y = ((const zm_pdf_score *)b)->pit;
    return (x > y) - (x < y);
}

zm_status zm_pdf_metrics_compute(zm_pdf_score *scores, uint64_t count, uint64_t seed,
                                 uint32_t resamples, zm_pdf_metrics *out)
{
    for (uint64_t i = 0; i < count; i++)
        if (!isfinite(scores[i].pit) || !isfinite(scores[i].crps) ||
            !isfinite(scores[i].density) || !isfinite(scores[i].square_integral))
            return ZM_FAIL(ZM_ERR_FORMAT, "PDF %llu: wanted finite scores",
                           (unsigned long long)i);
    qsort(scores, (size_t)count, sizeof *scores, by_pit);
    const sorted all = {scores, count};
    zm_pdf_metrics m = {.count = count};
    ZM_TRY(zm_bootstrap(measure, &all, count, seed, resamples, ZM_PDF_METRIC_COUNT,
                        m.error));
    measure(&all, NULL, m.value);
    *out = m;
    return ZM_OK;
}
