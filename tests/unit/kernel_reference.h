// Helpers of the naive kernels. slack of a result is a bound of its rounding error in
// units of u (half the machine epsilon): a sum of n terms may be off by n u times the sum
// of their absolute values, whatever the order; a quotient or root by 3 u (what Vulkan
// allows); exp(x) by (4 + 2 |x|) u.
#ifndef ZM_TEST_KERNEL_REFERENCE_H
#define ZM_TEST_KERNEL_REFERENCE_H

#include <math.h>

#include "tests/unit/kernel_cases.h"

#define PARAMS(name, k) const struct zm_params_##name *p = (const void *)(k)->params.bytes
#define X(b)            (k->array[b].value)
#define W(b)            (k->array[b].word)

static inline void put(kernel_case *k, uint32_t b, size_t i, double value, double slack)
{
    k->array[b].value[i] = value;
    k->array[b].slack[i] = slack + fabs(value);
}

static inline void put_sum(kernel_case *k, uint32_t b, size_t i, uint32_t accumulate,
                           double value, double slack)
{
    const double old = accumulate ? k->array[b].value[i] : 0;
    put(k, b, i, old + value, slack + fabs(value));
}

// A sum with the bound of its error.
typedef struct tally {
    double sum, size, n;
} tally;

static inline void tally_add(tally *t, double term)
{
    t->sum += term;
    t->size += fabs(term);
    t->n++;
}

static inline double tally_slack(tally t)
{
    return (t.n + 4) * t.size;
}

// kernel_reference_losses.c, kernel_reference_tokens.c
void reference_losses(kernel_case *k);
void reference_attention(kernel_case *k);
void reference_masks(kernel_case *k);
void reference_patchify(kernel_case *k);
void reference_tokens(kernel_case *k);
void reference_maps(kernel_case *k);
void reference_augment(kernel_case *k);

#endif
