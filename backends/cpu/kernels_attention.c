// Softmax attention. All products go through one blocked matrix product whose sums run
// over k in one order, so that a result does not depend on the rows computed beside it.
#include <stdbool.h>

#include "backends/cpu/cpu_kernels.h"
#include "backends/cpu/reduce.h"
#include "backends/cpu/span.h"
#include "backends/cpu/vmath.h"

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
typedef real vec __attribute__((vector_size(VECTOR_BYTES)));

enum {
    WIDTH = VECTOR_BYTES / (int)sizeof(real), // elements of a vector
    TILE_ROWS = 4,
    TILE_COLS = 2 * WIDTH,
    PANEL_COLS = 64, // a multiple of every TILE_COLS
    PANEL_DEPTH = 64,
};

// Element (i, j) is data[i * row + j * col].
typedef struct matrix {
    const real *data;
    size_t row, col;
} matrix;

// panel (depth, PANEL_COLS) = b (depth, n), zero beyond n up to a whole tile
static void pack_panel(matrix b, size_t depth, size_t n, real *restrict panel)
{
    const size_t whole = (n + TILE_COLS - 1) / TILE_COLS * TILE_COLS;
    if (b.col == 1) {
        for (size_t k = 0; k < depth; k++)
            for (size_t j = 0; j < n; j++)
                panel[k * PANEL_COLS + j] = b.data[k * b.row + j];
    } else {
        for (size_t j = 0; j < n; j++)
            for (size_t k = 0; k < depth; k++)
                panel[k * PANEL_COLS + j] = b.data[k * b.row + j * b.col];
    }
    for (size_t k = 0; k < depth; k++)
        for (size_t j = n; j < whole; j++)
            panel[k * PANEL_COLS + j] = 0;
}

// out (TILE_ROWS, TILE_COLS) = a (rows, depth) panel; rows beyond the last repeat it
static void multiply_tile(matrix a, size_t rows, size_t depth, const real *panel,
                          vec out[TILE_ROWS][2])
{
    const real *a0 = a.data;
    const real *a1 = a.data + (rows > 1 ? a.row : 0);
    const real *a2 = rows > 2 ? a1 + a.row : a1;
    const real *a3 = rows > 3 ? a2 + a.row : a2;
    vec c00 = {0}, c01 = {0}, c10 = {0}, c11 = {0};
    vec c20 = {0}, c21 = {0}, c30 = {0}, c31 = {0};
    for (size_t k = 0; k < depth; k++) {
        const vec *b = (const vec *)(panel + k * PANEL_COLS);
        const vec b0 = b[0], b1 = b[1];
        const size_t at = k * a.col;
        c00 += a0[at] * b0;
        c01 += a0[at] * b1;
        c10 += a1[at] * b0;
        c11 += a1[at] * b1;
        c20 += a2[at] * b0;
        c21 += a2[at] * b1;
        c30 += a3[at] * b0;
        c31 += a3[at] * b1;
    }
    out[0][0] = c00, out[0][1] = c01, out[1][0] = c10, out[1][1] = c11;
    out[2][0] = c20, out[2][1] = c21, out[3][0] = c30, out[3][1] = c31;
}

// c (m, n) = alpha a (m, depth) b (depth, n), added to c when add; rows of c lie c_row
// apart
static void multiply(matrix a, matrix b, size_t m, size_t n, size_t depth, real alpha,
                     bool add, real *c, size_t c_row)
{
    real panel[PANEL_DEPTH * PANEL_COLS] __attribute__((aligned(64)));
    vec tile[TILE_ROWS][2];
    for (size_t j0 = 0; j0 < n; j0 += PANEL_COLS) {
        const size_t jn = n - j0 < PANEL_COLS ? n - j0 : PANEL_COLS;
        for (size_t k0 = 0; k0 < depth; k0 += PANEL_DEPTH) {
            const size_t kn = depth - k0 < PANEL_DEPTH ? depth - k0 : PANEL_DEPTH;
            const bool sum = add || k0 > 0;
            pack_panel((matrix){b.data + k0 * b.row + j0 * b.col, b.row, b.col}, kn, jn,
                       panel);
            for (size_t i = 0; i < m; i += TILE_ROWS) {
                const size_t in = m - i < TILE_ROWS ? m - i : TILE_ROWS;
                const matrix ai = {a.data + i * a.row + k0 * a.col, a.row, a.col};
                for (size_t j = 0; j < jn; j += TILE_COLS) {
                    const size_t tn = jn - j < TILE_COLS ? jn - j : TILE_COLS;
                    multiply_tile(ai, in, kn, panel + j, tile);
                    for (size_t r = 0; r < in; r++) {
                        const real *restrict t = (const real *)tile[r];
                        real *restrict y = c + (i + r) * c_row + j0 + j;
                        for (size_t l = 0; l < tn; l++)
                            y[l] = sum ? y[l] + alpha * t[l] : alpha * t[l];
                    }
                }
            }
        }
    }
}

// qkv -> p (batch, heads, tokens, tokens) = softmax over j of scale q_i . k_j
void ZM_CPU(attention_scores_fwd)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_attention_scores_fwd *p = call->params;
    const real *qkv = call->bind[0];
    const size_t tokens = p->tokens, heads = p->heads, dim = p->dim;
    const size_t row = 3 * heads * dim;
    for (zm_span s = zm_span_at(begin, end, tokens); s.first < s.last;
         s = zm_span_next(s, end, tokens)) {
        const size_t b = s.row / heads, h = s.row % heads, m = s.last - s.first;
        const real *q = qkv + b * tokens * row + h * dim;
        real *out = (real *)call->bind[1] + (s.row * tokens + s.first) * tokens;
        multiply((matrix){q + s.first * row, row, 1}, (matrix){q + heads * dim, 1, row},
                 m, tokens, dim, (real)p->scale, false, out, tokens);
        for (size_t i = 0; i < m; i++) {
            real *restrict y = out + i * tokens;
            const real largest = zm_max(y, tokens);
            for (size_t j = 0; j < tokens; j++)
                y[j] = zm_exp(y[j] - largest);
            const real share = 1 / zm_sum(y, tokens);
            for (size_t j = 0; j < tokens; j++)
                y[j] *= share;
        }
    }
}

// qkv, p, do -> ds = p (dp - sum over j of dp p), dp_ij = do_i . v_j
void ZM_CPU(attention_scores_bwd)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_attention_scores_bwd *p = call->params;
    const size_t tokens = p->tokens, heads = p->heads, dim = p->dim;
    const size_t width = heads * dim, row = 3 * width;
    for (zm_span s = zm_span_at(begin, end, tokens); s.first < s.last;
         s = zm_span_next(s, end, tokens)) {
        const size_t b = s.row / heads, h = s.row % heads, m = s.last - s.first;
        const size_t at = (s.row * tokens + s.first) * tokens;
        const real *dy = (const real *)call->bind[2] + b * tokens * width + h * dim;
        const real *v =
            (const real *)call->bind[0] + b * tokens * row + 2 * width + h * dim;
        const real *probability = (const real *)call->bind[1] + at;
        real *ds = (real *)call->bind[3] + at;
        multiply((matrix){dy + s.first * width, width, 1}, (matrix){v, 1, row}, m, tokens,
                 dim, 1, false, ds, tokens);
        for (size_t i = 0; i < m; i++) {
            const real *restrict pi = probability + i * tokens;
            real *restrict di = ds + i * tokens;
            const real mean = zm_dot(di, pi, tokens);
            for (size_t j = 0; j < tokens; j++)
                di[j] = pi[j] * (di[j] - mean);
        }
    }
}

// Cuts elements [begin, end) of (batch, rows, cols) into blocks within one batch entry: a
// part of a row, whole rows, a part of a row.
typedef struct block {
    size_t batch, row, rows, first, last; // columns [first, last)
} block;

static block block_at(size_t i, size_t end, size_t rows, size_t cols)
{
    const zm_span s = zm_span_at(i, end, cols);
    block k = {s.row / rows, s.row % rows, 1, s.first, s.last};
    if (s.first == 0 && s.last == cols) {
        const size_t whole = (end - i) / cols, left = rows - k.row;
        k.rows = whole < left ? whole : left;
    }
    return k;
}

static size_t block_size(block k)
{
    return k.rows * (k.last - k.first);
}

// qkv, p -> o (batch, tokens, heads, dim) = sum over j of p_ij v_j
void ZM_CPU(attention_apply_fwd)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_attention_apply_fwd *p = call->params;
    const size_t tokens = p->tokens, heads = p->heads, dim = p->dim;
    const size_t width = heads * dim, row = 3 * width;
    block k;
    for (size_t i = begin; i < end; i += block_size(k)) {
        k = block_at(i, end, tokens, width);
        const real *v = (const real *)call->bind[0] + k.batch * tokens * row + 2 * width;
        real *o = (real *)call->bind[2] + (k.batch * tokens + k.row) * width;
        for (size_t h = k.first / dim; h * dim < k.last; h++) {
            const size_t first = h * dim > k.first ? h * dim : k.first;
            const size_t last = (h + 1) * dim < k.last ? (h + 1) * dim : k.last;
            const real *probability = (const real *)call->bind[1] +
                                      ((k.batch * heads + h) * tokens + k.row) * tokens;
            multiply((matrix){probability, tokens, 1}, (matrix){v + first, row, 1},
                     k.rows, last - first, tokens, 1, false, o + first, width);
        }
    }
}

// qkv, p, ds, do -> dqkv: dq_i = scale sum_j ds_ij k_j, dk_j = scale sum_i ds_ij q_i,
// dv_j = sum_i p_ij do_i
void ZM_CPU(attention_apply_bwd)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_attention_apply_bwd *p = call->params;
    const size_t tokens = p->tokens, heads = p->heads, dim = p->dim;
    const size_t width = heads * dim, row = 3 * width;
    const real scale = (real)p->scale;
    block k;
    for (size_t i = begin; i < end; i += block_size(k)) {
        k = block_at(i, end, tokens, row);
        const real *dy = (const real *)call->bind[3] + k.batch * tokens * width;
        const real *qkv = (const real *)call->bind[0] + k.batch * tokens * row;
        real *dqkv = (real *)call->bind[4] + (k.batch * tokens + k.row) * row;
        for (size_t g = k.first / dim; g * dim < k.last; g++) { // head of q, of k, of v
            const size_t part = g / heads, h = g % heads;
            const size_t first = g * dim > k.first ? g * dim : k.first;
            const size_t last = (g + 1) * dim < k.last ? (g + 1) * dim : k.last;
            const size_t within = first - part * width; // column of q, k, v or do
            const size_t square = (k.batch * heads + h) * tokens * tokens;
            const real *probability = (const real *)call->bind[1] + square;
            const real *ds = (const real *)call->bind[2] + square;
            const matrix a = part == 0   ? (matrix){ds + k.row * tokens, tokens, 1}
                             : part == 1 ? (matrix){ds + k.row, 1, tokens}
                                         : (matrix){probability + k.row, 1, tokens};
            const matrix b = part == 0   ? (matrix){qkv + width + within, row, 1}
                             : part == 1 ? (matrix){qkv + within, row, 1}
                                         : (matrix){dy + within, width, 1};
            multiply(a, b, k.rows, last - first, tokens, part == 2 ? 1 : scale,
                     p->accumulate != 0, dqkv + first, row);
        }
    }
}
