#include "core/ops/op_util.h"

// Where one kernel puts the gradients of scale and shift: into them, or, where the two
// are not alike (one of them frozen, say), into temporaries that are handed on.
typedef struct weight_grads {
    zm_tensor *dgamma, *dbeta;
    uint32_t accumulate;
    bool hand_on;
} weight_grads;

static weight_grads begin_weight_grads(zm_tape *tape, zm_tensor *gamma, zm_tensor *beta)
{
    weight_grads g = {.hand_on = !gamma->needs_grad || !beta->needs_grad ||
                                 !gamma->grad != !beta->grad};
    uint32_t same;
    if (!g.hand_on) {
        g.dgamma = zm_tape_grad(tape, gamma, &g.accumulate);
        g.dbeta = zm_tape_grad(tape, beta, &same);
    } else {
        g.dgamma = op_like(tape, gamma);
        g.dbeta = op_like(tape, beta);
    }
    return g;
}

static void end_weight_grads(zm_tape *tape, const weight_grads *g, zm_tensor *gamma,
                             zm_tensor *beta)
{
    if (!g->hand_on)
        return;
    zm_tape_pass_grad(tape, gamma, g->dgamma);
    zm_tape_pass_grad(tape, beta, g->dbeta);
}

static void layernorm_backward(zm_tape *tape, const zm_op *op)
{
    zm_tensor *x = op->t[0], *gamma = op->t[1], *beta = op->t[2], *stats = op->t[3];
    zm_tensor *dy = op->t[4]->grad;
    const uint32_t rows = op_rows(x), cols = op_cols(x);
    uint32_t accumulate;
    if (!dy)
        return;
    if (gamma->needs_grad || beta->needs_grad) {
        const weight_grads g = begin_weight_grads(tape, gamma, beta);
        const struct zm_params_layernorm_bwd_weight p = {rows, cols, g.accumulate};
        zm_tensor *const bind[] = {dy, x, stats, g.dgamma, g.dbeta};
        zm_tape_emit(tape, ZM_KERNEL_layernorm_bwd_weight, cols, 1, bind, &p);
        end_weight_grads(tape, &g, gamma, beta);
    }
    zm_tensor *dx = zm_tape_grad(tape, x, &accumulate);
    if (dx) {
        const struct zm_params_layernorm_bwd_input p = {rows, cols, accumulate};
        zm_tensor *const bind[] = {dy, x, gamma, stats, dx};
        zm_tape_emit(tape, ZM_KERNEL_layernorm_bwd_input, rows, 1, bind, &p);
    }
}

zm_tensor *zm_layernorm(zm_tape *tape, zm_tensor *x, zm_tensor *gamma, zm_tensor *beta,
                        float eps)
{
    if (!zm_tape_ok(tape) || !x || !gamma || !beta)
        return NULL;
    char text[64];
    const uint32_t rows = op_rows(x), cols = op_cols(x);
    if (!OP_REQUIRE(tape, zm_tensor_count(gamma) == cols && zm_tensor_count(beta) == cols,
                    "layernorm: scale %s for %u columns",
                    zm_tensor_shape_text(gamma, text), cols))
        return NULL;
    zm_tensor *y = op_like(tape, x), *stats = op_temp(tape, rows, 2, 0, 0);
    if (!y || !stats)
        return NULL;
    const struct zm_params_layernorm_fwd p = {rows, cols, eps};
    zm_tensor *const bind[] = {x, gamma, beta, y, stats};
    zm_tape_emit(tape, ZM_KERNEL_layernorm_fwd, rows, 1, bind, &p);
    const zm_op op = {.backward = layernorm_backward, .t = {x, gamma, beta, stats, y}};
    zm_tape_push(tape, &op, y, bind, 3);
    return y;
}

static void batchnorm_backward(zm_tape *tape, const zm_op *op)
{
    zm_tensor *x = op->t[0], *gamma = op->t[1], *beta = op->t[2];
    zm_tensor *mean = op->t[3], *var = op->t[4], *dy = op->t[5]->grad;
    const uint32_t rows = op_rows(x), cols = op_cols(x), training = op->u[0];
    uint32_t accumulate;
    if (!dy)
        return;
    zm_tensor *sums = op_temp(tape, 2, cols, 0, 0); // dx needs them in any case
    const weight_grads g = begin_weight_grads(tape, gamma, beta);
    const struct zm_params_batchnorm_bwd_stats ps = {rows, cols, op->f[0], g.accumulate};
    zm_tensor *const stats_bind[] = {dy, x, mean, var, sums, g.dgamma, g.dbeta};
    zm_tape_emit(tape, ZM_KERNEL_batchnorm_bwd_stats, cols, 1, stats_bind, &ps);
    end_weight_grads(tape, &g, gamma, beta);
    zm_tensor *dx = zm_tape_grad(tape, x, &accumulate);
    if (dx) {
        const struct zm_params_batchnorm_bwd_input p = {rows, cols, op->f[0], training,
                                                        accumulate};
        zm_tensor *const bind[] = {dy, x, mean, var, gamma, sums, dx};
        zm_tape_emit(tape, ZM_KERNEL_batchnorm_bwd_input, zm_tensor_count(x), 1, bind,
                     &p);
    }
}

zm_tensor *zm_batchnorm(zm_tape *tape, zm_tensor *x, const zm_batchnorm_args *args)
{
    if (!zm_tape_ok(tape) || !x || !args->gamma || !args->beta)
        return NULL;
    const float eps = args->eps > 0 ? args->eps : 1e-5f;
    const float momentum = args->momentum > 0 ? args->momentum : 0.1f;
    const uint32_t rows = op_rows(x), cols = op_cols(x);
    if (!OP_REQUIRE(tape, zm_tensor_count(args->gamma) == cols, "batchnorm: %u columns",
                    cols) ||
        !OP_REQUIRE(tape, !args->training || rows > 1,
                    "batchnorm: training needs more than one value per channel"))
        return NULL;
    zm_tensor *mean = args->running_mean, *var = args->running_var;
    if (args->training) {
        mean = op_temp(tape, cols, 0, 0, 0);
        var = op_temp(tape, cols, 0, 0, 0);
        const struct zm_params_batchnorm_stats p = {rows, cols, momentum};
        zm_tensor *const bind[] = {x, mean, var, args->running_mean, args->running_var};
        zm_tape_emit(tape, ZM_KERNEL_batchnorm_stats, cols, 1, bind, &p);
    }
    zm_tensor *y = op_like(tape, x);
    if (!y)
        return NULL;
    zm_tensor *const inputs[] = {x, args->gamma, args->beta};
    const bool fuse = args->act == ZM_RELU && !op_needs_grad(inputs, 3);
    const struct zm_params_batchnorm_fwd p = {rows, cols, eps,
                                              fuse ? (uint32_t)args->act : ZM_ACT_NONE};
    zm_tensor *const bind[] = {x, mean, var, args->gamma, args->beta, y};
    zm_tape_emit(tape, ZM_KERNEL_batchnorm_fwd, zm_tensor_count(x), 1, bind, &p);
    const zm_op op = {.backward = batchnorm_backward,
                      .t = {x, args->gamma, args->beta, mean, var, y},
                      .u = {args->training},
                      .f = {eps}};
    zm_tape_push(tape, &op, y, inputs, 3);
    return fuse || args->act == ZM_NONE ? y : zm_activation(tape, y, args->act);
}
