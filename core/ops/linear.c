#include "core/ops/op_util.h"

// dy -> dw += dy^T x, db += column sums of dy, dx = dy w
static void linear_backward(zm_tape *tape, const zm_op *op)
{
    zm_tensor *x = op->t[0], *w = op->t[1], *b = op->t[2], *dy = op->t[3]->grad;
    const uint32_t m = op_rows(x), k = op_cols(x), n = op_cols(op->t[3]);
    uint32_t accumulate;
    if (!dy)
        return;
    zm_tensor *dw = zm_tape_grad(tape, w, &accumulate);
    if (dw) {
        const struct zm_params_linear_bwd_weight p = {m, n, k, accumulate};
        zm_tensor *const bind[] = {dy, x, dw};
        zm_tape_emit(tape, ZM_KERNEL_linear_bwd_weight, n, k, bind, &p);
    }
    zm_tensor *db = b ? zm_tape_grad(tape, b, &accumulate) : NULL;
    if (db) {
        const struct zm_params_colsum p = {.rows = m,
                                           .cols = n,
                                           .stride = n,
                                           .accumulate = accumulate,
                                           .skip_begin = op->u[0],
                                           .skip_end = op->u[1]};
        zm_tensor *const bind[] = {dy, db};
        zm_tape_emit(tape, ZM_KERNEL_colsum, n, 1, bind, &p);
    }
    zm_tensor *dx = zm_tape_grad(tape, x, &accumulate);
    if (dx) {
        const struct zm_params_linear_bwd_input p = {m, n, k, accumulate};
        zm_tensor *const bind[] = {dy, w, dx};
        zm_tape_emit(tape, ZM_KERNEL_linear_bwd_input, m, k, bind, &p);
    }
}

static zm_tensor *linear(zm_tape *tape, zm_tensor *x, zm_tensor *w, zm_tensor *b,
                         uint32_t skip_begin, uint32_t skip_end, zm_act act)
{
    if (!zm_tape_ok(tape) || !x || !w)
        return NULL;
    char have[64], want[64];
    const uint32_t m = op_rows(x), k = op_cols(x), n = w->dim[0];
    if (!OP_REQUIRE(tape, zm_tensor_count(w) == (uint64_t)n * k,
                    "linear: weight %s does not fit input %s",
                    zm_tensor_shape_text(w, have), zm_tensor_shape_text(x, want)) ||
        !OP_REQUIRE(tape, !b || zm_tensor_count(b) == n, "linear: bias %s for %u outputs",
                    zm_tensor_shape_text(b, have), n))
        return NULL;
    zm_tensor *const inputs[] = {x, w, b};
    zm_tensor *y = op_like_cols(tape, x, n);
    if (!y)
        return NULL;
    const struct zm_params_linear_fwd p = {m, n, k, b != NULL, (uint32_t)act};
    zm_tensor *const bind[] = {x, w, b ? b : w, y};
    zm_tape_emit(tape, ZM_KERNEL_linear_fwd, m, n, bind, &p);
    const zm_op op = {
        .backward = linear_backward, .t = {x, w, b, y}, .u = {skip_begin, skip_end}};
    zm_tape_push(tape, &op, y, inputs, 3);
    return y;
}

zm_tensor *zm_linear(zm_tape *tape, zm_tensor *x, zm_tensor *w, zm_tensor *b, zm_act act)
{
    zm_tensor *const inputs[] = {x, w, b};
    if (act == ZM_NONE || !op_needs_grad(inputs, 3))
        return linear(tape, x, w, b, 0, 0, act);
    return zm_activation(tape, linear(tape, x, w, b, 0, 0, ZM_NONE), act);
}

zm_tensor *zm_linear_skip(zm_tape *tape, zm_tensor *x, zm_tensor *w, zm_tensor *b,
                          uint32_t skip_begin, uint32_t skip_end)
{
    return linear(tape, x, w, b, skip_begin, skip_end, ZM_NONE);
}

static void grouped_backward(zm_tape *tape, const zm_op *op)
{
    zm_tensor *x = op->t[0], *w = op->t[1], *b = op->t[2], *dy = op->t[3]->grad;
    const uint32_t rows = op_rows(x), groups = op->u[0];
    const uint32_t cin = op_cols(x) / groups, cout = op_cols(op->t[3]) / groups;
    uint32_t accumulate;
    if (!dy)
        return;
    zm_tensor *dw = zm_tape_grad(tape, w, &accumulate);
    if (dw) {
        const struct zm_params_grouped_bwd_weight p = {rows, groups, cin, cout,
                                                       accumulate};
        zm_tensor *const bind[] = {dy, x, dw};
        zm_tape_emit(tape, ZM_KERNEL_grouped_bwd_weight, zm_tensor_count(w), 1, bind, &p);
    }
    zm_tensor *db = zm_tape_grad(tape, b, &accumulate);
    if (db)
        op_colsum(tape, dy, db, accumulate);
    zm_tensor *dx = zm_tape_grad(tape, x, &accumulate);
    if (dx) {
        const struct zm_params_grouped_bwd_input p = {rows, groups, cin, cout,
                                                      accumulate};
        zm_tensor *const bind[] = {dy, w, dx};
        zm_tape_emit(tape, ZM_KERNEL_grouped_bwd_input, zm_tensor_count(x), 1, bind, &p);
    }
}

zm_tensor *zm_grouped_linear(zm_tape *tape, zm_tensor *x, zm_tensor *w, zm_tensor *b,
                             uint32_t groups)
{
    if (!zm_tape_ok(tape) || !x || !w || !b)
        return NULL;
    char text[64];
    const uint32_t cin = op_cols(x) / groups, outputs = w->dim[0];
    if (!OP_REQUIRE(tape,
                    op_cols(x) % groups == 0 && outputs % groups == 0 &&
                        zm_tensor_count(w) == (uint64_t)outputs * cin &&
                        zm_tensor_count(b) == outputs,
                    "grouped linear: weight %s does not fit %u inputs in %u groups",
                    zm_tensor_shape_text(w, text), op_cols(x), groups))
        return NULL;
    zm_tensor *y = op_like_cols(tape, x, outputs);
    if (!y)
        return NULL;
    const struct zm_params_grouped_fwd p = {op_rows(x), groups, cin, outputs / groups};
    zm_tensor *const bind[] = {x, w, b, y};
    zm_tape_emit(tape, ZM_KERNEL_grouped_fwd, zm_tensor_count(y), 1, bind, &p);
    const zm_op op = {.backward = grouped_backward, .t = {x, w, b, y}, .u = {groups}};
    zm_tape_push(tape, &op, y, bind, 3);
    return y;
}
