// Cases of sums and losses.
#include "tests/unit/kernel_builder.h"

void kernel_build_sums(builder *b, const uint32_t *d, uint32_t v)
{
    switch (b->k->kernel) {
    case ZM_KERNEL_colsum: { // rows, cols; the rows lie further apart than cols
        const uint32_t skip = v < 2 ? 0 : d[1] / 3;
        PARAMS(colsum, d[0], d[1], d[1] + 3, 5, v % 2, skip, 2 * skip);
        set_extent(b, d[1]);
        data(b, 5 + (size_t)d[0] * (d[1] + 3));
        data(b, d[1]);
        break;
    }
    case ZM_KERNEL_sum:
        PARAMS(sum, d[0], 0.25f, v % 2);
        set_extent(b, 1);
        data(b, d[0]);
        data(b, 1);
        break;
    default: // sumsq
        PARAMS(sumsq, d[0], d[1]);
        set_extent(b, (d[0] + d[1] - 1) / d[1]);
        data(b, d[0]);
        written(b, b->k->extent);
    }
}

// What cross_entropy_fwd leaves for logits that were drawn as the first binding: largest
// and sum of exp(logit - largest) of each row.
static void softmax_stats(builder *b, size_t rows, size_t bins)
{
    const double *logits = b->k->array[0].value;
    kernel_array *a = add_array(b, false, 2 * rows);
    for (size_t r = 0; r < rows; r++) {
        double largest = logits[r * bins], sum = 0;
        for (size_t c = 0; c < bins; c++)
            largest = fmax(largest, logits[r * bins + c]);
        for (size_t c = 0; c < bins; c++)
            sum += exp(logits[r * bins + c] - largest);
        a->value[2 * r] = largest;
        a->value[2 * r + 1] = (double)(float)sum;
    }
}

// Means of the magnitude of the test, log variances in [-9, 9).
static void normal_laws(builder *b, size_t rows)
{
    kernel_array *a = add_array(b, false, 2 * rows);
    for (size_t r = 0; r < rows; r++) {
        a->value[2 * r] = (double)(float)(b->magnitude * zm_rng_normal(&b->rng));
        a->value[2 * r + 1] = (double)(18 * zm_rng_float(&b->rng) - 9);
    }
}

// Losses are of rows: weights in [0, 2).
void kernel_build_losses(builder *b, const uint32_t *d, uint32_t v)
{
    const size_t n = (size_t)d[0] * d[1];
    switch (b->k->kernel) {
    case ZM_KERNEL_sqerr_fwd: // rows, cols
        PARAMS(sqerr_fwd, d[0], d[1]);
        set_extent(b, d[0]);
        data(b, n);
        data(b, n);
        uniform(b, d[0], 0, 2);
        written(b, d[0]);
        break;
    case ZM_KERNEL_sqerr_bwd:
        PARAMS(sqerr_bwd, d[0], d[1], 0.125f, v % 2);
        set_extent(b, n);
        data(b, n);
        data(b, n);
        uniform(b, d[0], 0, 2);
        data(b, n);
        break;
    case ZM_KERNEL_cross_entropy_fwd: // rows, bins
        PARAMS(cross_entropy_fwd, d[0], d[1]);
        set_extent(b, d[0]);
        data(b, n);
        below(b, d[0], d[1]);
        uniform(b, d[0], 0, 2);
        written(b, d[0]);
        written(b, 2 * (size_t)d[0]);
        break;
    case ZM_KERNEL_cross_entropy_bwd:
        PARAMS(cross_entropy_bwd, d[0], d[1], 0.125f, v % 2);
        set_extent(b, n);
        data(b, n);
        below(b, d[0], d[1]);
        uniform(b, d[0], 0, 2);
        softmax_stats(b, d[0], d[1]);
        data(b, n);
        break;
    case ZM_KERNEL_gauss_nll_fwd: // rows
        PARAMS(gauss_nll_fwd, d[0]);
        set_extent(b, d[0]);
        normal_laws(b, d[0]);
        data(b, d[0]);
        uniform(b, d[0], 0, 2);
        written(b, d[0]);
        break;
    default:
        PARAMS(gauss_nll_bwd, d[0], 0.125f, v % 2);
        set_extent(b, d[0]);
        normal_laws(b, d[0]);
        data(b, d[0]);
        uniform(b, d[0], 0, 2);
        data(b, 2 * (size_t)d[0]);
    }
}
