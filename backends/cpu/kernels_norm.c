// Layer, batch and patch normalisation. Variances are two-pass: x - mean first.
#include <math.h>

#include "backends/cpu/cpu_kernels.h"
#include "backends/cpu/reduce.h"
#include "backends/cpu/span.h"

#ifdef ZM_CPU_F64
#define SQRT sqrt
#else
#define SQRT sqrtf
#endif

// x, gamma, beta -> y, stats (rows, 2). y = (x - mean) * rstd * gamma + beta
void ZM_CPU(layernorm_fwd)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_layernorm_fwd *p = call->params;
    const real *restrict gamma = call->bind[1], *restrict beta = call->bind[2];
    real *restrict stats = call->bind[4];
    const size_t cols = p->cols;
    for (size_t r = begin; r < end; r++) {
        const real *restrict x = (const real *)call->bind[0] + r * cols;
        real *restrict y = (real *)call->bind[3] + r * cols;
        const real mean = zm_sum(x, cols) / (real)cols;
        const real var = zm_sumsq_about(x, mean, cols) / (real)cols;
        const real rstd = 1 / SQRT(var + (real)p->eps);
        for (size_t c = 0; c < cols; c++)
            y[c] = (x[c] - mean) * rstd * gamma[c] + beta[c];
        stats[2 * r] = mean;
        stats[2 * r + 1] = rstd;
    }
}

// sum of dy gamma (x - mean) rstd
static real dot_xhat(const real *restrict dy, const real *restrict gamma,
                     const real *restrict x, real mean, real rstd, size_t n)
{
    real lane[ZM_LANES] = {0}, tail = 0;
    size_t c = 0;
    for (; c + ZM_LANES <= n; c += ZM_LANES)
        for (size_t l = 0; l < ZM_LANES; l++)
            lane[l] += dy[c + l] * gamma[c + l] * ((x[c + l] - mean) * rstd);
    for (; c < n; c++)
        tail += dy[c] * gamma[c] * ((x[c] - mean) * rstd);
    return zm_lanes_sum(lane) + tail;
}

// dy, x, gamma, stats -> dx. With g = dy gamma and xhat = (x - mean) rstd:
// dx = rstd * (g - mean(g) - xhat * mean(g xhat))
void ZM_CPU(layernorm_bwd_input)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_layernorm_bwd_input *p = call->params;
    const real *restrict gamma = call->bind[2], *restrict stats = call->bind[3];
    const size_t cols = p->cols;
    for (size_t r = begin; r < end; r++) {
        const real *restrict dy = (const real *)call->bind[0] + r * cols;
        const real *restrict x = (const real *)call->bind[1] + r * cols;
        real *restrict dx = (real *)call->bind[4] + r * cols;
        const real mean = stats[2 * r], rstd = stats[2 * r + 1];
        const real sum_g = zm_dot(dy, gamma, cols);
        const real sum_gx = dot_xhat(dy, gamma, x, mean, rstd, cols);
        const real mean_g = sum_g / (real)cols, mean_gx = sum_gx / (real)cols;
        for (size_t c = 0; c < cols; c++) {
            const real xhat = (x[c] - mean) * rstd;
            const real g = rstd * (dy[c] * gamma[c] - mean_g - xhat * mean_gx);
            dx[c] = p->accumulate ? dx[c] + g : g;
        }
    }
}

// dy, x, stats -> dgamma = sum dy xhat, dbeta = sum dy
void ZM_CPU(layernorm_bwd_weight)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_layernorm_bwd_weight *p = call->params;
    const real *restrict stats = call->bind[2];
    real *restrict dgamma = call->bind[3], *restrict dbeta = call->bind[4];
    const size_t cols = p->cols;
    for (size_t c0 = begin; c0 < end; c0 += ZM_COLUMN_BLOCK) {
        const size_t n = end - c0 < ZM_COLUMN_BLOCK ? end - c0 : ZM_COLUMN_BLOCK;
        double total_g[ZM_COLUMN_BLOCK] = {0}, total_b[ZM_COLUMN_BLOCK] = {0};
        real part_g[ZM_COLUMN_BLOCK] = {0}, part_b[ZM_COLUMN_BLOCK] = {0};
        for (size_t r = 0; r < p->rows; r++) {
            const real *restrict dy = (const real *)call->bind[0] + r * cols + c0;
            const real *restrict x = (const real *)call->bind[1] + r * cols + c0;
            const real mean = stats[2 * r], rstd = stats[2 * r + 1];
            for (size_t c = 0; c < n; c++) {
                part_g[c] += dy[c] * ((x[c] - mean) * rstd);
                part_b[c] += dy[c];
            }
            if (r % ZM_ROW_BLOCK == ZM_ROW_BLOCK - 1 || r + 1 == p->rows) {
                zm_flush(total_g, part_g, n);
                zm_flush(total_b, part_b, n);
            }
        }
        for (size_t c = 0; c < n; c++) {
            dgamma[c0 + c] = (real)(total_g[c] + (p->accumulate ? dgamma[c0 + c] : 0));
            dbeta[c0 + c] = (real)(total_b[c] + (p->accumulate ? dbeta[c0 + c] : 0));
        }
    }
}

// total[c] = sum over rows of (x - centre)^power, power 1 (centre 0) or 2
static void column_moment(const real *x, size_t rows, size_t cols, size_t n,
                          const real *restrict centre, double *restrict total)
{
    real part[ZM_COLUMN_BLOCK] = {0};
    for (size_t c = 0; c < n; c++)
        total[c] = 0;
    for (size_t r = 0; r < rows; r++) {
        const real *restrict row = x + r * cols;
        if (centre) {
            for (size_t c = 0; c < n; c++) {
                const real d = row[c] - centre[c];
                part[c] += d * d;
            }
        } else {
            for (size_t c = 0; c < n; c++)
                part[c] += row[c];
        }
        if (r % ZM_ROW_BLOCK == ZM_ROW_BLOCK - 1 || r + 1 == rows)
            zm_flush(total, part, n);
    }
}

// x -> mean, var (biased), running mean, running var (unbiased)
void ZM_CPU(batchnorm_stats)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_batchnorm_stats *p = call->params;
    const real *x = call->bind[0];
    real *restrict mean = call->bind[1], *restrict var = call->bind[2];
    real *restrict run_mean = call->bind[3], *restrict run_var = call->bind[4];
    const double rows = p->rows, momentum = (double)p->momentum;
    const double unbiased = p->rows > 1 ? rows / (rows - 1) : 1;
    for (size_t c0 = begin; c0 < end; c0 += ZM_COLUMN_BLOCK) {
        const size_t n = end - c0 < ZM_COLUMN_BLOCK ? end - c0 : ZM_COLUMN_BLOCK;
        double total[ZM_COLUMN_BLOCK];
        column_moment(x + c0, p->rows, p->cols, n, NULL, total);
        for (size_t c = 0; c < n; c++)
            mean[c0 + c] = (real)(total[c] / rows);
        column_moment(x + c0, p->rows, p->cols, n, mean + c0, total);
        for (size_t c = 0; c < n; c++) {
            const double v = total[c] / rows, m = (double)mean[c0 + c];
            var[c0 + c] = (real)v;
            run_mean[c0 + c] =
                (real)((1 - momentum) * (double)run_mean[c0 + c] + momentum * m);
            run_var[c0 + c] = (real)((1 - momentum) * (double)run_var[c0 + c] +
                                     momentum * v * unbiased);
        }
    }
}

// x, mean, var, gamma, beta -> y = act((x - mean) / sqrt(var + eps) * gamma + beta),
// act none or relu
void ZM_CPU(batchnorm_fwd)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_batchnorm_fwd *p = call->params;
    const real *x = call->bind[0], *mean = call->bind[1], *var = call->bind[2];
    const real *gamma = call->bind[3], *beta = call->bind[4];
    real *y = call->bind[5];
    const size_t cols = p->cols;
    const real floor = p->act == ZM_ACT_RELU ? 0 : (real)-INFINITY;
    for (size_t c0 = 0; c0 < cols; c0 += ZM_COLUMN_BLOCK) {
        const size_t c1 = c0 + ZM_COLUMN_BLOCK < cols ? c0 + ZM_COLUMN_BLOCK : cols;
        real scale[ZM_COLUMN_BLOCK];
        for (size_t c = c0; c < c1; c++)
            scale[c - c0] = gamma[c] / SQRT(var[c] + (real)p->eps);
        for (zm_span s = zm_span_at(begin, end, cols); s.first < s.last;
             s = zm_span_next(s, end, cols)) {
            const size_t first = s.first > c0 ? s.first : c0;
            const size_t last = s.last < c1 ? s.last : c1;
            const real *restrict xr = x + s.row * cols;
            real *restrict yr = y + s.row * cols;
            for (size_t c = first; c < last; c++) {
                const real t = (xr[c] - mean[c]) * scale[c - c0] + beta[c];
                yr[c] = t < floor ? floor : t;
            }
        }
    }
}

// dy, x, mean, var -> sums (2, cols) = sum dy, sum dy xhat; dgamma, dbeta
void ZM_CPU(batchnorm_bwd_stats)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_batchnorm_bwd_stats *p = call->params;
    const real *mean = call->bind[2], *var = call->bind[3];
    real *sums = call->bind[4], *dgamma = call->bind[5], *dbeta = call->bind[6];
    const size_t cols = p->cols;
    for (size_t c0 = begin; c0 < end; c0 += ZM_COLUMN_BLOCK) {
        const size_t n = end - c0 < ZM_COLUMN_BLOCK ? end - c0 : ZM_COLUMN_BLOCK;
        double total_g[ZM_COLUMN_BLOCK] = {0}, total_b[ZM_COLUMN_BLOCK] = {0};
        real part_g[ZM_COLUMN_BLOCK] = {0}, part_b[ZM_COLUMN_BLOCK] = {0};
        real rstd[ZM_COLUMN_BLOCK], m[ZM_COLUMN_BLOCK];
        for (size_t c = 0; c < n; c++) {
            m[c] = mean[c0 + c];
            rstd[c] = 1 / SQRT(var[c0 + c] + (real)p->eps);
        }
        for (size_t r = 0; r < p->rows; r++) {
            const real *restrict dy = (const real *)call->bind[0] + r * cols + c0;
            const real *restrict x = (const real *)call->bind[1] + r * cols + c0;
            for (size_t c = 0; c < n; c++) {
                part_g[c] += dy[c] * ((x[c] - m[c]) * rstd[c]);
                part_b[c] += dy[c];
            }
            if (r % ZM_ROW_BLOCK == ZM_ROW_BLOCK - 1 || r + 1 == p->rows) {
                zm_flush(total_g, part_g, n);
                zm_flush(total_b, part_b, n);
            }
        }
        for (size_t c = 0; c < n; c++) {
            sums[c0 + c] = (real)total_b[c];
            sums[cols + c0 + c] = (real)total_g[c];
            dgamma[c0 + c] = (real)(total_g[c] + (p->accumulate ? dgamma[c0 + c] : 0));
            dbeta[c0 + c] = (real)(total_b[c] + (p->accumulate ? dbeta[c0 + c] : 0));
        }
    }
}

// dy, x, mean, var, gamma, sums -> dx
// training: dx = gamma rstd (dy - sums[0] / rows - xhat sums[1] / rows), else gamma rstd
// dy
void ZM_CPU(batchnorm_bwd_input)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_batchnorm_bwd_input *p = call->params;
    const real *dy = call->bind[0], *x = call->bind[1], *mean = call->bind[2];
    const real *var = call->bind[3], *gamma = call->bind[4], *sums = call->bind[5];
    real *dx = call->bind[6];
    const size_t cols = p->cols;
    const real share = p->training ? 1 / (real)p->rows : 0;
    for (size_t c0 = 0; c0 < cols; c0 += ZM_COLUMN_BLOCK) {
        const size_t c1 = c0 + ZM_COLUMN_BLOCK < cols ? c0 + ZM_COLUMN_BLOCK : cols;
        real scale[ZM_COLUMN_BLOCK], shift[ZM_COLUMN_BLOCK], slope[ZM_COLUMN_BLOCK];
        for (size_t c = c0; c < c1; c++) {
            const real rstd = 1 / SQRT(var[c] + (real)p->eps);
            scale[c - c0] = gamma[c] * rstd;
            shift[c - c0] = p->training ? sums[c] * share : 0;
            slope[c - c0] = p->training ? sums[cols + c] * share * rstd : 0;
        }
        for (zm_span s = zm_span_at(begin, end, cols); s.first < s.last;
             s = zm_span_next(s, end, cols)) {
            const size_t first = s.first > c0 ? s.first : c0;
            const size_t last = s.last < c1 ? s.last : c1;
            const real *restrict dyr = dy + s.row * cols;
            const real *restrict xr = x + s.row * cols;
            real *restrict dxr = dx + s.row * cols;
            for (size_t c = first; c < last; c++) {
                const real g = scale[c - c0] * (dyr[c] - shift[c - c0] -
                                                (xr[c] - mean[c]) * slope[c - c0]);
                dxr[c] = p->accumulate ? dxr[c] + g : g;
            }
        }
    }
}

// x -> y = (x - mean) / sqrt(unbiased var + eps) for each row
void ZM_CPU(patch_norm)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_patch_norm *p = call->params;
    const size_t cols = p->cols;
    const real freedom = cols > 1 ? (real)(cols - 1) : 1;
    for (size_t r = begin; r < end; r++) {
        const real *restrict x = (const real *)call->bind[0] + r * cols;
        real *restrict y = (real *)call->bind[1] + r * cols;
        const real mean = zm_sum(x, cols) / (real)cols;
        const real var = zm_sumsq_about(x, mean, cols) / freedom;
        const real rstd = 1 / SQRT(var + (real)p->eps);
        for (size_t c = 0; c < cols; c++)
            y[c] = (x[c] - mean) * rstd;
    }
}
