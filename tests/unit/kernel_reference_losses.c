// The losses once more, as short as possible, in double.
#include "tests/unit/kernel_reference.h"

// Of a row of logits: largest, sum of exp(logit - largest), and the bound of the sum's
// error (of exp, and of the difference that it is taken of).
typedef struct softmax_sum {
    double largest, sum, slack;
} softmax_sum;

static double power_slack(double x) // relative, of exp(x), x a difference
{
    return 4 + 3 * fabs(x);
}

static softmax_sum softmax_of(const double *x, size_t bins)
{
    softmax_sum s = {.largest = x[0]};
    tally t = {0};
    for (size_t c = 0; c < bins; c++)
        s.largest = fmax(s.largest, x[c]);
    for (size_t c = 0; c < bins; c++) {
        const double d = x[c] - s.largest;
        tally_add(&t, exp(d));
        s.slack += exp(d) * power_slack(d);
    }
    s.sum = t.sum;
    s.slack += tally_slack(t);
    return s;
}

static void reference_cross_entropy(kernel_case *k)
{
    if (k->kernel == ZM_KERNEL_cross_entropy_fwd) {
        PARAMS(cross_entropy_fwd, k);
        for (size_t r = 0; r < p->rows; r++) {
            const softmax_sum s = softmax_of(X(0) + r * p->bins, p->bins);
            const double above = s.largest - X(0)[r * p->bins + W(1)[r]];
            const double loss = log(s.sum) + above;
            // a logarithm is within 3 ulp, from 1 to 2 within 2^-21 = 8 u
            const double slack = s.slack / s.sum + 8 + 8 * log(s.sum) + 4 * above;
            put(k, 3, r, X(2)[r] * loss, X(2)[r] * (slack + loss));
            put(k, 4, 2 * r, s.largest, 0);
            put(k, 4, 2 * r + 1, s.sum, s.slack);
        }
        return;
    }
    PARAMS(cross_entropy_bwd, k);
    for (size_t i = 0; i < (size_t)p->rows * p->bins; i++) {
        const size_t r = i / p->bins;
        const double d = X(0)[i] - X(3)[2 * r], share = exp(d) / X(3)[2 * r + 1];
        const double slope = (double)p->scale * X(2)[r];
        const double hit = i % p->bins == W(1)[r] ? 1 : 0;
        put_sum(k, 4, i, p->accumulate, slope * (share - hit),
                slope * (share * (power_slack(d) + 4) + 4 * fabs(share - hit)));
    }
}

static void reference_gauss(kernel_case *k)
{
    if (k->kernel == ZM_KERNEL_gauss_nll_fwd) {
        PARAMS(gauss_nll_fwd, k);
        for (size_t r = 0; r < p->rows; r++) {
            const double d = X(0)[2 * r] - X(1)[r], s = X(0)[2 * r + 1];
            const double square = d * d * exp(-s);
            put(k, 3, r, X(2)[r] * (square + s) / 2,
                X(2)[r] * (square * (power_slack(s) + 8) + 4 * fabs(s)));
        }
        return;
    }
    PARAMS(gauss_nll_bwd, k);
    for (size_t r = 0; r < p->rows; r++) {
        const double d = X(0)[2 * r] - X(1)[r], s = X(0)[2 * r + 1];
        const double slope = (double)p->scale * X(2)[r], inverse = exp(-s);
        const double steep = power_slack(s) + 8;
        put_sum(k, 3, 2 * r, p->accumulate, slope * d * inverse,
                fabs(slope * d) * inverse * steep);
        put_sum(k, 3, 2 * r + 1, p->accumulate, slope * (1 - d * d * inverse) / 2,
                slope * (d * d * inverse * steep + 4));
    }
}

void reference_losses(kernel_case *k)
{
    switch (k->kernel) {
    case ZM_KERNEL_sqerr_fwd: {
        PARAMS(sqerr_fwd, k);
        for (size_t r = 0; r < p->rows; r++) {
            tally t = {0};
            for (size_t i = r * p->cols; i < (r + 1) * p->cols; i++)
                tally_add(&t, (X(0)[i] - X(1)[i]) * (X(0)[i] - X(1)[i]));
            const double share = X(2)[r] / p->cols;
            put(k, 3, r, share * t.sum, share * (tally_slack(t) + 6 * t.size));
        }
        break;
    }
    case ZM_KERNEL_sqerr_bwd: {
        PARAMS(sqerr_bwd, k);
        for (size_t i = 0; i < (size_t)p->rows * p->cols; i++) {
            const double slope =
                (double)p->scale * X(2)[i / p->cols] * 2 / (double)p->cols;
            put_sum(k, 3, i, p->accumulate, slope * (X(0)[i] - X(1)[i]),
                    8 * slope * fabs(X(0)[i] - X(1)[i]));
        }
        break;
    }
    case ZM_KERNEL_cross_entropy_fwd:
    case ZM_KERNEL_cross_entropy_bwd:
        reference_cross_entropy(k);
        break;
    default:
        reference_gauss(k);
    }
}
