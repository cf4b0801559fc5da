#include "core/train/pdf.h"

#include <math.h>
#include <stdlib.h>

const double zm_pdf_quantiles[ZM_PDF_QUANTILES] = {0.025, 0.16, 0.5, 0.84, 0.975};

zm_z_grid zm_z_grid_of(const zm_head *head)
{
    return (zm_z_grid){head->bins, head->z_min, head->z_max};
}

double zm_z_grid_width(const zm_z_grid *g)
{
    return (g->z_max - g->z_min) / g->bins;
}

double zm_z_grid_edge(const zm_z_grid *g, uint32_t k)
{
    return k == g->bins ? g->z_max : g->z_min + (g->z_max - g->z_min) * k / g->bins;
}

double zm_z_grid_centre(const zm_z_grid *g, uint32_t k)
{
    return 0.5 * (zm_z_grid_edge(g, k) + zm_z_grid_edge(g, k + 1));
}

bool zm_z_grid_equal(const zm_z_grid *a, const zm_z_grid *b)
{
    return a->bins == b->bins && a->z_min == b->z_min && a->z_max == b->z_max;
}

void zm_pdf_softmax(const float *logits, uint32_t bins, double temperature, double *p)
{
    double top = -INFINITY, sum = 0.0;
    for (uint32_t k = 0; k < bins; k++)
        top = fmax(top, (double)logits[k]);
    for (uint32_t k = 0; k < bins; k++)
        sum += p[k] = exp(((double)logits[k] - top) / temperature);
    for (uint32_t k = 0; k < bins; k++)
        p[k] /= sum;
}

// Phi(b) - Phi(a) for a <= b, without cancellation in either tail.
static double normal_mass(double a, double b)
{
    const double s = sqrt(0.5);
    return a > 0.0 ? 0.5 * (erfc(a * s) - erfc(b * s))
                   : 0.5 * (erfc(-b * s) - erfc(-a * s));
}

void zm_pdf_normal(const zm_z_grid *g, double mean, double sd, double *p)
{
    const double narrow = 1e-9 * zm_z_grid_width(g); // as good as 0, and divides
    const double scale = isnan(sd) ? sd : fmax(sd, narrow);
    double low = -INFINITY;
    for (uint32_t k = 0; k < g->bins; k++) {
        const bool last = k + 1 == g->bins;
        const double high = last ? INFINITY : (zm_z_grid_edge(g, k + 1) - mean) / scale;
        p[k] = isfinite(mean) ? normal_mass(low, high) : NAN;
        low = high;
    }
}

void zm_pdf_of_head(const zm_head *head, const float *out, double temperature, double *p)
{
    const zm_z_grid grid = zm_z_grid_of(head);
    if (head->kind == ZM_HEAD_PDF)
        zm_pdf_softmax(out, head->bins, temperature, p);
    else
        zm_pdf_normal(&grid, (double)out[0], exp(0.5 * (double)out[1]) * temperature, p);
}

void zm_pdf_regrid(const zm_z_grid *from, const double *p, const zm_z_grid *to,
                   double *out)
{
    double below = 0.0;
    for (uint32_t k = 0; k < to->bins; k++) {
        const bool last = k + 1 == to->bins;
        const double edge =
            last ? fmax(from->z_max, to->z_max) : zm_z_grid_edge(to, k + 1);
        const double above = zm_pdf_cdf(from, p, edge);
        out[k] = above - below;
        below = above;
    }
}

void zm_pdf_add(uint32_t bins, double weight, const double *p, double *sum)
{
    for (uint32_t k = 0; k < bins; k++)
        sum[k] += weight * p[k];
}

static double total(uint32_t bins, const double *p)
{
    double sum = 0.0;
    for (uint32_t k = 0; k < bins; k++)
        sum += p[k];
    return sum;
}

bool zm_pdf_normalise(uint32_t bins, double *p)
{
    const double sum = total(bins, p);
    bool sound = isfinite(sum) && sum > 0.0;
    for (uint32_t k = 0; k < bins && sound; k++)
        sound = p[k] >= 0.0;
    for (uint32_t k = 0; k < bins && sound; k++)
        p[k] /= sum;
    return sound;
}

double zm_pdf_mean(const zm_z_grid *g, const double *p)
{
    double sum = 0.0;
    for (uint32_t k = 0; k < g->bins; k++)
        sum += p[k] * zm_z_grid_centre(g, k);
    return sum;
}

double zm_pdf_mode(const zm_z_grid *g, const double *p)
{
    uint32_t best = 0;
    for (uint32_t k = 0; k < g->bins; k++) {
        if (isnan(p[k]))
            return NAN;
        if (p[k] > p[best])
            best = k;
    }
    return zm_z_grid_centre(g, best);
}

double zm_pdf_sd(const zm_z_grid *g, const double *p)
{
    const double mean = zm_pdf_mean(g, p), width = zm_z_grid_width(g);
    double sum = 0.0;
    for (uint32_t k = 0; k < g->bins; k++) {
        const double d = zm_z_grid_centre(g, k) - mean;
        sum += p[k] * (d * d + width * width / 12.0);
    }
    return sqrt(sum);
}

double zm_pdf_quantile(const zm_z_grid *g, const double *p, double q)
{
    const double width = zm_z_grid_width(g);
    double below = 0.0, end = NAN; // upper edge of the last bin that is not empty
    for (uint32_t k = 0; k < g->bins; k++) {
        if (isnan(p[k]))
            return NAN;
        if (p[k] > 0.0) {
            if (below + p[k] >= q)
                return zm_z_grid_edge(g, k) + width * fmax(q - below, 0.0) / p[k];
            end = zm_z_grid_edge(g, k + 1);
        }
        below += p[k];
    }
    return end; // the sum fell short of q by rounding
}

double zm_pdf_cdf(const zm_z_grid *g, const double *p, double z)
{
    const double sum = total(g->bins, p); // 1 but for rounding; NaN where p is
    if (isnan(sum) || isnan(z))
        return NAN;
    if (z <= g->z_min)
        return 0.0;
    if (z >= g->z_max)
        return 1.0;
    double below = 0.0;
    uint32_t k = 0;
    for (; k + 1 < g->bins && zm_z_grid_edge(g, k + 1) <= z; k++)
        below += p[k];
    const double part = (z - zm_z_grid_edge(g, k)) / zm_z_grid_width(g);
    return fmin(below + p[k] * fmin(part, 1.0), 1.0);
}

double zm_pdf_density(const zm_z_grid *g, const double *p, double z)
{
    if (isnan(total(g->bins, p)) || isnan(z))
        return NAN;
    if (z < g->z_min || z > g->z_max)
        return 0.0;
    uint32_t k = 0;
    while (k + 1 < g->bins && zm_z_grid_edge(g, k + 1) <= z)
        k++;
    return p[k] / zm_z_grid_width(g);
}

double zm_pdf_square_integral(const zm_z_grid *g, const double *p)
{
    double sum = 0.0;
    for (uint32_t k = 0; k < g->bins; k++)
        sum += p[k] * p[k];
    return sum / zm_z_grid_width(g);
}

// Integral over a stretch of z in which a straight line goes from a to b, squared.
static double line_squared(double length, double a, double b)
{
    return length * (a * a + a * b + b * b) / 3.0;
}

double zm_pdf_crps(const zm_z_grid *g, const double *p, double z_spec)
{
    if (isnan(z_spec))
        return NAN;
    double below = 0.0;
    double sum = fmax(g->z_min - z_spec, 0.0) + fmax(z_spec - g->z_max, 0.0);
    for (uint32_t k = 0; k < g->bins; k++) {
        const double low = zm_z_grid_edge(g, k), high = zm_z_grid_edge(g, k + 1);
        const double split = fmin(fmax(z_spec, low), high);
        const double above = below + p[k];
        const double middle = below + p[k] * (split - low) / (high - low);
        sum += line_squared(split - low, below, middle);
        sum += line_squared(high - split, middle - 1.0, above - 1.0);
        below = above;
    }
    return sum;
}

zm_pdf_summary zm_pdf_summarise(const zm_z_grid *g, const double *p)
{
    zm_pdf_summary s = {.mean = zm_pdf_mean(g, p),
                        .median = zm_pdf_quantile(g, p, 0.5),
                        .mode = zm_pdf_mode(g, p),
                        .sd = zm_pdf_sd(g, p)};
    for (size_t i = 0; i < ZM_PDF_QUANTILES; i++)
        s.quantile[i] = zm_pdf_quantile(g, p, zm_pdf_quantiles[i]);
    return s;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double zm_pit_ks(double *u, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        if (isnan(u[i]))
            return NAN;
    if (count == 0)
        return NAN;
    qsort(u, (size_t)count, sizeof *u, by_value);
    double worst = 0.0;
    for (uint64_t i = 0; i < count; i++) {
        const double n = (double)count;
        worst = fmax(worst, fmax(u[i] - (double)i / n, (double)(i + 1) / n - u[i]));
    }
    return worst;
}
