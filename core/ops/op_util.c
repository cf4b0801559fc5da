#include "core/ops/op_util.h"

zm_tensor *op_like(zm_tape *tape, const zm_tensor *t)
{
    return zm_tape_temp(tape, zm_tape_real(tape), t->rank, t->dim);
}

zm_tensor *op_like_cols(zm_tape *tape, const zm_tensor *t, uint32_t cols)
{
    uint32_t dims[ZM_MAX_DIMS];
    for (uint32_t i = 0; i < ZM_MAX_DIMS; i++)
        dims[i] = t->dim[i];
    dims[t->rank - 1] = cols;
    return zm_tape_temp(tape, zm_tape_real(tape), t->rank, dims);
}

zm_tensor *op_temp(zm_tape *tape, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    const uint32_t dims[ZM_MAX_DIMS] = {a, b, c, d};
    const uint32_t rank = d ? 4 : c ? 3 : b ? 2 : 1;
    return zm_tape_temp(tape, zm_tape_real(tape), rank, dims);
}

bool op_needs_grad(zm_tensor *const *inputs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (inputs[i] && inputs[i]->needs_grad)
            return true;
    return false;
}

void op_colsum(zm_tape *tape, zm_tensor *src, zm_tensor *dst, uint32_t accumulate)
{
    const uint32_t cols = (uint32_t)zm_tensor_count(dst);
    const struct zm_params_colsum p = {.rows = (uint32_t)(zm_tensor_count(src) / cols),
                                       .cols = cols,
                                       .stride = cols,
                                       .accumulate = accumulate};
    zm_tensor *const bind[] = {src, dst};
    zm_tape_emit(tape, ZM_KERNEL_colsum, cols, 1, bind, &p);
}
