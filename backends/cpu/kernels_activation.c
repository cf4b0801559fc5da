// Activations and the sum of two arrays.
#include "backends/cpu/cpu_kernels.h"
#include "backends/cpu/vmath.h"

static const real HALF = (real)0.5;
static const real SQRT_HALF = (real)0.70710678118654752440;
static const real GAUSS = (real)0.39894228040143267794; // 1 / sqrt(2 pi)

// x -> y. relu: max(x, 0); gelu: x Phi(x); silu: x s(x), s the logistic function
void ZM_CPU(act_fwd)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_act_fwd *p = call->params;
    const real *restrict x = call->bind[0];
    real *restrict y = call->bind[1];
    switch (p->kind) {
    case ZM_ACT_RELU:
        for (size_t i = begin; i < end; i++)
            y[i] = x[i] < 0 ? 0 : x[i];
        break;
    case ZM_ACT_GELU:
        for (size_t i = begin; i < end; i++)
            y[i] = x[i] * (HALF + HALF * zm_erf(x[i] * SQRT_HALF));
        break;
    case ZM_ACT_SILU:
        for (size_t i = begin; i < end; i++)
            y[i] = x[i] / (1 + zm_exp(-x[i]));
        break;
    default:
        for (size_t i = begin; i < end; i++)
            y[i] = x[i];
    }
}

// x, dy -> dx = dy act'(x)
// gelu' = Phi(x) + x phi(x); silu' = s (1 + x (1 - s)); relu' (0) = 0
void ZM_CPU(act_bwd)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_act_bwd *p = call->params;
    const real *restrict x = call->bind[0], *restrict dy = call->bind[1];
    real *restrict dx = call->bind[2];
    switch (p->kind) {
    case ZM_ACT_RELU:
        for (size_t i = begin; i < end; i++) {
            const real g = x[i] > 0 ? dy[i] : 0;
            dx[i] = p->accumulate ? dx[i] + g : g;
        }
        break;
    case ZM_ACT_GELU:
        for (size_t i = begin; i < end; i++) {
            const real cdf = HALF + HALF * zm_erf(x[i] * SQRT_HALF);
            const real pdf = GAUSS * zm_exp(-HALF * x[i] * x[i]);
            const real g = dy[i] * (cdf + x[i] * pdf);
            dx[i] = p->accumulate ? dx[i] + g : g;
        }
        break;
    case ZM_ACT_SILU:
        for (size_t i = begin; i < end; i++) {
            const real s = 1 / (1 + zm_exp(-x[i]));
            const real g = dy[i] * (s * (1 + x[i] * (1 - s)));
            dx[i] = p->accumulate ? dx[i] + g : g;
        }
        break;
    default:
        for (size_t i = begin; i < end; i++)
            dx[i] = p->accumulate ? dx[i] + dy[i] : dy[i];
    }
}

// y = value
void ZM_CPU(fill)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_fill *p = call->params;
    real *restrict y = call->bind[0];
    for (size_t i = begin; i < end; i++)
        y[i] = (real)p->value;
}

// a, b -> y = a + b
void ZM_CPU(add)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const real *restrict a = call->bind[0], *restrict b = call->bind[1];
    real *restrict y = call->bind[2];
    for (size_t i = begin; i < end; i++)
        y[i] = a[i] + b[i];
}
