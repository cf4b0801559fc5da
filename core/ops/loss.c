#include "core/ops/op_util.h"

// Ends a loss whose weighted errors of the rows are recorded: their sum, times scale.
static zm_tensor *finish(zm_tape *tape, zm_tensor *errors, float scale, zm_tensor **each)
{
    zm_tensor *loss = op_temp(tape, 1, 0, 0, 0);
    if (!loss)
        return NULL;
    const struct zm_params_sum p = {(uint32_t)zm_tensor_count(errors), scale, 0};
    zm_tensor *const bind[] = {errors, loss};
    zm_tape_emit(tape, ZM_KERNEL_sum, 1, 1, bind, &p);
    zm_tape_keep(tape, loss);
    if (each) {
        zm_tape_keep(tape, errors);
        *each = errors;
    }
    return loss;
}

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
    zm_tensor *errors = op_temp(tape, rows, 0, 0, 0);
    if (!errors)
        return NULL;
    const struct zm_params_sqerr_fwd p = {rows, cols};
    zm_tensor *const bind[] = {pred, target, weight, errors};
    zm_tape_emit(tape, ZM_KERNEL_sqerr_fwd, rows, 1, bind, &p);
    zm_tensor *loss = finish(tape, errors, scale, each);
    const zm_op op = {.backward = squared_error_backward,
                      .t = {pred, target, weight},
                      .f = {scale * grad_scale}};
    zm_tape_push(tape, &op, loss, &pred, 1);
    return loss;
}

static void cross_entropy_backward(zm_tape *tape, const zm_op *op)
{
    zm_tensor *logits = op->t[0];
    uint32_t accumulate;
    zm_tensor *dlogits = zm_tape_grad(tape, logits, &accumulate);
    if (!dlogits)
        return;
    const struct zm_params_cross_entropy_bwd p = {op_rows(logits), op_cols(logits),
                                                  op->f[0], accumulate};
    zm_tensor *const bind[] = {logits, op->t[1], op->t[2], op->t[3], dlogits};
    zm_tape_emit(tape, ZM_KERNEL_cross_entropy_bwd, zm_tensor_count(logits), 1, bind, &p);
}

zm_tensor *zm_cross_entropy(zm_tape *tape, zm_tensor *logits, zm_tensor *bin,
                            zm_tensor *weight, float scale, float grad_scale,
                            zm_tensor **each)
{
    if (!zm_tape_ok(tape) || !logits || !bin || !weight)
        return NULL;
    char a[64], b[64];
    const uint32_t rows = op_rows(logits), bins = op_cols(logits);
    if (!OP_REQUIRE(tape,
                    bin->dtype == ZM_U32 && zm_tensor_count(bin) == rows &&
                        zm_tensor_count(weight) == rows,
                    "cross entropy: logits %s, bins %s", zm_tensor_shape_text(logits, a),
                    zm_tensor_shape_text(bin, b)))
        return NULL;
    zm_tensor *errors = op_temp(tape, rows, 0, 0, 0);
    zm_tensor *stats = op_temp(tape, rows, 2, 0, 0);
    if (!errors || !stats)
        return NULL;
    const struct zm_params_cross_entropy_fwd p = {rows, bins};
    zm_tensor *const bind[] = {logits, bin, weight, errors, stats};
    zm_tape_emit(tape, ZM_KERNEL_cross_entropy_fwd, rows, 1, bind, &p);
    zm_tensor *loss = finish(tape, errors, scale, each);
    const zm_op op = {.backward = cross_entropy_backward,
                      .t = {logits, bin, weight, stats},
                      .f = {scale * grad_scale}};
    zm_tape_push(tape, &op, loss, &logits, 1);
    return loss;
}

static void gauss_nll_backward(zm_tape *tape, const zm_op *op)
{
    zm_tensor *pred = op->t[0];
    uint32_t accumulate;
    zm_tensor *dpred = zm_tape_grad(tape, pred, &accumulate);
    if (!dpred)
        return;
    const struct zm_params_gauss_nll_bwd p = {op_rows(pred), op->f[0], accumulate};
    zm_tensor *const bind[] = {pred, op->t[1], op->t[2], dpred};
    zm_tape_emit(tape, ZM_KERNEL_gauss_nll_bwd, p.rows, 1, bind, &p);
}

zm_tensor *zm_gauss_nll(zm_tape *tape, zm_tensor *pred, zm_tensor *z, zm_tensor *weight,
                        float scale, float grad_scale, zm_tensor **each)
{
    if (!zm_tape_ok(tape) || !pred || !z || !weight)
        return NULL;
    char a[64], b[64];
    const uint32_t rows = op_rows(pred);
    if (!OP_REQUIRE(tape,
                    op_cols(pred) == 2 && zm_tensor_count(z) == rows &&
                        zm_tensor_count(weight) == rows,
                    "normal law: prediction %s, redshifts %s",
                    zm_tensor_shape_text(pred, a), zm_tensor_shape_text(z, b)))
        return NULL;
    zm_tensor *errors = op_temp(tape, rows, 0, 0, 0);
    if (!errors)
        return NULL;
    const struct zm_params_gauss_nll_fwd p = {rows};
    zm_tensor *const bind[] = {pred, z, weight, errors};
    zm_tape_emit(tape, ZM_KERNEL_gauss_nll_fwd, rows, 1, bind, &p);
    zm_tensor *loss = finish(tape, errors, scale, each);
    const zm_op op = {.backward = gauss_nll_backward,
                      .t = {pred, z, weight},
                      .f = {scale * grad_scale}};
    zm_tape_push(tape, &op, loss, &pred, 1);
    return loss;
}
