#include "core/ops/op_util.h"

#include <math.h>

// y = P v with P = softmax(scale q k^T); dS = P (dP - sum_k P dP), dP = dy v^T;
// dq = scale dS k, dk = scale dS^T q, dv = P^T dy.
static void attention_backward(zm_tape *tape, const zm_op *op)
{
    zm_tensor *qkv = op->t[0], *p = op->t[1], *dy = op->t[2]->grad;
    const uint32_t batch = qkv->dim[0], tokens = qkv->dim[1], heads = op->u[0];
    const uint32_t dim = op->u[1];
    uint32_t accumulate;
    zm_tensor *dqkv = dy ? zm_tape_grad(tape, qkv, &accumulate) : NULL;
    if (!dqkv)
        return;
    zm_tensor *ds = op_like(tape, p);
    const struct zm_params_attention_scores_bwd ps = {batch, tokens, heads, dim};
    zm_tensor *const scores[] = {qkv, p, dy, ds};
    zm_tape_emit(tape, ZM_KERNEL_attention_scores_bwd, (uint64_t)batch * heads * tokens,
                 1, scores, &ps);
    const struct zm_params_attention_apply_bwd pa = {batch, tokens,   heads,
                                                     dim,   op->f[0], accumulate};
    zm_tensor *const apply[] = {qkv, p, ds, dy, dqkv};
    zm_tape_emit(tape, ZM_KERNEL_attention_apply_bwd, zm_tensor_count(qkv), 1, apply,
                 &pa);
}

zm_tensor *zm_attention(zm_tape *tape, zm_tensor *qkv, uint32_t heads)
{
    if (!zm_tape_ok(tape) || !qkv)
        return NULL;
    char text[64];
    if (!OP_REQUIRE(tape, qkv->rank == 3 && qkv->dim[2] % (3 * heads) == 0,
                    "attention: %s does not split into q, k, v of %u heads",
                    zm_tensor_shape_text(qkv, text), heads))
        return NULL;
    const uint32_t batch = qkv->dim[0], tokens = qkv->dim[1], width = qkv->dim[2] / 3;
    const uint32_t dim = width / heads;
    const float scale = (float)(1.0 / sqrt((double)dim));
    zm_tensor *p = op_temp(tape, batch, heads, tokens, tokens);
    zm_tensor *y = op_temp(tape, batch, tokens, width, 0);
    if (!p || !y)
        return NULL;
    const struct zm_params_attention_scores_fwd ps = {batch, tokens, heads, dim, scale};
    zm_tensor *const scores[] = {qkv, p};
    zm_tape_emit(tape, ZM_KERNEL_attention_scores_fwd, (uint64_t)batch * heads * tokens,
                 1, scores, &ps);
    const struct zm_params_attention_apply_fwd pa = {batch, tokens, heads, dim};
    zm_tensor *const apply[] = {qkv, p, y};
    zm_tape_emit(tape, ZM_KERNEL_attention_apply_fwd, zm_tensor_count(y), 1, apply, &pa);
    const zm_op op = {.backward = attention_backward,
                      .t = {qkv, p, y},
                      .u = {heads, dim},
                      .f = {scale}};
    zm_tape_push(tape, &op, y, &qkv, 1);
    return y;
}
