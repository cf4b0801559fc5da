// Grouped 1 x 1 layers: each of the groups is a small linear layer of its own.
#include <stdbool.h>
#include <string.h>

#include "backends/cpu/cpu_kernels.h"
#include "backends/cpu/reduce.h"
#include "backends/cpu/span.h"

enum { GROUP_WEIGHTS = 64 }; // the shapes of the PCM: 4 -> 16 -> 4

#define ZM_INLINE                                                                        \
    static inline __attribute__((always_inline)) // constants reach the loops

// One group of one row; the weights lie turned (cin, cout), so that the outputs are the
// lanes of one vector. Sums run over c in order, as in the general loop.
#define ZM_GROUP_ROW(name, lanes_type, cin)                                              \
    static inline void name(const real *x, const real *turned, const real *b, real *y)   \
    {                                                                                    \
        lanes_type sum, w;                                                               \
        memcpy(&sum, b, sizeof sum);                                                     \
        for (size_t c = 0; c < (cin); c++) {                                             \
            memcpy(&w, turned + c * (sizeof w / sizeof(real)), sizeof w);                \
            sum += x[c] * w;                                                             \
        }                                                                                \
        memcpy(y, &sum, sizeof sum);                                                     \
    }
typedef real lanes16 __attribute__((vector_size(16 * sizeof(real))));
typedef real lanes4 __attribute__((vector_size(4 * sizeof(real))));
ZM_GROUP_ROW(group_row_wide, lanes16, 4)
ZM_GROUP_ROW(group_row_narrow, lanes4, 16)

static void group_rows(const zm_cpu_call *call, const real *turned, size_t first,
                       size_t last)
{
    const struct zm_params_grouped_fwd *p = call->params;
    const size_t cin = p->cin, cout = p->cout;
    const real *x = (const real *)call->bind[0] + first * p->groups * cin;
    const real *b = call->bind[2];
    real *y = (real *)call->bind[3] + first * p->groups * cout;
    for (size_t r = first; r < last; r++)
        for (size_t g = 0; g < p->groups; g++, x += cin, y += cout)
            if (cout == 16)
                group_row_wide(x, turned + g * GROUP_WEIGHTS, b + g * cout, y);
            else
                group_row_narrow(x, turned + g * GROUP_WEIGHTS, b + g * cout, y);
}

static void group_elements(const zm_cpu_call *call, size_t begin, size_t end)
{
    const struct zm_params_grouped_fwd *p = call->params;
    const real *w = call->bind[1], *b = call->bind[2];
    const size_t cin = p->cin, cout = p->cout, outputs = p->groups * cout;
    for (zm_span s = zm_span_at(begin, end, outputs); s.first < s.last;
         s = zm_span_next(s, end, outputs)) {
        const real *x = (const real *)call->bind[0] + s.row * p->groups * cin;
        real *y = (real *)call->bind[3] + s.row * outputs;
        for (size_t o = s.first; o < s.last; o++) {
            real sum = b[o];
            for (size_t c = 0; c < cin; c++)
                sum += x[o / cout * cin + c] * w[o * cin + c];
            y[o] = sum;
        }
    }
}

// x, w, b -> y[r, g cout + o] = b[g cout + o] + sum over c of x[r, g cin + c]
// w[g cout + o, c]
void ZM_CPU(grouped_fwd)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_grouped_fwd *p = call->params;
    const real *w = call->bind[1];
    const size_t cin = p->cin, cout = p->cout, outputs = p->groups * cout;
    const size_t first = (begin + outputs - 1) / outputs, last = end / outputs;
    const bool wide = cin == 4 && cout == 16, narrow = cin == 16 && cout == 4;
    if (first >= last || !(wide || narrow) ||
        outputs * cin * sizeof(real) > ZM_CPU_SCRATCH) {
        group_elements(call, begin, end);
        return;
    }
    real *turned = call->scratch;
    for (size_t i = 0; i < outputs * cin; i++)
        turned[i / GROUP_WEIGHTS * GROUP_WEIGHTS + i % cin * cout + i / cin % cout] =
            w[i];
    group_elements(call, begin, first * outputs);
    group_rows(call, turned, first, last);
    group_elements(call, last * outputs, end);
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

// sum[o, c] over rows of dy[r, o] x[r, c] of one group: ZM_ROW_BLOCK rows in real, the
// blocks in double.
ZM_INLINE void group_weight(const real *dy, size_t stride_dy, const real *x,
                            size_t stride_x, size_t rows, size_t cin, size_t cout,
                            double total[GROUP_WEIGHTS])
{
    real part[GROUP_WEIGHTS] = {0};
    for (size_t r = 0; r < rows; r++, dy += stride_dy, x += stride_x) {
        if (cin < cout) { // lanes run over the longer side: part is (c, o) here
            for (size_t c = 0; c < cin; c++)
                for (size_t o = 0; o < cout; o++)
                    part[c * cout + o] += dy[o] * x[c];
        } else {
            for (size_t o = 0; o < cout; o++)
                for (size_t c = 0; c < cin; c++)
                    part[o * cin + c] += dy[o] * x[c];
        }
        if (r % ZM_ROW_BLOCK == ZM_ROW_BLOCK - 1 || r + 1 == rows)
            zm_flush(total, part, cin * cout);
    }
}

// One weight, in the same order.
static double one_weight(const real *dy, size_t stride_dy, const real *x, size_t stride_x,
                         size_t rows)
{
    double total = 0;
    real part = 0;
    for (size_t r = 0; r < rows; r++) {
        part += dy[r * stride_dy] * x[r * stride_x];
        if (r % ZM_ROW_BLOCK == ZM_ROW_BLOCK - 1 || r + 1 == rows)
            zm_flush(&total, &part, 1);
    }
    return total;
}

// dy, x -> dw[g cout + o, c] = sum over r of dy[r, g cout + o] x[r, g cin + c]
void ZM_CPU(grouped_bwd_weight)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_grouped_bwd_weight *p = call->params;
    const size_t cin = p->cin, cout = p->cout, weights = cin * cout;
    const size_t inputs = p->groups * cin, outputs = p->groups * cout;
    const bool wide = cin == 4 && cout == 16, narrow = cin == 16 && cout == 4;
    const real *all_dy = call->bind[0], *all_x = call->bind[1];
    real *dw = call->bind[2];
    for (size_t i = begin; i < end;) {
        const size_t g = i / weights;
        const real *dy = all_dy + g * cout, *x = all_x + g * cin;
        if (i % weights != 0 || i + weights > end || !(wide || narrow)) {
            const size_t o = i % weights / cin, c = i % cin;
            const double sum = one_weight(dy + o, outputs, x + c, inputs, p->rows);
            dw[i] = (real)(sum + (p->accumulate ? dw[i] : 0));
            i++;
            continue;
        }
        double total[GROUP_WEIGHTS] = {0};
        if (wide)
            group_weight(dy, outputs, x, inputs, p->rows, 4, 16, total);
        else
            group_weight(dy, outputs, x, inputs, p->rows, 16, 4, total);
        for (size_t k = 0; k < weights; k++, i++) {
            const size_t o = k / cin, c = k % cin;
            const double sum = total[wide ? c * cout + o : k];
            dw[i] = (real)(sum + (p->accumulate ? dw[i] : 0));
        }
    }
}
