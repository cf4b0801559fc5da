#include "core/ops/op_util.h"

static bool is_map(zm_tape *tape, const zm_tensor *x, const char *op)
{
    char text[64];
    return OP_REQUIRE(tape, x->rank == 4, "%s: %s is not (B, H, W, C)", op,
                      zm_tensor_shape_text(x, text));
}

// Column matrix (B * H * W, cin * k * k) of a map.
static zm_tensor *columns(zm_tape *tape, zm_tensor *x, uint32_t kernel)
{
    const uint32_t cols = x->dim[3] * kernel * kernel;
    zm_tensor *y = op_temp(tape, x->dim[0] * x->dim[1] * x->dim[2], cols, 0, 0);
    if (!y)
        return NULL;
    const struct zm_params_im2col_fwd p = {x->dim[0], x->dim[1], x->dim[2], x->dim[3],
                                           kernel};
    zm_tensor *const bind[] = {x, y};
    zm_tape_emit(tape, ZM_KERNEL_im2col_fwd, zm_tensor_count(y), 1, bind, &p);
    return y;
}

// The columns are k^2 times the map, so backward makes them again instead of keeping
// them.
static void conv2d_backward(zm_tape *tape, const zm_op *op)
{
    zm_tensor *x = op->t[0], *w = op->t[1], *b = op->t[2], *dy = op->t[3]->grad;
    const uint32_t kernel = op->u[0], m = op_rows(x), n = w->dim[0];
    const uint32_t k = x->dim[3] * kernel * kernel;
    uint32_t accumulate;
    if (!dy)
        return;
    zm_tensor *dw = zm_tape_grad(tape, w, &accumulate);
    if (dw) {
        zm_tensor *cols = columns(tape, x, kernel);
        const struct zm_params_linear_bwd_weight p = {m, n, k, accumulate};
        zm_tensor *const bind[] = {dy, cols, dw};
        zm_tape_emit(tape, ZM_KERNEL_linear_bwd_weight, n, k, bind, &p);
    }
    zm_tensor *db = zm_tape_grad(tape, b, &accumulate);
    if (db)
        op_colsum(tape, dy, db, accumulate);
    zm_tensor *dx = zm_tape_grad(tape, x, &accumulate);
    if (dx) {
        zm_tensor *dcols = op_temp(tape, m, k, 0, 0);
        const struct zm_params_linear_bwd_input p = {m, n, k, 0};
        zm_tensor *const bind[] = {dy, w, dcols};
        zm_tape_emit(tape, ZM_KERNEL_linear_bwd_input, m, k, bind, &p);
        const struct zm_params_im2col_bwd q = {x->dim[0], x->dim[1], x->dim[2],
                                               x->dim[3], kernel,    accumulate};
        zm_tensor *const fold[] = {dcols, dx};
        zm_tape_emit(tape, ZM_KERNEL_im2col_bwd, zm_tensor_count(x), 1, fold, &q);
    }
}

zm_tensor *zm_conv2d(zm_tape *tape, zm_tensor *x, zm_tensor *w, zm_tensor *b)
{
    if (!zm_tape_ok(tape) || !x || !w || !b || !is_map(tape, x, "conv2d"))
        return NULL;
    char text[64], map[64];
    const uint32_t kernel = w->dim[3];
    if (!OP_REQUIRE(tape,
                    w->rank == 4 && w->dim[1] == x->dim[3] && w->dim[2] == kernel &&
                        kernel % 2 == 1,
                    "conv2d: weight %s does not fit map %s",
                    zm_tensor_shape_text(w, text), zm_tensor_shape_text(x, map)))
        return NULL;
    if (kernel == 1)
        return zm_linear(tape, x, w, b, ZM_NONE);
    zm_tensor *cols = columns(tape, x, kernel);
    zm_tensor *y = op_like_cols(tape, x, w->dim[0]);
    if (!cols || !y)
        return NULL;
    const struct zm_params_linear_fwd p = {op_rows(x), w->dim[0], op_cols(cols), 1,
                                           ZM_ACT_NONE};
    zm_tensor *const bind[] = {cols, w, b, y};
    zm_tape_emit(tape, ZM_KERNEL_linear_fwd, p.m, p.n, bind, &p);
    zm_tensor *const inputs[] = {x, w, b};
    const zm_op op = {.backward = conv2d_backward, .t = {x, w, b, y}, .u = {kernel}};
    zm_tape_push(tape, &op, y, inputs, 3);
    return y;
}

static void avgpool_backward(zm_tape *tape, const zm_op *op)
{
    zm_tensor *x = op->t[0], *dy = op->t[1]->grad;
    uint32_t accumulate;
    zm_tensor *dx = dy ? zm_tape_grad(tape, x, &accumulate) : NULL;
    if (!dx)
        return;
    const struct zm_params_avgpool_bwd p = {x->dim[0], x->dim[1], x->dim[2], x->dim[3],
                                            accumulate};
    zm_tensor *const bind[] = {dy, dx};
    zm_tape_emit(tape, ZM_KERNEL_avgpool_bwd, zm_tensor_count(x), 1, bind, &p);
}

zm_tensor *zm_avgpool2(zm_tape *tape, zm_tensor *x)
{
    if (!zm_tape_ok(tape) || !x || !is_map(tape, x, "avgpool"))
        return NULL;
    if (!OP_REQUIRE(tape, x->dim[1] % 2 == 0 && x->dim[2] % 2 == 0,
                    "avgpool: sides %u x %u are not even", x->dim[1], x->dim[2]))
        return NULL;
    zm_tensor *y = op_temp(tape, x->dim[0], x->dim[1] / 2, x->dim[2] / 2, x->dim[3]);
    if (!y)
        return NULL;
    const struct zm_params_avgpool_fwd p = {x->dim[0], x->dim[1], x->dim[2], x->dim[3]};
    zm_tensor *const bind[] = {x, y};
    zm_tape_emit(tape, ZM_KERNEL_avgpool_fwd, zm_tensor_count(y), 1, bind, &p);
    const zm_op op = {.backward = avgpool_backward, .t = {x, y}};
    zm_tape_push(tape, &op, y, &x, 1);
    return y;
}

static void maxpool_backward(zm_tape *tape, const zm_op *op)
{
    zm_tensor *x = op->t[0], *which = op->t[1], *dy = op->t[2]->grad;
    uint32_t accumulate;
    zm_tensor *dx = dy ? zm_tape_grad(tape, x, &accumulate) : NULL;
    if (!dx)
        return;
    const struct zm_params_maxpool_bwd p = {x->dim[0], x->dim[1], x->dim[2], x->dim[3],
                                            accumulate};
    zm_tensor *const bind[] = {dy, which, dx};
    zm_tape_emit(tape, ZM_KERNEL_maxpool_bwd, zm_tensor_count(x), 1, bind, &p);
}

zm_tensor *zm_maxpool3(zm_tape *tape, zm_tensor *x)
{
    if (!zm_tape_ok(tape) || !x || !is_map(tape, x, "maxpool"))
        return NULL;
    zm_tensor *y = op_like(tape, x);
    zm_tensor *which = zm_tape_temp(tape, ZM_U32, x->rank, x->dim);
    if (!y || !which)
        return NULL;
    const struct zm_params_maxpool_fwd p = {x->dim[0], x->dim[1], x->dim[2], x->dim[3]};
    zm_tensor *const bind[] = {x, y, which};
    zm_tape_emit(tape, ZM_KERNEL_maxpool_fwd, zm_tensor_count(y), 1, bind, &p);
    const zm_op op = {.backward = maxpool_backward, .t = {x, which, y}};
    zm_tape_push(tape, &op, y, &x, 1);
    return y;
}
