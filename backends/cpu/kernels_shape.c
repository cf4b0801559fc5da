// Strided copies and column sums.
#include "backends/cpu/cpu_kernels.h"
#include "backends/cpu/reduce.h"
#include "backends/cpu/span.h"

// x -> y[yo + i ys0 + j ys1 + k ys2] (+)= x[xo + i xs0 + j xs1 + k xs2]
void ZM_CPU(copy)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_copy *p = call->params;
    for (zm_span s = zm_span_at(begin, end, p->n2); s.first < s.last;
         s = zm_span_next(s, end, p->n2)) {
        const size_t i = s.row / p->n1, j = s.row % p->n1, xs2 = p->xs2, ys2 = p->ys2;
        const real *restrict x =
            (const real *)call->bind[0] + p->xo + i * p->xs0 + j * p->xs1;
        real *restrict y = (real *)call->bind[1] + p->yo + i * p->ys0 + j * p->ys1;
        if (xs2 == 1 && ys2 == 1) {
            for (size_t k = s.first; k < s.last; k++)
                y[k] = p->accumulate ? y[k] + x[k] : x[k];
        } else {
            for (size_t k = s.first; k < s.last; k++)
                y[k * ys2] = p->accumulate ? y[k * ys2] + x[k * xs2] : x[k * xs2];
        }
    }
}

// x -> y[c] = sum over rows of x[offset + r stride + c], c outside [skip_begin, skip_end)
void ZM_CPU(colsum)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_colsum *p = call->params;
    real *restrict y = call->bind[1];
    for (size_t c0 = begin; c0 < end; c0 += ZM_COLUMN_BLOCK) {
        const size_t n = end - c0 < ZM_COLUMN_BLOCK ? end - c0 : ZM_COLUMN_BLOCK;
        double total[ZM_COLUMN_BLOCK] = {0};
        real part[ZM_COLUMN_BLOCK] = {0};
        for (size_t r = 0; r < p->rows; r++) {
            const real *restrict x =
                (const real *)call->bind[0] + p->offset + r * p->stride + c0;
            for (size_t c = 0; c < n; c++)
                part[c] += x[c];
            if (r % ZM_ROW_BLOCK == ZM_ROW_BLOCK - 1 || r + 1 == p->rows)
                zm_flush(total, part, n);
        }
        for (size_t c = 0; c < n; c++)
            if (c0 + c < p->skip_begin || c0 + c >= p->skip_end)
                y[c0 + c] = (real)(total[c] + (p->accumulate ? y[c0 + c] : 0));
    }
}
