// Losses and long sums.
#include "backends/cpu/cpu_kernels.h"
#include "backends/cpu/reduce.h"
#include "backends/cpu/span.h"
#include "backends/cpu/vmath.h"

#ifdef ZM_CPU_F64
#define LOG log
#else
#define LOG logf
#endif

// pred, target, weight -> loss[r] = weight[r] mean over c of (pred - target)^2
void ZM_CPU(sqerr_fwd)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_sqerr_fwd *p = call->params;
    const real *weight = call->bind[2];
    real *loss = call->bind[3];
    const size_t cols = p->cols;
    for (size_t r = begin; r < end; r++) {
        const real *restrict pred = (const real *)call->bind[0] + r * cols;
        const real *restrict target = (const real *)call->bind[1] + r * cols;
        real lane[ZM_LANES] = {0}, tail = 0;
        size_t c = 0;
        for (; c + ZM_LANES <= cols; c += ZM_LANES)
            for (size_t l = 0; l < ZM_LANES; l++) {
                const real d = pred[c + l] - target[c + l];
                lane[l] += d * d;
            }
        for (; c < cols; c++) {
            const real d = pred[c] - target[c];
            tail += d * d;
        }
        loss[r] = weight[r] * ((zm_lanes_sum(lane) + tail) / (real)cols);
    }
}

// pred, target, weight -> dpred = scale weight[r] 2 / cols (pred - target)
void ZM_CPU(sqerr_bwd)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_sqerr_bwd *p = call->params;
    const real *weight = call->bind[2];
    const size_t cols = p->cols;
    for (zm_span s = zm_span_at(begin, end, cols); s.first < s.last;
         s = zm_span_next(s, end, cols)) {
        const real *restrict pred = (const real *)call->bind[0] + s.row * cols;
        const real *restrict target = (const real *)call->bind[1] + s.row * cols;
        real *restrict dpred = (real *)call->bind[3] + s.row * cols;
        const real slope = (real)p->scale * weight[s.row] * 2 / (real)cols;
        for (size_t c = s.first; c < s.last; c++) {
            const real g = slope * (pred[c] - target[c]);
            dpred[c] = p->accumulate ? dpred[c] + g : g;
        }
    }
}

// logits, bin, weight -> loss[r] = weight[r] (log sum over c of exp(logits) -
// logits[bin]); stats[r] = largest logit, sum of exp(logit - largest)
void ZM_CPU(cross_entropy_fwd)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_cross_entropy_fwd *p = call->params;
    const uint32_t *bin = call->bind[1];
    const real *weight = call->bind[2];
    real *loss = call->bind[3], *stats = call->bind[4];
    const size_t bins = p->bins;
    for (size_t r = begin; r < end; r++) {
        const real *restrict x = (const real *)call->bind[0] + r * bins;
        const real largest = zm_max(x, bins);
        real lane[ZM_LANES] = {0}, tail = 0;
        size_t c = 0;
        for (; c + ZM_LANES <= bins; c += ZM_LANES)
            for (size_t l = 0; l < ZM_LANES; l++)
                lane[l] += zm_exp(x[c + l] - largest);
        for (; c < bins; c++)
            tail += zm_exp(x[c] - largest);
        const real sum = zm_lanes_sum(lane) + tail;
        loss[r] = weight[r] * (LOG(sum) + (largest - x[bin[r]]));
        stats[2 * r] = largest;
        stats[2 * r + 1] = sum;
    }
}

// logits, bin, weight, stats -> dlogits = scale weight[r] (exp(logit - largest) / sum -
// [c = bin[r]])
void ZM_CPU(cross_entropy_bwd)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_cross_entropy_bwd *p = call->params;
    const uint32_t *bin = call->bind[1];
    const real *weight = call->bind[2], *stats = call->bind[3];
    const size_t bins = p->bins;
    for (zm_span s = zm_span_at(begin, end, bins); s.first < s.last;
         s = zm_span_next(s, end, bins)) {
        const real *restrict x = (const real *)call->bind[0] + s.row * bins;
        real *restrict dx = (real *)call->bind[4] + s.row * bins;
        const real largest = stats[2 * s.row], sum = stats[2 * s.row + 1];
        const real slope = (real)p->scale * weight[s.row];
        const uint32_t truth = bin[s.row];
        for (size_t c = s.first; c < s.last; c++) {
            const real hit = c == truth ? 1 : 0;
            const real g = slope * (zm_exp(x[c] - largest) / sum - hit);
            dx[c] = p->accumulate ? dx[c] + g : g;
        }
    }
}

// exp(-s), finite in single precision
static inline real narrowness(real s)
{
    return zm_exp(s > 80 ? -80 : s < -80 ? 80 : -s);
}

// pred, z, weight -> loss[r] = weight[r] ((mean - z)^2 exp(-s) + s) / 2
void ZM_CPU(gauss_nll_fwd)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const real *pred = call->bind[0], *z = call->bind[1], *weight = call->bind[2];
    real *restrict loss = call->bind[3];
    for (size_t r = begin; r < end; r++) {
        const real d = pred[2 * r] - z[r], s = pred[2 * r + 1];
        loss[r] = weight[r] * (real)0.5 * (d * d * narrowness(s) + s);
    }
}

// pred, z, weight -> dmean = scale weight[r] (mean - z) exp(-s), ds = scale weight[r]
// (1 - (mean - z)^2 exp(-s)) / 2
void ZM_CPU(gauss_nll_bwd)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_gauss_nll_bwd *p = call->params;
    const real *pred = call->bind[0], *z = call->bind[1], *weight = call->bind[2];
    real *restrict dpred = call->bind[3];
    for (size_t r = begin; r < end; r++) {
        const real d = pred[2 * r] - z[r], pull = d * narrowness(pred[2 * r + 1]);
        const real slope = (real)p->scale * weight[r];
        const real dmean = slope * pull, ds = slope * (real)0.5 * (1 - d * pull);
        dpred[2 * r] = p->accumulate ? dpred[2 * r] + dmean : dmean;
        dpred[2 * r + 1] = p->accumulate ? dpred[2 * r + 1] + ds : ds;
    }
}

// x -> y[0] = scale * sum of x
void ZM_CPU(sum)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_sum *p = call->params;
    const real *x = call->bind[0];
    real *y = call->bind[1];
    if (begin > 0 || end == 0)
        return;
    double total = 0;
    for (size_t i = 0; i < p->n; i += ZM_SUM_BLOCK)
        total += (double)zm_sum(x + i, p->n - i < ZM_SUM_BLOCK ? p->n - i : ZM_SUM_BLOCK);
    y[0] = (real)((double)p->scale * total + (p->accumulate ? y[0] : 0));
}

// x -> y[r] = sum of x[i]^2 over i in [r chunk, (r + 1) chunk)
void ZM_CPU(sumsq)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_sumsq *p = call->params;
    const real *x = call->bind[0];
    real *y = call->bind[1];
    for (size_t r = begin; r < end; r++) {
        const size_t first = r * p->chunk;
        const size_t last = first + p->chunk < p->n ? first + p->chunk : p->n;
        double total = 0;
        for (size_t i = first; i < last; i += ZM_SUM_BLOCK) {
            const size_t n = last - i < ZM_SUM_BLOCK ? last - i : ZM_SUM_BLOCK;
            total += (double)zm_dot(x + i, x + i, n);
        }
        y[r] = (real)total;
    }
}
