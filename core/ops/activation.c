#include "core/ops/op_util.h"

static void activation_backward(zm_tape *tape, const zm_op *op)
{
    zm_tensor *x = op->t[0], *dy = op->t[1]->grad;
    uint32_t accumulate;
    zm_tensor *dx = dy ? zm_tape_grad(tape, x, &accumulate) : NULL;
    if (!dx)
        return;
    const uint32_t n = (uint32_t)zm_tensor_count(x);
    const struct zm_params_act_bwd p = {n, op->u[0], accumulate};
    zm_tensor *const bind[] = {x, dy, dx};
    zm_tape_emit(tape, ZM_KERNEL_act_bwd, n, 1, bind, &p);
}

zm_tensor *zm_activation(zm_tape *tape, zm_tensor *x, zm_act act)
{
    if (!zm_tape_ok(tape) || !x)
        return NULL;
    zm_tensor *y = op_like(tape, x);
    if (!y)
        return NULL;
    const uint32_t n = (uint32_t)zm_tensor_count(x);
    const struct zm_params_act_fwd p = {n, (uint32_t)act};
    zm_tensor *const bind[] = {x, y};
    zm_tape_emit(tape, ZM_KERNEL_act_fwd, n, 1, bind, &p);
    const zm_op op = {.backward = activation_backward, .t = {x, y}, .u = {(uint32_t)act}};
    zm_tape_push(tape, &op, y, bind, 1);
    return y;
}

static void add_backward(zm_tape *tape, const zm_op *op)
{
    zm_tape_pass_grad(tape, op->t[0], op->t[2]->grad);
    zm_tape_pass_grad(tape, op->t[1], op->t[2]->grad);
}

zm_tensor *zm_add(zm_tape *tape, zm_tensor *a, zm_tensor *b)
{
    if (!zm_tape_ok(tape) || !a || !b)
        return NULL;
    char left[64], right[64];
    if (!OP_REQUIRE(tape, zm_tensor_same_shape(a, b), "add: shapes %s and %s differ",
                    zm_tensor_shape_text(a, left), zm_tensor_shape_text(b, right)))
        return NULL;
    zm_tensor *y = op_like(tape, a);
    if (!y)
        return NULL;
    const struct zm_params_add p = {(uint32_t)zm_tensor_count(a)};
    zm_tensor *const bind[] = {a, b, y};
    zm_tape_emit(tape, ZM_KERNEL_add, p.n, 1, bind, &p);
    const zm_op op = {.backward = add_backward, .t = {a, b, y}};
    zm_tape_push(tape, &op, y, bind, 2);
    return y;
}
