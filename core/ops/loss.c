#include "core/ops/op_util.h"

static void squared_error_backward(zm_tape *tape, const zm_op *op)
{
    zm_tensor *pred = op->t[0], *target = op->t[1], *weight = op->t[2];
    uint32_t accumulate;
    zm_tensor *dpred = zm_tape_grad(tape, pred, &accumulate);
    if (!dpred)
        return;
    const struct zm_params_sqerr_bwd p = {op_rows(pred), op_cols(pred), op->f[0],
                                          accumulate};
    zm_tensor *const bind[] = {pred, target, weight, dpred};
    zm_tape_emit(tape, ZM_KERNEL_sqerr_bwd, zm_tensor_count(pred), 1, bind, &p);
}

zm_tensor *zm_squared_error(zm_tape *tape, zm_tensor *pred, zm_tensor *target,
                            zm_tensor *weight, float scale, float grad_scale,
                            zm_tensor **each)
{
    if (!zm_tape_ok(tape) || !pred || !target || !weight)
        return NULL;
    char a[64], b[64];
    const uint32_t rows = op_rows(pred), cols = op_cols(pred);
    if (!OP_REQUIRE(tape,
                    zm_tensor_count(pred) == zm_tensor_count(target) &&
                        zm_tensor_count(weight) == rows,
                    "squared error: prediction %s, target %s",
                    zm_tensor_shape_text(pred, a), zm_tensor_shape_text(target, b)))
        return NULL;
    zm_tensor *errors = op_temp(tape, rows, 0, 0, 0), *loss = op_temp(tape, 1, 0, 0, 0);
    if (!errors || !loss)
        return NULL;
    const struct zm_params_sqerr_fwd p = {rows, cols};
    zm_tensor *const bind[] = {pred, target, weight, errors};
    zm_tape_emit(tape, ZM_KERNEL_sqerr_fwd, rows, 1, bind, &p);
    const struct zm_params_sum q = {rows, scale, 0};
    zm_tensor *const total[] = {errors, loss};
    zm_tape_emit(tape, ZM_KERNEL_sum, 1, 1, total, &q);
    zm_tape_keep(tape, loss);
    if (each) {
        zm_tape_keep(tape, errors);
        *each = errors;
    }
    const zm_op op = {.backward = squared_error_backward,
                      .t = {pred, target, weight},
                      .f = {scale * grad_scale}};
    zm_tape_push(tape, &op, loss, &pred, 1);
    return loss;
}
