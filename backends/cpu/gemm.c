// Blocks of k x strips of rows x panels of columns. The panels of one K block are packed
// and stay in the second-level cache; each strip of rows stays in the first-level cache
// while it passes over them; a micro-kernel keeps one strip x panel of c in registers.
#include "backends/cpu/gemm.h"

#include <string.h>

#include "backends/cpu/vmath.h"
#include "core/base.h"

// The micro-kernel holds up to MR rows x two vectors of c: as many as registers allow.
#if defined(__AVX512F__)
enum { VECTOR_BYTES = 64, MR = 14 };
#define EACH_MR(X)                                                                       \
    X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#elif defined(__aarch64__)
enum { VECTOR_BYTES = 16, MR = 10 };
#define EACH_MR(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10)
#elif defined(__AVX2__)
enum { VECTOR_BYTES = 32, MR = 6 };
#define EACH_MR(X) X(1) X(2) X(3) X(4) X(5) X(6)
#else
enum { VECTOR_BYTES = 16, MR = 6 };
#define EACH_MR(X) X(1) X(2) X(3) X(4) X(5) X(6)
#endif

enum {
    LANES = VECTOR_BYTES / sizeof(real),
    NR = 2 * LANES,      // columns of a panel
    KC = 256,            // longest K block
    MC = 1152,           // most rows for which c is finished before the next
    B_REALS = 64 * 1024, // room for packed panels
};

typedef real vreal __attribute__((vector_size(VECTOR_BYTES), may_alias));
typedef real vreal_any
    __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(real)), may_alias));
typedef real quad __attribute__((vector_size(4 * sizeof(real)), may_alias));
typedef real quad_any
    __attribute__((vector_size(4 * sizeof(real)), aligned(sizeof(real)), may_alias));
#ifdef __clang__
#define SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#elif defined(ZM_CPU_F64)
typedef int64_t quad_index __attribute__((vector_size(32)));
#define SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, (quad_index){i, j, k, l})
#else
typedef int32_t quad_index __attribute__((vector_size(16)));
#define SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, (quad_index){i, j, k, l})
#endif

_Static_assert((B_REALS + MR * KC) * sizeof(real) <= ZM_CPU_SCRATCH, "scratch");
_Static_assert(ZM_GEMM_TILE % NR == 0, "panels begin where tiles begin");

// One strip of rows of a and one panel of b; c = or += their product.
typedef struct strip {
    const real *a;
    size_t a_row; // where a is not packed
    const real *b;
    real *c;
    size_t c_row;
    uint32_t k;
    bool add;
} strip;

#define INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

// rows, vectors and packed are constants where this is inlined: the loops over them
// vanish.
INLINE void multiply(const int rows, const int vectors, const bool packed, const strip *s)
{
    vreal acc[MR][2];
    const real *a = s->a, *b = s->b;
    const size_t a_row = packed ? 1 : s->a_row;
    // clang-format off
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int v = 0; v < vectors; v++)
            acc[i][v] = (vreal){0};
    for (uint32_t p = s->k; p > 0; p--) {
        vreal row[2];
        UNROLL for (int v = 0; v < vectors; v++)
            row[v] = *(const vreal *)(b + v * LANES);
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int v = 0; v < vectors; v++)
                acc[i][v] += a[(size_t)i * a_row] * row[v];
        a += packed ? rows : 1;
        b += vectors * LANES;
    }
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int v = 0; v < vectors; v++) {
            vreal_any *c = (vreal_any *)(s->c + (size_t)i * s->c_row + v * LANES);
            if (s->add)
                acc[i][v] += *c;
            *c = acc[i][v];
        }
    // clang-format on
}

#define MICRO_KERNELS(rows)                                                              \
    static void direct_##rows##_1(const strip *s)                                        \
    {                                                                                    \
        multiply(rows, 1, false, s);                                                     \
    }                                                                                    \
    static void direct_##rows##_2(const strip *s)                                        \
    {                                                                                    \
        multiply(rows, 2, false, s);                                                     \
    }                                                                                    \
    static void packed_##rows##_1(const strip *s)                                        \
    {                                                                                    \
        multiply(rows, 1, true, s);                                                      \
    }                                                                                    \
    static void packed_##rows##_2(const strip *s)                                        \
    {                                                                                    \
        multiply(rows, 2, true, s);                                                      \
    }
EACH_MR(MICRO_KERNELS)

// By [rows - 1][packed][vectors - 1].
static void (*const micro_kernels[MR][2][2])(const strip *) = {
#define MICRO_ENTRY(rows)                                                                \
    {{direct_##rows##_1, direct_##rows##_2}, {packed_##rows##_1, packed_##rows##_2}},
    EACH_MR(MICRO_ENTRY)};

// What one pass over the strips works on: a K block of some rows and columns.
typedef struct block {
    uint32_t row, rows, col, cols;
    uint32_t depth, k; // where the K block begins, and its length
    bool first, last;  // K block of the sum
    real *a, *b;       // room for a packed strip and for packed panels
} block;

// a's columns are contiguous: out (k, rows).
static void pack_strip(const real *in, size_t a_col, uint32_t k, uint32_t rows, real *out)
{
    for (uint32_t p = 0; p < k; p++, in += a_col, out += rows)
        for (uint32_t i = 0; i < rows; i++)
            out[i] = in[i];
}

// Rows of width reals, columns past cols are zero. Here b's rows are contiguous.
static void pack_b_rows(const real *in, size_t b_row, uint32_t k, uint32_t cols,
                        uint32_t width, real *out)
{
    for (uint32_t p = 0; p < k; p++, in += b_row, out += width) {
        if (cols == NR) {
            memcpy(out, in, NR * sizeof(real));
        } else {
            memcpy(out, in, cols * sizeof(real));
            memset(out + cols, 0, (width - cols) * sizeof(real));
        }
    }
}

INLINE void transpose_quad(const real *in, size_t stride, real *out, size_t width)
{
    const quad r0 = *(const quad_any *)in, r1 = *(const quad_any *)(in + stride),
               r2 = *(const quad_any *)(in + 2 * stride),
               r3 = *(const quad_any *)(in + 3 * stride);
    const quad a = SHUFFLE(r0, r1, 0, 4, 1, 5), b = SHUFFLE(r2, r3, 0, 4, 1, 5);
    const quad c = SHUFFLE(r0, r1, 2, 6, 3, 7), d = SHUFFLE(r2, r3, 2, 6, 3, 7);
    *(quad *)out = SHUFFLE(a, b, 0, 1, 4, 5);
    *(quad *)(out + width) = SHUFFLE(a, b, 2, 3, 6, 7);
    *(quad *)(out + 2 * width) = SHUFFLE(c, d, 0, 1, 4, 5);
    *(quad *)(out + 3 * width) = SHUFFLE(c, d, 2, 3, 6, 7);
}

// The same where b's columns are contiguous.
static void pack_b_cols(const real *in, size_t b_col, uint32_t k, uint32_t cols,
                        uint32_t width, real *out)
{
    uint32_t j = 0;
    for (; j + 4 <= cols; j += 4, in += 4 * b_col) {
        uint32_t p = 0;
        for (; p + 4 <= k; p += 4)
            transpose_quad(in + p, b_col, out + (size_t)p * width + j, width);
        for (; p < k; p++)
            for (uint32_t q = 0; q < 4; q++)
                out[(size_t)p * width + j + q] = in[q * b_col + p];
    }
    for (; j < width; j++, in += b_col)
        for (uint32_t p = 0; p < k; p++)
            out[(size_t)p * width + j] = j < cols ? in[p] : 0;
}

// Vectors that a panel of so many columns takes.
static uint32_t panel_vectors(uint32_t cols)
{
    return cols > LANES ? 2 : 1;
}

static void pack_panels(const zm_cpu_gemm *g, const block *blk)
{
    const real *in = g->b + blk->depth * g->b_row + blk->col * g->b_col;
    for (uint32_t j = 0; j < blk->cols; j += NR) {
        const uint32_t cols = ZM_MIN((uint32_t)NR, blk->cols - j);
        const uint32_t width = panel_vectors(cols) * LANES;
        real *out = blk->b + (size_t)j * blk->k;
        if (g->b_col == 1)
            pack_b_rows(in + j, g->b_row, blk->k, cols, width, out);
        else
            pack_b_cols(in + j * g->b_col, g->b_col, blk->k, cols, width, out);
    }
}

INLINE real activate(real x, uint32_t act)
{
    switch (act) {
    case ZM_ACT_RELU:
        return x > 0 ? x : 0;
    case ZM_ACT_GELU:
        return x * (real)0.5 * (1 + zm_erf(x * (real)0.70710678118654752));
    case ZM_ACT_SILU:
        return x / (1 + zm_exp(-x));
    default:
        return x;
    }
}

// Always whole vectors: an output is computed alike in a full and in a partial panel.
INLINE void finish_rows(real *c, size_t c_row, uint32_t rows, const real *bias,
                        uint32_t act)
{
    for (uint32_t i = 0; i < rows; i++, c += c_row)
        for (uint32_t j = 0; j < LANES; j++)
            c[j] = activate(c[j] + bias[j], act);
}

static void finish(real *c, size_t c_row, uint32_t rows, const real *bias, uint32_t act)
{
    switch (act) {
    case ZM_ACT_RELU:
        finish_rows(c, c_row, rows, bias, ZM_ACT_RELU);
        break;
    case ZM_ACT_GELU:
        finish_rows(c, c_row, rows, bias, ZM_ACT_GELU);
        break;
    case ZM_ACT_SILU:
        finish_rows(c, c_row, rows, bias, ZM_ACT_SILU);
        break;
    default:
        finish_rows(c, c_row, rows, bias, ZM_ACT_NONE);
        break;
    }
}

static void copy_rows(real *out, size_t out_row, const real *in, size_t in_row,
                      uint32_t rows, uint32_t cols)
{
    for (uint32_t i = 0; i < rows; i++, out += out_row, in += in_row)
        memcpy(out, in, cols * sizeof(real));
}

// One strip of rows times one panel; s has a, a_row, k and add.
static void run_panel(const zm_cpu_gemm *g, const block *blk, strip s, uint32_t row,
                      uint32_t rows, uint32_t panel)
{
    const uint32_t cols = ZM_MIN((uint32_t)NR, blk->cols - panel);
    const uint32_t vectors = panel_vectors(cols), width = vectors * LANES;
    const uint32_t col = blk->col + panel;
    real *c = g->c + (size_t)row * g->n + col;
    real edge[MR * NR]; // stands in for c where the panel is wider than c
    const bool whole = cols == width;
    s.b = blk->b + (size_t)panel * blk->k;
    s.c = whole ? c : edge;
    s.c_row = whole ? g->n : width;
    if (!whole && s.add) {
        memset(edge, 0, sizeof edge);
        copy_rows(edge, width, c, g->n, rows, cols);
    }
    micro_kernels[rows - 1][g->a_col != 1][vectors - 1](&s);
    if (blk->last && (g->bias || g->act != ZM_ACT_NONE)) {
        real bias[NR] = {0};
        if (g->bias)
            memcpy(bias, g->bias + col, cols * sizeof(real));
        for (uint32_t v = 0; v < vectors; v++)
            finish(s.c + v * LANES, s.c_row, rows, bias + v * LANES, g->act);
    }
    if (!whole)
        copy_rows(c, g->n, edge, width, rows, cols);
}

// Rows are shared out evenly, so that no strip is left with a row or two.
static void run_strips(const zm_cpu_gemm *g, const block *blk)
{
    const uint32_t strips = (blk->rows + MR - 1) / MR;
    uint32_t row = blk->row;
    for (uint32_t i = 0; i < strips; i++) {
        const uint32_t rows = blk->rows / strips + (i < blk->rows % strips);
        const real *a = g->a + row * g->a_row + blk->depth * g->a_col;
        if (g->a_col != 1) {
            pack_strip(a, g->a_col, blk->k, rows, blk->a);
            a = blk->a;
        }
        const strip s = {
            .a = a, .a_row = g->a_row, .k = blk->k, .add = !blk->first || g->accumulate};
        for (uint32_t panel = 0; panel < blk->cols; panel += NR)
            run_panel(g, blk, s, row, rows, panel);
        row += rows;
    }
}

// All of k for some rows and columns: blk has row, rows, col, cols. The K blocks are of
// one length, which depends on k alone.
static void run_sum(const zm_cpu_gemm *g, block blk, uint32_t length)
{
    blk.b = g->scratch;
    blk.a = blk.b + B_REALS;
    blk.first = true;
    for (blk.depth = 0; !blk.last; blk.depth += length) {
        blk.k = ZM_MIN(length, g->k - blk.depth);
        blk.last = g->k - blk.depth <= length;
        pack_panels(g, &blk);
        run_strips(g, &blk);
        blk.first = false;
    }
}

static void run_rectangle(const zm_cpu_gemm *g, uint32_t row, uint32_t rows, uint32_t col,
                          uint32_t cols)
{
    const uint32_t blocks = ZM_MAX(1u, g->k / KC + (g->k % KC != 0));
    const uint32_t length =
        ZM_MAX(4u, (g->k / blocks + (g->k % blocks != 0) + 3) / 4 * 4);
    // a single strip uses each panel once: best while it is still in the first-level
    // cache
    const uint32_t group = rows <= MR ? NR : B_REALS / length / NR * NR;
    for (uint32_t j = 0; j < cols; j += group)
        for (uint32_t i = 0; i < rows; i += MC)
            run_sum(g,
                    (block){.row = row + i,
                            .rows = ZM_MIN((uint32_t)MC, rows - i),
                            .col = col + j,
                            .cols = ZM_MIN(group, cols - j)},
                    length);
}

void ZM_CPU(gemm)(const zm_cpu_gemm *g, uint32_t begin, uint32_t end)
{
    const uint32_t across = (g->n - 1) / ZM_GEMM_TILE + 1;
    while (begin < end) {
        // a rectangle: the rest of a row of tiles, or as many whole rows as fit
        const uint32_t first = begin % across;
        const uint32_t wide = ZM_MIN(across - first, end - begin);
        const uint32_t high = wide == across ? (end - begin) / across : 1;
        const uint32_t top = begin / across * ZM_GEMM_TILE;
        const uint32_t rows = ZM_MIN(high * ZM_GEMM_TILE, g->m - top);
        const uint32_t left = first * ZM_GEMM_TILE;
        const uint32_t cols = ZM_MIN(wide * ZM_GEMM_TILE, g->n - left);
        run_rectangle(g, top, rows, left, cols);
        begin += wide * high;
    }
}
