// Blocks of k x strips of rows x panels of columns: a panel of b (one K block deep) stays
// in the first-level cache while every strip of rows passes over it, and a micro-kernel
// keeps one strip x panel of c in registers.
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
    NR = 2 * LANES, // columns of a panel
    KC = 256,       // longest K block: a panel of 32 floats takes 32 KiB
    MC = 448,       // most rows of a block
};

typedef real vreal __attribute__((vector_size(VECTOR_BYTES), may_alias));
typedef real vreal_any
    __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(real)), may_alias));
typedef real quad __attribute__((vector_size(4 * sizeof(real)), may_alias));
typedef real quad_any
    __attribute__((vector_size(4 * sizeof(real)), aligned(sizeof(real)), may_alias));
#ifdef ZM_CPU_F64
typedef int64_t quad_index __attribute__((vector_size(32)));
#else
typedef int32_t quad_index __attribute__((vector_size(16)));
#endif

_Static_assert((MC + NR) * KC * sizeof(real) <= ZM_CPU_SCRATCH, "scratch");
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
#define UNROLL _Pragma("GCC unroll 16")

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

// What of the product one pass of the loops works on: columns [col, col + cols) of a K
// block, all strips of the rows [row, row + rows).
typedef struct block {
    uint32_t row, rows;
    uint32_t depth, k; // first of the K block, and its length
    bool first, last;  // K block of the sum
    bool packed;
    real *a, *b; // packed operands
} block;

// Rows are shared out evenly, so that no strip is left with a row or two.
static uint32_t strip_count(uint32_t rows)
{
    return (rows + MR - 1) / MR;
}

static uint32_t strip_begin(uint32_t rows, uint32_t strips, uint32_t s)
{
    return rows / strips * s + ZM_MIN(s, rows % strips);
}

// Strips follow one another, each (k, rows of the strip).
static void pack_a(const zm_cpu_gemm *g, const block *blk)
{
    const uint32_t strips = strip_count(blk->rows);
    real *out = blk->a;
    for (uint32_t s = 0; s < strips; s++) {
        const uint32_t begin = strip_begin(blk->rows, strips, s);
        const uint32_t rows = strip_begin(blk->rows, strips, s + 1) - begin;
        const real *in = g->a + (blk->row + begin) * g->a_row + blk->depth * g->a_col;
        for (uint32_t p = 0; p < blk->k; p++, out += rows)
            for (uint32_t i = 0; i < rows; i++)
                out[i] = in[i * g->a_row + p * g->a_col];
    }
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
    const quad_index low = {0, 4, 1, 5}, high = {2, 6, 3, 7};
    const quad_index front = {0, 1, 4, 5}, back = {2, 3, 6, 7};
    const quad a = __builtin_shuffle(r0, r1, low), b = __builtin_shuffle(r2, r3, low);
    const quad c = __builtin_shuffle(r0, r1, high), d = __builtin_shuffle(r2, r3, high);
    *(quad *)out = __builtin_shuffle(a, b, front);
    *(quad *)(out + width) = __builtin_shuffle(a, b, back);
    *(quad *)(out + 2 * width) = __builtin_shuffle(c, d, front);
    *(quad *)(out + 3 * width) = __builtin_shuffle(c, d, back);
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

static void pack_b(const zm_cpu_gemm *g, const block *blk, uint32_t col, uint32_t cols,
                   uint32_t width)
{
    const real *in = g->b + blk->depth * g->b_row + col * g->b_col;
    if (g->b_col == 1)
        pack_b_rows(in, g->b_row, blk->k, cols, width, blk->b);
    else
        pack_b_cols(in, g->b_col, blk->k, cols, width, blk->b);
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

// One panel of columns, all strips of rows of the block.
static void run_panel(const zm_cpu_gemm *g, const block *blk, uint32_t col, uint32_t cols)
{
    const uint32_t vectors = cols > LANES ? 2 : 1, width = vectors * LANES;
    const bool whole = cols == width;
    const bool finishing = blk->last && (g->bias || g->act != ZM_ACT_NONE);
    real bias[NR] = {0};
    real edge[MR * NR]; // stands in for c where the panel is wider than c
    pack_b(g, blk, col, cols, width);
    if (g->bias)
        memcpy(bias, g->bias + col, cols * sizeof(real));
    const uint32_t strips = strip_count(blk->rows);
    for (uint32_t s = 0; s < strips; s++) {
        const uint32_t begin = strip_begin(blk->rows, strips, s);
        const uint32_t rows = strip_begin(blk->rows, strips, s + 1) - begin;
        const size_t row = blk->row + begin;
        real *c = g->c + row * g->n + col;
        const strip work = {.a = blk->packed ? blk->a + (size_t)begin * blk->k
                                             : g->a + row * g->a_row + blk->depth,
                            .a_row = g->a_row,
                            .b = blk->b,
                            .c = whole ? c : edge,
                            .c_row = whole ? g->n : width,
                            .k = blk->k,
                            .add = !blk->first || g->accumulate};
        if (!whole && work.add) {
            memset(edge, 0, sizeof edge);
            copy_rows(edge, width, c, g->n, rows, cols);
        }
        micro_kernels[rows - 1][blk->packed][vectors - 1](&work);
        for (uint32_t v = 0; finishing && v < vectors; v++)
            finish(work.c + v * LANES, work.c_row, rows, bias + v * LANES, g->act);
        if (!whole)
            copy_rows(c, g->n, edge, width, rows, cols);
    }
}

static void run_rectangle(const zm_cpu_gemm *g, uint32_t row, uint32_t rows, uint32_t col,
                          uint32_t cols)
{
    const uint32_t blocks = ZM_MAX(1u, g->k / KC + (g->k % KC != 0));
    const uint32_t length = (g->k / blocks + (g->k % blocks != 0) + 3) / 4 * 4;
    block blk = {.row = row, .rows = rows, .packed = g->a_col != 1};
    blk.b = g->scratch;
    blk.a = blk.b + NR * KC;
    for (blk.depth = 0, blk.first = true; !blk.last; blk.depth += length) {
        blk.k = ZM_MIN(length, g->k - blk.depth);
        blk.last = g->k - blk.depth <= length;
        if (blk.packed)
            pack_a(g, &blk);
        for (uint32_t j = 0; j < cols; j += NR)
            run_panel(g, &blk, col + j, ZM_MIN((uint32_t)NR, cols - j));
        blk.first = false;
    }
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
        for (uint32_t r = 0; r < rows; r += MC)
            run_rectangle(g, top + r, ZM_MIN((uint32_t)MC, rows - r), left, cols);
        begin += wide * high;
    }
}
