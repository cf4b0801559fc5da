#include "core/ops/op_util.h"

enum { SUMSQ_CHUNK = 4096 };

void zm_adamw(zm_tape *tape, zm_tensor *weight, zm_tensor *grad, zm_tensor *m,
              zm_tensor *v, zm_tensor *table, zm_tensor *hyper, zm_tensor *sumsq)
{
    if (!zm_tape_ok(tape) || !weight || !grad || !m || !v || !table || !hyper || !sumsq)
        return;
    const struct zm_params_adamw p = {(uint32_t)zm_tensor_count(weight)};
    zm_tensor *const bind[] = {weight, grad, m, v, table, hyper, sumsq};
    zm_tape_emit(tape, ZM_KERNEL_adamw, p.n, 1, bind, &p);
}

zm_tensor *zm_sumsq(zm_tape *tape, zm_tensor *const *parts, uint32_t count)
{
    zm_tensor *total = op_temp(tape, 1, 0, 0, 0);
    for (uint32_t i = 0; i < count; i++) {
        if (!zm_tape_ok(tape) || !parts[i])
            return NULL;
        const uint32_t n = (uint32_t)zm_tensor_count(parts[i]);
        const uint32_t rows = n / SUMSQ_CHUNK + (n % SUMSQ_CHUNK != 0);
        zm_tensor *partial = op_temp(tape, rows, 0, 0, 0);
        const struct zm_params_sumsq p = {n, SUMSQ_CHUNK};
        zm_tensor *const bind[] = {parts[i], partial};
        zm_tape_emit(tape, ZM_KERNEL_sumsq, rows, 1, bind, &p);
        const struct zm_params_sum q = {rows, 1.0f, i > 0};
        zm_tensor *const add[] = {partial, total};
        zm_tape_emit(tape, ZM_KERNEL_sum, 1, 1, add, &q);
    }
    return total;
}
