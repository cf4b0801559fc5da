// Twins of linear_fwd, linear_bwd_input and linear_bwd_weight: three layouts of one
// product.
#include "backends/cpu/gemm.h"

// y (m, n) = act(x (m, k) w (n, k)^T + b (n))
void ZM_CPU(linear_fwd)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_linear_fwd *p = call->params;
    const zm_cpu_gemm g = {.a = call->bind[0],
                           .a_row = p->k,
                           .a_col = 1,
                           .b = call->bind[1],
                           .b_row = 1,
                           .b_col = p->k,
                           .bias = p->has_bias ? call->bind[2] : NULL,
                           .c = call->bind[3],
                           .m = p->m,
                           .n = p->n,
                           .k = p->k,
                           .act = p->act,
                           .scratch = call->scratch};
    ZM_CPU(gemm)(&g, begin, end);
}

// dx (m, k) = dy (m, n) w (n, k)
void ZM_CPU(linear_bwd_input)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_linear_bwd_input *p = call->params;
    const zm_cpu_gemm g = {.a = call->bind[0],
                           .a_row = p->n,
                           .a_col = 1,
                           .b = call->bind[1],
                           .b_row = p->k,
                           .b_col = 1,
                           .c = call->bind[2],
                           .m = p->m,
                           .n = p->k,
                           .k = p->n,
                           .accumulate = p->accumulate != 0,
                           .scratch = call->scratch};
    ZM_CPU(gemm)(&g, begin, end);
}

// dw (n, k) = dy (m, n)^T x (m, k)
void ZM_CPU(linear_bwd_weight)(const zm_cpu_call *call, uint32_t begin, uint32_t end)
{
    const struct zm_params_linear_bwd_weight *p = call->params;
    const zm_cpu_gemm g = {.a = call->bind[0],
                           .a_row = 1,
                           .a_col = p->n,
                           .b = call->bind[1],
                           .b_row = p->k,
                           .b_col = 1,
                           .c = call->bind[2],
                           .m = p->n,
                           .n = p->k,
                           .k = p->m,
                           .accumulate = p->accumulate != 0,
                           .scratch = call->scratch};
    ZM_CPU(gemm)(&g, begin, end);
}
