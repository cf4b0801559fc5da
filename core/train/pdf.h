// Redshift distributions on a grid of equal bins, and what is read off them.
//
// p[k] is the probability of bin k; together they make 1. Within a bin the density is
// constant, p[k] / width, so the cumulative distribution F is linear between the edges;
// it is 0 below the grid and 1 above it. All sums are in double, in the order of the
// bins. A distribution that holds a NaN gives NaN everywhere.
#ifndef ZM_PDF_H
#define ZM_PDF_H

#include "core/nn/head.h"

typedef struct zm_z_grid {
    uint32_t bins;       // at least 1
    double z_min, z_max; // lower edge of the first bin, upper edge of the last
} zm_z_grid;

zm_z_grid zm_z_grid_of(const zm_head *head); // of ZM_HEAD_PDF and ZM_HEAD_GAUSS
double zm_z_grid_width(const zm_z_grid *grid);
double zm_z_grid_edge(const zm_z_grid *grid, uint32_t k); // 0 <= k <= bins
double zm_z_grid_centre(const zm_z_grid *grid, uint32_t k);
bool zm_z_grid_equal(const zm_z_grid *a, const zm_z_grid *b);

// p[k] = exp(x[k] / T) / sum_j exp(x[j] / T), whatever the size of x.
//   logits       (bins)
//   temperature  > 0; above 1 widens
//   p            (bins)  out
// Source: Guo et al. 2017 (arXiv:1706.04599) section 4.2.
void zm_pdf_softmax(const float *logits, uint32_t bins, double temperature, double *p);

// The normal law: p[k] = Phi((edge[k + 1] - mean) / sd) - Phi((edge[k] - mean) / sd).
// What lies outside the grid goes to the outer bins, as redshifts do (zm_head_bin).
//   sd  >= 0; p  (bins) out
void zm_pdf_normal(const zm_z_grid *grid, double mean, double sd, double *p);

// What a head's outputs say: softmax of the logits, or the normal law of mean out[0] and
// variance exp(out[1]), its standard deviation times temperature. Not of ZM_HEAD_POINT.
//   out  (zm_head_outputs); p  (bins) out
void zm_pdf_of_head(const zm_head *head, const float *out, double temperature, double *p);

// The same distribution on another grid; what lies outside it goes to its outer bins.
//   p  (from->bins); out  (to->bins), may not overlap p
void zm_pdf_regrid(const zm_z_grid *from, const double *p, const zm_z_grid *to,
                   double *out);

// sum[k] += weight * p[k]: with weights that make 1 over the members, the linear pool
// (mixture) of several distributions on one grid. Source: Stone 1961; for pooling and
// calibration Gneiting & Ranjan 2013 (EJS 7, 1747).
void zm_pdf_add(uint32_t bins, double weight, const double *p, double *sum);

// Divides by the sum. False, p unchanged, where a value is negative or not finite or the
// sum is not above 0: p is then no distribution.
bool zm_pdf_normalise(uint32_t bins, double *p);

double zm_pdf_mean(const zm_z_grid *grid, const double *p); // sum p[k] centre[k]
double zm_pdf_mode(const zm_z_grid *grid, const double *p); // centre of the first highest

// Square root of sum p[k] ((centre[k] - mean)^2 + width^2 / 12).
double zm_pdf_sd(const zm_z_grid *grid, const double *p);

// The smallest z with F(z) >= q, 0 <= q <= 1; for q = 0 where F leaves 0.
double zm_pdf_quantile(const zm_z_grid *grid, const double *p, double q);

// F(z). At the true redshift this is the probability integral transform (PIT): uniform
// on [0, 1] over objects whose distributions are calibrated.
double zm_pdf_cdf(const zm_z_grid *grid, const double *p, double z);

// Probability per unit redshift; 0 outside the grid. An edge belongs to the bin above it,
// the last edge to the last bin.
double zm_pdf_density(const zm_z_grid *grid, const double *p, double z);

// Integral of density^2 = sum p[k]^2 / width. The CDE loss of a sample is
// mean(integral density^2) - 2 mean(density(z_spec)).
// Source: Izbicki & Lee 2017 (EJS 11, 2800), as in LSST-DESC RAIL.
double zm_pdf_square_integral(const zm_z_grid *grid, const double *p);

// Continuous ranked probability score, the integral of (F(z) - 1[z >= z_spec])^2 over all
// z; exact for this F. A z_spec outside the grid adds its distance to it. The usual sum
// over bins, sum_k (F(edge[k + 1]) - 1[centre[k] >= z_spec])^2 width, is its Riemann sum
// at upper edges and differs by at most about a bin's width.
// Source: Hersbach 2000 (Wea. Forecasting 15, 559) eq. 9.
double zm_pdf_crps(const zm_z_grid *grid, const double *p, double z_spec);

enum { ZM_PDF_QUANTILES = 5 };
extern const double zm_pdf_quantiles[ZM_PDF_QUANTILES]; // .025 .16 .5 .84 .975

// What a table says of one object.
typedef struct zm_pdf_summary {
    double mean, median, mode, sd;
    double quantile[ZM_PDF_QUANTILES]; // at zm_pdf_quantiles
} zm_pdf_summary;
zm_pdf_summary zm_pdf_summarise(const zm_z_grid *grid, const double *p);

// Kolmogorov-Smirnov distance of values in [0, 1] to the uniform law: the largest
// |G(u) - u|, G their empirical distribution on either side of each step. NaN where a
// value is, or count is 0.
//   u  (count)  sorted in place
double zm_pit_ks(double *u, uint64_t count);

#endif
