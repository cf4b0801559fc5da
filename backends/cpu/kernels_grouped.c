// Grouped 1 x 1 layers: each of the groups is a small linear layer of its own. Groups of
// up to GROUP_MOST weights (the models have 4 x 16) keep these at hand for many rows.
#include <stdbool.h>

#include "backends/cpu/cpu_kernels.h"
#include "backends/cpu/reduce.h"
#include "backends/cpu/span.h"

enum {
    GROUP_MOST = 1024,
    ROWS = 64, // rows that one group works on before the next group
};

// A few neighbouring elements, anywhere in memory.
typedef real vec4
    __attribute__((vector_size(4 * sizeof(real)), aligned(sizeof(real)), may_alias));
typedef real vec16
    __attribute__((vector_size(16 * sizeof(real)), aligned(sizeof(real)), may_alias));

// One group: out (cols) = base + in (depth) m (depth, cols), base the bias or 0.
typedef struct group {
    const real *in, *m, *base;
    real *out;
    size_t depth, cols;
    bool accumulate;
} group;

// Columns [first, last) of rows; every output is base, plus in[0] m[0], plus in[1] m[1]
// ...
static void general_rows(group g, size_t rows, size_t in_row, size_t out_row,
                         size_t first, size_t last)
{
    for (size_t r = 0; r < rows; r++) {
        const real *restrict in = g.in + r * in_row;
        real *restrict out = g.out + r * out_row;
        real sum[GROUP_MOST];
        for (size_t j = first; j < last; j++)
            sum[j] = g.base ? g.base[j] : 0;
        for (size_t i = 0; i < g.depth; i++)
            for (size_t j = first; j < last; j++)
                sum[j] += in[i] * g.m[i * g.cols + j];
        for (size_t j = first; j < last; j++)
            out[j] = g.accumulate ? out[j] + sum[j] : sum[j];
    }
}

// The same for the two groups that the models have.
#define WHOLE_ROWS(name, vec, DEPTH)                                                     \
    static void name(group g, size_t rows, size_t in_row, size_t out_row)                \
    {                                                                                    \
        const vec *m = (const vec *)g.m;                                                 \
        const vec base = g.base ? *(const vec *)g.base : (vec){0};                       \
        for (size_t r = 0; r < rows; r++) {                                              \
            const real *in = g.in + r * in_row;                                          \
            vec *out = (vec *)(g.out + r * out_row);                                     \
            vec sum = base;                                                              \
            for (size_t i = 0; i < DEPTH; i++)                                           \
                sum += in[i] * m[i];                                                     \
            if (g.accumulate)                                                            \
                sum = *out + sum;                                                        \
            *out = sum;                                                                  \
        }                                                                                \
    }
WHOLE_ROWS(rows_4_to_16, vec16, 4)
WHOLE_ROWS(rows_16_to_4, vec4, 16)

static void whole_rows(group g, size_t rows, size_t in_row, size_t out_row)
{
    if (g.depth == 4 && g.cols == 16)
        rows_4_to_16(g, rows, in_row, out_row);
    else if (g.depth == 16 && g.cols == 4)
        rows_16_to_4(g, rows, in_row, out_row);
    else
        general_rows(g, rows, in_row, out_row, 0, g.cols);
}

// A grouped layer in either direction: weights (groups, depth, cols), or (groups, cols,
// depth) when turned.
typedef struct layer {
    const real *in, *weights, *bias;
    real *out;
    size_t groups, depth, cols;
    bool turned, accumulate;
} layer;

static group group_of(const layer *l, size_t g, size_t row, real *restrict copy)
{
    const real *w = l->weights + g * l->depth * l->cols;
    if (l->turned) {
        for (size_t j = 0; j < l->cols; j++)
            for (size_t i = 0; i < l->depth; i++)
                copy[i * l->cols + j] = w[j * l->depth + i];
        w = copy;
    }
    return (group){.in = l->in + (row * l->groups + g) * l->depth,
                   .m = w,
                   .base = l->bias ? l->bias + g * l->cols : NULL,
                   .out = l->out + (row * l->groups + g) * l->cols,
                   .depth = l->depth,
                   .cols = l->cols,
                   .accumulate = l->accumulate};
}

static void run_layer(const layer *l, size_t begin, size_t end)
{
    const size_t outputs = l->groups * l->cols;
    real copy[GROUP_MOST];
    for (size_t i = begin; i < end;) {
        const zm_span s = zm_span_at(i, end, outputs);
        const bool whole = s.first == 0 && s.last == outputs;
        const size_t left = (end - i) / outputs, rows = left < ROWS ? left : ROWS;
        for (size_t g = s.first / l->cols; g * l->cols < s.last; g++) {
            const group one = group_of(l, g, s.row, copy);
            const size_t from = g * l->cols, to = from + l->cols;
            if (whole)
                whole_rows(one, rows, l->groups * l->depth, outputs);
            else
                general_rows(one, 1, 0, 0, s.first > from ? s.first - from : 0,
                             (s.last < to ? s.last : to) - from);
        }
        i += whole ? rows * outputs : s.last - s.first;
    }
}

// The same for groups of any size, element by element.
static void run_large_layer(const layer *l, size_t begin, size_t end)
{
    const size_t outputs = l->groups * l->cols;
    for (zm_span s = zm_span_at(begin, end, outputs); s.first < s.last;
         s = zm_span_next(s, end, outputs))
        for (size_t o = s.first; o < s.last; o++) {
            const size_t g = o / l->cols, j = o % l->cols;
            const real *in = l->in + (s.row * l->groups + g) * l->depth;
            const real *w = l->weights + g * l->depth * l->cols;
            real *out = l->out + s.row * outputs + o;
            real sum = l->bias ? l->bias[o] : 0;
            if (l->turned)
                sum += zm_dot(in, w + j * l->depth, l->depth);
            else
                for (size_t i = 0; i < l->depth; i++)
                    sum += in[i] * w[i * l->cols + j];
            *out = l->accumulate ? *out + sum : sum;
        }
}

// x, w, b -> y[r, g cout + o] = b[g cout + o] + sum over c of x[r, g cin + c]
// w[g cout + o, c]
void ZM_CPU(grouped_fwd)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_grouped_fwd *p = call->params;
    const layer l = {.in = call->bind[0],
                     .weights = call->bind[1],
                     .bias = call->bind[2],
                     .out = call->bind[3],
                     .groups = p->groups,
                     .depth = p->cin,
                     .cols = p->cout,
                     .turned = true};
    if ((uint64_t)p->cin * p->cout <= GROUP_MOST)
        run_layer(&l, begin, end);
    else
        run_large_layer(&l, begin, end);
}

// dy, w -> dx[r, g cin + c] = sum over o of dy[r, g cout + o] w[g cout + o, c]
void ZM_CPU(grouped_bwd_input)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_grouped_bwd_input *p = call->params;
    const layer l = {.in = call->bind[0],
                     .weights = call->bind[1],
                     .out = call->bind[2],
                     .groups = p->groups,
                     .depth = p->cout,
                     .cols = p->cin,
                     .accumulate = p->accumulate};
    if ((uint64_t)p->cin * p->cout <= GROUP_MOST)
        run_layer(&l, begin, end);
    else
        run_large_layer(&l, begin, end);
}

// sum (outputs, inputs) += dy x^T, row by row
static void add_outer(const real *dy, const real *x, size_t dy_row, size_t x_row,
                      size_t rows, size_t outputs, size_t inputs, real *restrict sum)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t o = 0; o < outputs; o++)
            for (size_t c = 0; c < inputs; c++)
                sum[o * inputs + c] += dy[r * dy_row + o] * x[r * x_row + c];
}

#define ADD_OUTER(name, vec, OUTPUTS)                                                    \
    static void name(const real *dy, const real *x, size_t dy_row, size_t x_row,         \
                     size_t rows, real *sum)                                             \
    {                                                                                    \
        vec t[OUTPUTS];                                                                  \
        for (size_t o = 0; o < OUTPUTS; o++)                                             \
            t[o] = ((vec *)sum)[o];                                                      \
        for (size_t r = 0; r < rows; r++) {                                              \
            const vec xr = *(const vec *)(x + r * x_row);                                \
            for (size_t o = 0; o < OUTPUTS; o++)                                         \
                t[o] += dy[r * dy_row + o] * xr;                                         \
        }                                                                                \
        for (size_t o = 0; o < OUTPUTS; o++)                                             \
            ((vec *)sum)[o] = t[o];                                                      \
    }
ADD_OUTER(add_outer_16_4, vec4, 16)
ADD_OUTER(add_outer_4_16, vec16, 4)

// Rows of dw that lie together in the part that is computed: count rows from output o on,
// columns [c, c + n).
typedef struct piece {
    size_t o, count, c, n, at;
} piece;

static size_t cut_pieces(size_t begin, size_t end, size_t cin, size_t cout,
                         piece pieces[ZM_COLUMN_BLOCK])
{
    size_t count = 0;
    for (size_t i = begin; i < end;) {
        const zm_span s = zm_span_at(i, end, cin);
        const bool group = s.row % cout == 0 && s.first == 0 && end - i >= cin * cout;
        const piece one = {s.row, group ? cout : 1, s.first, s.last - s.first, i - begin};
        pieces[count++] = one;
        i += one.count * one.n;
    }
    return count;
}

// dy, x -> dw[g cout + o, c] = sum over r of dy[r, g cout + o] x[r, g cin + c]
void ZM_CPU(grouped_bwd_weight)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_grouped_bwd_weight *p = call->params;
    const size_t cin = p->cin, cout = p->cout;
    real *dw = call->bind[2];
    piece pieces[ZM_COLUMN_BLOCK];
    for (size_t w0 = begin; w0 < end; w0 += ZM_COLUMN_BLOCK) {
        const size_t n = end - w0 < ZM_COLUMN_BLOCK ? end - w0 : ZM_COLUMN_BLOCK;
        const size_t count = cut_pieces(w0, w0 + n, cin, cout, pieces);
        double total[ZM_COLUMN_BLOCK] = {0};
        real part[ZM_COLUMN_BLOCK] = {0};
        for (size_t r0 = 0; r0 < p->rows; r0 += ZM_ROW_BLOCK) {
            const size_t last = r0 + ZM_ROW_BLOCK < p->rows ? r0 + ZM_ROW_BLOCK : p->rows;
            for (size_t k = 0; k < count; k++) {
                const piece one = pieces[k];
                const real *dy = (const real *)call->bind[0] + one.o;
                const real *x = (const real *)call->bind[1] + one.o / cout * cin + one.c;
                const size_t dy_row = p->groups * cout, x_row = p->groups * cin;
                real *sum = part + one.at;
                const size_t rows = last - r0;
                dy += r0 * dy_row;
                x += r0 * x_row;
                if (one.count == 16 && one.n == 4)
                    add_outer_16_4(dy, x, dy_row, x_row, rows, sum);
                else if (one.count == 4 && one.n == 16)
                    add_outer_4_16(dy, x, dy_row, x_row, rows, sum);
                else
                    add_outer(dy, x, dy_row, x_row, rows, one.count, one.n, sum);
            }
            zm_flush(total, part, n);
        }
        for (size_t i = 0; i < n; i++)
            dw[w0 + i] = (real)(total[i] + (p->accumulate ? dw[w0 + i] : 0));
    }
}
