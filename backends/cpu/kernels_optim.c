// AdamW with decoupled weight decay; equals torch.optim.AdamW with clip_grad_norm_.
#include <math.h>

#include "backends/cpu/cpu_kernels.h"

#ifdef ZM_CPU_F64
#define SQRT sqrt
#else
#define SQRT sqrtf
#endif

enum { TABLE_BLOCK = 128 }; // elements that share one pair of the table

// weight, gradient, m, v, table, hyper, sumsq. See adamw.comp.
void ZM_CPU(adamw)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    real *restrict weight = call->bind[0], *restrict gradient = call->bind[1];
    real *restrict m = call->bind[2], *restrict v = call->bind[3];
    const real *restrict table = call->bind[4], *restrict hyper = call->bind[5];
    const real *restrict sumsq = call->bind[6];
    const real lr = hyper[0], beta1 = hyper[1], beta2 = hyper[2], eps = hyper[3];
    const real decay = hyper[4], bias1 = hyper[5], root2 = SQRT(hyper[6]);
    const real ratio = hyper[7] / (SQRT(sumsq[0]) + (real)1e-6);
    const real clip = hyper[7] > 0 && !(ratio > 1) ? ratio : 1;
    size_t next;
    for (size_t first = begin; first < end; first = next) {
        next = (first / TABLE_BLOCK + 1) * TABLE_BLOCK;
        const size_t last = next < end ? next : end;
        const real lr_scale = table[first / TABLE_BLOCK * 2];
        const real decay_scale = table[first / TABLE_BLOCK * 2 + 1];
        const real step = lr * lr_scale / bias1;
        const real keep = 1 - lr * lr_scale * decay * decay_scale;
        if (lr_scale != 0)
            for (size_t i = first; i < last; i++) {
                const real g = gradient[i] * clip;
                m[i] = m[i] + (1 - beta1) * (g - m[i]);
                v[i] = beta2 * v[i] + (1 - beta2) * g * g;
                weight[i] = weight[i] * keep - step * (m[i] / (SQRT(v[i]) / root2 + eps));
            }
        for (size_t i = first; i < last; i++)
            gradient[i] = 0;
    }
}
