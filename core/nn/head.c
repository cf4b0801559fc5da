#include "core/nn/head.h"

#include <math.h>
#include <string.h>

static const char *const names[] = {"regression", "pdf", "gauss"};

const char *zm_head_kind_name(zm_head_kind kind)
{
    return names[kind];
}

zm_status zm_head_kind_parse(const char *name, zm_head_kind *out)
{
    for (size_t i = 0; i < ZM_COUNT_OF(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (zm_head_kind)i;
            return ZM_OK;
        }
    }
    return ZM_FAIL(ZM_ERR_USAGE, "expected a head regression, pdf or gauss, found %s",
                   name);
}

zm_head zm_head_default(zm_head_kind kind)
{
    if (kind == ZM_HEAD_POINT)
        return (zm_head){.kind = kind};
    return (zm_head){.kind = kind, .bins = 180, .z_min = 0.0, .z_max = 0.4};
}

bool zm_head_equal(const zm_head *a, const zm_head *b)
{
    return a->kind == b->kind && a->bins == b->bins && a->z_min == b->z_min &&
           a->z_max == b->z_max;
}

zm_status zm_head_check(const zm_head *head)
{
    if (head->kind == ZM_HEAD_POINT)
        return ZM_OK;
    if (head->bins < 2 || head->bins > ZM_HEAD_MAX_BINS)
        return ZM_FAIL(ZM_ERR_SHAPE, "expected 2 to %d redshift bins, found %u",
                       ZM_HEAD_MAX_BINS, head->bins);
    if (!isfinite(head->z_min) || !isfinite(head->z_max) || head->z_min >= head->z_max)
        return ZM_FAIL(ZM_ERR_SHAPE, "expected a range of redshifts, found %g to %g",
                       head->z_min, head->z_max);
    return ZM_OK;
}

uint32_t zm_head_outputs(const zm_head *head)
{
    return head->kind == ZM_HEAD_PDF ? head->bins : head->kind == ZM_HEAD_GAUSS ? 2 : 1;
}

uint32_t zm_head_bin(const zm_head *head, double z)
{
    const double bin =
        floor((z - head->z_min) / (head->z_max - head->z_min) * head->bins);
    return (uint32_t)fmin(fmax(bin, 0.0), (double)head->bins - 1.0);
}

// log(sum exp(x)) - x[own]; the difference of logits is taken first: nothing cancels.
static double cross_entropy(const float *x, uint32_t n, uint32_t own)
{
    double top = -INFINITY, sum = 0.0;
    for (uint32_t i = 0; i < n; i++)
        top = fmax(top, (double)x[i]);
    for (uint32_t i = 0; i < n; i++)
        sum += exp((double)x[i] - top);
    return log(sum) + (top - (double)x[own]);
}

double zm_head_loss(const zm_head *head, const float *out, double z)
{
    if (head->kind == ZM_HEAD_PDF)
        return cross_entropy(out, head->bins, zm_head_bin(head, z));
    const double d = (double)out[0] - z;
    if (head->kind == ZM_HEAD_POINT)
        return d * d;
    return 0.5 * (d * d * exp(-(double)out[1]) + (double)out[1]);
}
