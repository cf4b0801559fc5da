// Grouped 1 x 1 layers: each of the groups is a small linear layer of its own.
#include "backends/cpu/cpu_kernels.h"
#include "backends/cpu/reduce.h"
#include "backends/cpu/span.h"

// x, w, b -> y[r, g cout + o] = b[g cout + o] + sum over c of x[r, g cin + c]
// w[g cout + o, c]
void ZM_CPU(grouped_fwd)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_grouped_fwd *p = call->params;
    const real *w = call->bind[1], *b = call->bind[2];
    const size_t cin = p->cin, cout = p->cout, outputs = p->groups * cout;
    for (zm_span s = zm_span_at(begin, end, outputs); s.first < s.last;
         s = zm_span_next(s, end, outputs)) {
        const real *x = (const real *)call->bind[0] + s.row * p->groups * cin;
        real *y = (real *)call->bind[3] + s.row * outputs;
        for (size_t o = s.first; o < s.last; o++)
            y[o] = b[o] + zm_dot(x + o / cout * cin, w + o * cin, cin);
    }
}

// dy, w -> dx[r, g cin + c] = sum over o of dy[r, g cout + o] w[g cout + o, c]
void ZM_CPU(grouped_bwd_input)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_grouped_bwd_input *p = call->params;
    const real *w = call->bind[1];
    const size_t cin = p->cin, cout = p->cout, inputs = p->groups * cin;
    for (zm_span s = zm_span_at(begin, end, inputs); s.first < s.last;
         s = zm_span_next(s, end, inputs)) {
        const real *dy = (const real *)call->bind[0] + s.row * p->groups * cout;
        real *dx = (real *)call->bind[2] + s.row * inputs;
        size_t first = s.first;
        while (first < s.last) { // columns of one group, ZM_COLUMN_BLOCK at a time
            const size_t g = first / cin, group_end = (g + 1) * cin;
            const size_t last = group_end < s.last ? group_end : s.last;
            const size_t n =
                last - first < ZM_COLUMN_BLOCK ? last - first : ZM_COLUMN_BLOCK;
            real sum[ZM_COLUMN_BLOCK];
            for (size_t c = 0; c < n; c++)
                sum[c] = 0;
            for (size_t o = g * cout; o < (g + 1) * cout; o++) {
                const real *restrict wo = w + o * cin + (first - g * cin);
                for (size_t c = 0; c < n; c++)
                    sum[c] += dy[o] * wo[c];
            }
            for (size_t c = 0; c < n; c++)
                dx[first + c] = p->accumulate ? dx[first + c] + sum[c] : sum[c];
            first += n;
        }
    }
}

// dy, x -> dw[g cout + o, c] = sum over r of dy[r, g cout + o] x[r, g cin + c]
void ZM_CPU(grouped_bwd_weight)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_grouped_bwd_weight *p = call->params;
    const size_t cin = p->cin, cout = p->cout;
    real *dw = call->bind[2];
    for (size_t w0 = begin; w0 < end; w0 += ZM_COLUMN_BLOCK) {
        const size_t n = end - w0 < ZM_COLUMN_BLOCK ? end - w0 : ZM_COLUMN_BLOCK;
        double total[ZM_COLUMN_BLOCK] = {0};
        real part[ZM_COLUMN_BLOCK] = {0};
        for (size_t r = 0; r < p->rows; r++) {
            const real *dy = (const real *)call->bind[0] + r * p->groups * cout;
            const real *x = (const real *)call->bind[1] + r * p->groups * cin;
            for (zm_span s = zm_span_at(w0, w0 + n, cin); s.first < s.last;
                 s = zm_span_next(s, w0 + n, cin)) {
                const real *restrict xg = x + s.row / cout * cin;
                real *restrict sum = part + (s.row * cin + s.first - w0);
                for (size_t c = s.first; c < s.last; c++)
                    sum[c - s.first] += dy[s.row] * xg[c];
            }
            if (r % ZM_ROW_BLOCK == ZM_ROW_BLOCK - 1 || r + 1 == p->rows)
                zm_flush(total, part, n);
        }
        for (size_t i = 0; i < n; i++)
            dw[w0 + i] = (real)(total[i] + (p->accumulate ? dw[w0 + i] : 0));
    }
}
