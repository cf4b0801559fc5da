// The kernels once more, as short as possible, in double: sums, norms, elements.
#include "tests/unit/kernel_reference.h"

#include <string.h>

static void reference_linear_sums(kernel_case *k)
{
    switch (k->kernel) {
    case ZM_KERNEL_colsum: {
        PARAMS(colsum, k);
        for (size_t c = 0; c < p->cols; c++) {
            tally t = {0};
            for (size_t r = 0; r < p->rows; r++)
                tally_add(&t, X(0)[p->offset + r * p->stride + c]);
            if (c < p->skip_begin || c >= p->skip_end)
                put_sum(k, 1, c, p->accumulate, t.sum, tally_slack(t));
        }
        break;
    }
    case ZM_KERNEL_grouped_fwd: {
        PARAMS(grouped_fwd, k);
        for (size_t r = 0; r < p->rows; r++)
            for (size_t o = 0; o < p->groups * p->cout; o++) {
                tally t = {0};
                const double *x = X(0) + (r * p->groups + o / p->cout) * p->cin;
                for (size_t c = 0; c < p->cin; c++)
                    tally_add(&t, x[c] * X(1)[o * p->cin + c]);
                tally_add(&t, X(2)[o]);
                put(k, 3, r * p->groups * p->cout + o, t.sum, tally_slack(t));
            }
        break;
    }
    case ZM_KERNEL_grouped_bwd_input: {
        PARAMS(grouped_bwd_input, k);
        for (size_t r = 0; r < p->rows; r++)
            for (size_t g = 0; g < p->groups; g++)
                for (size_t c = 0; c < p->cin; c++) {
                    tally t = {0};
                    for (size_t o = 0; o < p->cout; o++)
                        tally_add(&t, X(0)[(r * p->groups + g) * p->cout + o] *
                                          X(1)[(g * p->cout + o) * p->cin + c]);
                    put_sum(k, 2, (r * p->groups + g) * p->cin + c, p->accumulate, t.sum,
                            tally_slack(t));
                }
        break;
    }
    case ZM_KERNEL_grouped_bwd_weight: {
        PARAMS(grouped_bwd_weight, k);
        for (size_t o = 0; o < p->groups * p->cout; o++)
            for (size_t c = 0; c < p->cin; c++) {
                tally t = {0};
                for (size_t r = 0; r < p->rows; r++)
                    tally_add(&t, X(0)[r * p->groups * p->cout + o] *
                                      X(1)[(r * p->groups + o / p->cout) * p->cin + c]);
                put_sum(k, 2, o * p->cin + c, p->accumulate, t.sum, tally_slack(t));
            }
        break;
    }
    case ZM_KERNEL_sum: {
        PARAMS(sum, k);
        tally t = {0};
        for (size_t i = 0; i < p->n; i++)
            tally_add(&t, (double)p->scale * X(0)[i]);
        put_sum(k, 1, 0, p->accumulate, t.sum, tally_slack(t));
        break;
    }
    default: {
        PARAMS(sumsq, k);
        for (size_t r = 0; r < k->extent; r++) {
            tally t = {0};
            for (size_t i = r * p->chunk; i < (r + 1) * p->chunk && i < p->n; i++)
                tally_add(&t, X(0)[i] * X(0)[i]);
            put(k, 1, r, t.sum, tally_slack(t));
        }
    }
    }
}

// Mean and variance (divided by n - less) of n numbers stride apart, largest |x|, and the
// error of mean and of variance: each x - mean is off by the mean's error and its own
// rounding.
typedef struct moments {
    double mean, var, largest, mean_slack, var_slack;
} moments;

static moments moments_of(const double *x, size_t n, size_t stride, size_t less)
{
    moments m = {0};
    tally t = {0}, v = {0};
    for (size_t i = 0; i < n; i++) {
        tally_add(&t, x[i * stride]);
        m.largest = fmax(m.largest, fabs(x[i * stride]));
    }
    m.mean = t.sum / (double)n;
    m.mean_slack = tally_slack(t) / (double)n;
    double offset = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = x[i * stride] - m.mean;
        tally_add(&v, d * d);
        offset += 2 * fabs(d) * (m.mean_slack + 2 * m.largest);
    }
    const double divisor = n > less ? (double)(n - less) : 1;
    m.var = v.sum / divisor;
    // the square of the mean's error counts where the variance is 0: n e^2, e = slack u
    m.var_slack =
        (tally_slack(v) + offset + (double)n * m.mean_slack * m.mean_slack * 0x1p-22) /
        divisor;
    return m;
}

// Bound for (x - mean) * rstd * gamma + beta
static double normal_slack(moments m, double xhat, double rstd, double gamma, double beta)
{
    const double rstd_relative = 8 + m.var_slack * rstd * rstd;
    return fabs(gamma) *
               (rstd * (m.mean_slack + 2 * m.largest) + fabs(xhat) * rstd_relative +
                rstd * m.mean_slack * rstd_relative * 0x1p-23) +
           2 * fabs(beta);
}

static void reference_layernorm(kernel_case *k)
{
    switch (k->kernel) {
    case ZM_KERNEL_layernorm_fwd: {
        PARAMS(layernorm_fwd, k);
        for (size_t r = 0; r < p->rows; r++) {
            const moments m = moments_of(X(0) + r * p->cols, p->cols, 1, 0);
            const double rstd = 1 / sqrt(m.var + (double)p->eps);
            for (size_t c = 0; c < p->cols; c++) {
                const double xhat = (X(0)[r * p->cols + c] - m.mean) * rstd;
                put(k, 3, r * p->cols + c, xhat * X(1)[c] + X(2)[c],
                    normal_slack(m, xhat, rstd, X(1)[c], X(2)[c]));
            }
            put(k, 4, 2 * r, m.mean, m.mean_slack);
            put(k, 4, 2 * r + 1, rstd, rstd * (8 + m.var_slack * rstd * rstd));
        }
        break;
    }
    case ZM_KERNEL_patch_norm: {
        PARAMS(patch_norm, k);
        for (size_t r = 0; r < p->rows; r++) {
            const moments m = moments_of(X(0) + r * p->cols, p->cols, 1, 1);
            const double rstd = 1 / sqrt(m.var + (double)p->eps);
            for (size_t c = 0; c < p->cols; c++) {
                const double xhat = (X(0)[r * p->cols + c] - m.mean) * rstd;
                put(k, 1, r * p->cols + c, xhat, normal_slack(m, xhat, rstd, 1, 0));
            }
        }
        break;
    }
    case ZM_KERNEL_layernorm_bwd_input: {
        PARAMS(layernorm_bwd_input, k);
        for (size_t r = 0; r < p->rows; r++) {
            const double mean = X(3)[2 * r], rstd = X(3)[2 * r + 1];
            const double *dy = X(0) + r * p->cols, *x = X(1) + r * p->cols;
            tally g = {0}, gx = {0};
            double widest = 0;
            for (size_t c = 0; c < p->cols; c++) {
                tally_add(&g, dy[c] * X(2)[c]);
                tally_add(&gx, dy[c] * X(2)[c] * (x[c] - mean) * rstd);
                widest = fmax(widest, (fabs(x[c]) + fabs(mean)) * rstd * fabs(dy[c]) *
                                          fabs(X(2)[c]));
            }
            const double n = (double)p->cols;
            for (size_t c = 0; c < p->cols; c++) {
                const double xhat = (x[c] - mean) * rstd, d = dy[c] * X(2)[c];
                const double gx_slack = tally_slack(gx) / n + 2 * widest;
                put_sum(k, 4, r * p->cols + c, p->accumulate,
                        rstd * (d - g.sum / n - xhat * gx.sum / n),
                        rstd * (6 * fabs(d) + 2 * tally_slack(g) / n +
                                fabs(xhat) * gx_slack +
                                8 * (fabs(x[c]) + fabs(mean)) * rstd * gx.size / n));
            }
        }
        break;
    }
    default: {
        PARAMS(layernorm_bwd_weight, k);
        for (size_t c = 0; c < p->cols; c++) {
            tally g = {0}, b = {0};
            double wide = 0;
            for (size_t r = 0; r < p->rows; r++) {
                const double dy = X(0)[r * p->cols + c], x = X(1)[r * p->cols + c];
                const double mean = X(2)[2 * r], rstd = X(2)[2 * r + 1];
                tally_add(&g, dy * (x - mean) * rstd);
                tally_add(&b, dy);
                wide += fabs(dy) * (fabs(x) + fabs(mean)) * rstd;
            }
            put_sum(k, 3, c, p->accumulate, g.sum, tally_slack(g) + 2 * wide);
            put_sum(k, 4, c, p->accumulate, b.sum, tally_slack(b));
        }
    }
    }
}

static void reference_batchnorm(kernel_case *k)
{
    switch (k->kernel) {
    case ZM_KERNEL_batchnorm_stats: {
        PARAMS(batchnorm_stats, k);
        const double keep = 1 - (double)p->momentum, take = (double)p->momentum;
        for (size_t c = 0; c < p->cols; c++) {
            const moments m = moments_of(X(0) + c, p->rows, p->cols, 0);
            const double n = p->rows, unbiased = p->rows > 1 ? n / (n - 1) : 1;
            const double old_mean = X(3)[c], old_var = X(4)[c];
            put(k, 1, c, m.mean, m.mean_slack);
            put(k, 2, c, m.var, m.var_slack);
            put(k, 3, c, keep * old_mean + take * m.mean,
                4 * fabs(old_mean) + m.mean_slack + 4 * fabs(m.mean));
            put(k, 4, c, keep * old_var + take * m.var * unbiased,
                4 * fabs(old_var) + 2 * m.var_slack + 8 * m.var);
        }
        break;
    }
    case ZM_KERNEL_batchnorm_fwd: {
        PARAMS(batchnorm_fwd, k);
        for (size_t i = 0; i < (size_t)p->rows * p->cols; i++) {
            const size_t c = i % p->cols;
            const double scale = X(3)[c] / sqrt(X(2)[c] + (double)p->eps);
            const double y = (X(0)[i] - X(1)[c]) * scale + X(4)[c];
            put(k, 5, i, p->act == ZM_ACT_RELU ? fmax(y, 0) : y,
                12 * (fabs(X(0)[i]) + fabs(X(1)[c])) * fabs(scale) + 2 * fabs(X(4)[c]));
        }
        break;
    }
    case ZM_KERNEL_batchnorm_bwd_stats: {
        PARAMS(batchnorm_bwd_stats, k);
        for (size_t c = 0; c < p->cols; c++) {
            const double rstd = 1 / sqrt(X(3)[c] + (double)p->eps);
            tally g = {0}, b = {0};
            double wide = 0;
            for (size_t i = c; i < (size_t)p->rows * p->cols; i += p->cols) {
                tally_add(&g, X(0)[i] * (X(1)[i] - X(2)[c]) * rstd);
                tally_add(&b, X(0)[i]);
                wide += fabs(X(0)[i]) * (fabs(X(1)[i]) + fabs(X(2)[c])) * rstd;
            }
            put(k, 4, c, b.sum, tally_slack(b));
            put(k, 4, p->cols + c, g.sum, tally_slack(g) + 12 * wide);
            put_sum(k, 5, c, p->accumulate, g.sum, tally_slack(g) + 12 * wide);
            put_sum(k, 6, c, p->accumulate, b.sum, tally_slack(b));
        }
        break;
    }
    default: {
        PARAMS(batchnorm_bwd_input, k);
        for (size_t i = 0; i < (size_t)p->rows * p->cols; i++) {
            const size_t c = i % p->cols;
            const double rstd = 1 / sqrt(X(3)[c] + (double)p->eps), n = p->rows;
            const double xhat = (X(1)[i] - X(2)[c]) * rstd;
            const double wide = (fabs(X(1)[i]) + fabs(X(2)[c])) * rstd;
            const double a = p->training ? X(5)[c] / n : 0;
            const double b = p->training ? X(5)[p->cols + c] / n : 0;
            put_sum(k, 6, i, p->accumulate, X(4)[c] * rstd * (X(0)[i] - a - xhat * b),
                    fabs(X(4)[c]) * rstd *
                        (16 * (fabs(X(0)[i]) + fabs(a)) + 24 * wide * fabs(b)));
        }
    }
    }
}

static double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

static void reference_elements(kernel_case *k)
{
    switch (k->kernel) {
    case ZM_KERNEL_act_fwd: {
        PARAMS(act_fwd, k);
        for (size_t i = 0; i < p->n; i++) {
            const double x = X(0)[i];
            if (p->kind == ZM_ACT_RELU)
                put(k, 1, i, fmax(x, 0), 0);
            else if (p->kind == ZM_ACT_GELU) // erf to 1.3e-7 = 2.2 u, exp inside it
                put(k, 1, i, x * erfc(-x / sqrt(2)) / 2, 8 * fabs(x));
            else if (p->kind == ZM_ACT_SILU)
                put(k, 1, i, x * logistic(x),
                    fabs(x) * (logistic(x) * (16 + 2 * fabs(x)) + 1e-30));
            else
                put(k, 1, i, x, 0);
        }
        break;
    }
    case ZM_KERNEL_act_bwd: {
        PARAMS(act_bwd, k);
        for (size_t i = 0; i < p->n; i++) {
            const double x = X(0)[i], dy = X(1)[i], s = logistic(x);
            double slope = 1, slack = 0;
            if (p->kind == ZM_ACT_RELU) {
                slope = x > 0;
            } else if (p->kind == ZM_ACT_GELU) {
                const double pdf = exp(-x * x / 2) / sqrt(2 * 3.14159265358979323846);
                slope = erfc(-x / sqrt(2)) / 2 + x * pdf;
                slack = 12 + fabs(x) * pdf * (12 + 4 * x * x);
            } else if (p->kind == ZM_ACT_SILU) {
                slope = s * (1 + x * (1 - s));
                slack = (s + s * fabs(x) * (1 - s)) * (24 + 4 * fabs(x)) +
                        4 * s * fabs(x) + 1e-30;
            }
            put_sum(k, 2, i, p->accumulate, dy * slope, fabs(dy) * slack);
        }
        break;
    }
    case ZM_KERNEL_fill: {
        PARAMS(fill, k);
        for (size_t i = 0; i < p->n; i++)
            put(k, 0, i, (double)p->value, 0);
        break;
    }
    case ZM_KERNEL_add: {
        PARAMS(add, k);
        for (size_t i = 0; i < p->n; i++)
            put(k, 2, i, X(0)[i] + X(1)[i], 0);
        break;
    }
    case ZM_KERNEL_copy: {
        PARAMS(copy, k);
        for (size_t i = 0; i < p->n0; i++)
            for (size_t j = 0; j < p->n1; j++)
                for (size_t l = 0; l < p->n2; l++)
                    put_sum(k, 1, p->yo + i * p->ys0 + j * p->ys1 + l * p->ys2,
                            p->accumulate,
                            X(0)[p->xo + i * p->xs0 + j * p->xs1 + l * p->xs2], 0);
        break;
    }
    default: {
        PARAMS(adamw, k);
        const double *h = X(5);
        const double clip = h[7] > 0 ? fmin(1, h[7] / (sqrt(X(6)[0]) + 1e-6)) : 1;
        for (size_t i = 0; i < p->n; i++) {
            const double lr = h[0] * X(4)[i / 128 * 2], decay = X(4)[i / 128 * 2 + 1];
            if (lr != 0) {
                const double g = X(1)[i] * clip, m0 = X(2)[i], v0 = X(3)[i], w = X(0)[i];
                const double m = h[1] * m0 + (1 - h[1]) * g;
                const double v = h[2] * v0 + (1 - h[2]) * g * g;
                const double step = lr / h[5] / (sqrt(v / h[6]) + h[3]);
                const double m_slack = 12 * (fabs(m0) + fabs(g));
                put(k, 2, i, m, m_slack);
                put(k, 3, i, v, 24 * v);
                put(k, 0, i, w * (1 - lr * h[4] * decay) - step * m,
                    4 * fabs(w) + step * (m_slack + 40 * fabs(m)));
            }
            put(k, 1, i, 0, 0);
        }
    }
    }
}

void kernel_reference(kernel_case *k)
{
    const char *name = zm_kernel_get(k->kernel)->name;
    if (strstr(name, "layernorm") || strstr(name, "patch_norm"))
        reference_layernorm(k);
    else if (strstr(name, "batchnorm"))
        reference_batchnorm(k);
    else if (strstr(name, "attention"))
        reference_attention(k);
    else if (strstr(name, "tokens"))
        reference_tokens(k);
    else if (strstr(name, "im2col") || strstr(name, "pool"))
        reference_maps(k);
    else if (strstr(name, "patchify"))
        reference_patchify(k);
    else if (strstr(name, "mask"))
        reference_masks(k);
    else if (strstr(name, "augment"))
        reference_augment(k);
    else if (strstr(name, "sqerr") || strstr(name, "entropy") || strstr(name, "nll"))
        reference_losses(k);
    else if (strstr(name, "sum") || strstr(name, "grouped"))
        reference_linear_sums(k);
    else
        reference_elements(k);
}
