#include "core/ops/op_util.h"

// One strided copy; words as in struct zm_params_copy, kept by ops to run it backwards.
static void emit_strided(zm_tape *tape, zm_tensor *x, zm_tensor *y,
                         const struct zm_params_copy *p)
{
    zm_tensor *const bind[] = {x, y};
    zm_tape_emit(tape, ZM_KERNEL_copy, (uint64_t)p->n0 * p->n1 * p->n2, 1, bind, p);
}

// The same elements, from y's layout to x's.
static struct zm_params_copy reversed(const struct zm_params_copy *p, uint32_t accumulate)
{
    return (struct zm_params_copy){p->n0, p->n1,  p->n2,  p->ys0, p->ys1, p->ys2,
                                   p->yo, p->xs0, p->xs1, p->xs2, p->xo,  accumulate};
}

static void reshape_backward(zm_tape *tape, const zm_op *op)
{
    zm_tape_pass_grad(tape, op->t[0], op->t[1]->grad);
}

zm_tensor *zm_reshape(zm_tape *tape, zm_tensor *x, uint32_t rank, const uint32_t *dims)
{
    zm_tensor *y = zm_tape_reshape(tape, x, rank, dims);
    if (!y)
        return NULL;
    y->is_param = false;
    y->needs_grad = false;
    const zm_op op = {.backward = reshape_backward, .t = {x, y}};
    zm_tape_push(tape, &op, y, &x, 1);
    return y;
}

// Which elements of (B, N, C) the tokens from begin on are, against a dense (B, N', C).
static struct zm_params_copy tokens_from(const zm_tensor *all, uint32_t begin)
{
    const uint32_t tokens = all->dim[1], cols = all->dim[2], count = tokens - begin;
    return (struct zm_params_copy){.n0 = all->dim[0],
                                   .n1 = count,
                                   .n2 = cols,
                                   .xs0 = tokens * cols,
                                   .xs1 = cols,
                                   .xs2 = 1,
                                   .xo = begin * cols,
                                   .ys0 = count * cols,
                                   .ys1 = cols,
                                   .ys2 = 1};
}

static bool is_tokens(zm_tape *tape, const zm_tensor *x, uint32_t begin, const char *op)
{
    char text[64];
    return OP_REQUIRE(tape, x->rank == 3 && begin < x->dim[1],
                      "%s: no tokens from %u on in %s", op, begin,
                      zm_tensor_shape_text(x, text));
}

// The gradient of the dropped tokens is zero: the first writer of a gradient clears it.
static void tokens_drop_backward(zm_tape *tape, const zm_op *op)
{
    zm_tensor *x = op->t[0], *dy = op->t[1]->grad;
    uint32_t accumulate;
    zm_tensor *dx = dy ? zm_tape_grad(tape, x, &accumulate) : NULL;
    if (!dx)
        return;
    const uint32_t begin = op->u[0];
    const struct zm_params_copy forward = tokens_from(x, begin);
    if (!accumulate && begin > 0) {
        const struct zm_params_fill zero = {.n = (uint32_t)zm_tensor_count(x)};
        zm_tape_emit(tape, ZM_KERNEL_fill, zero.n, 1, &dx, &zero);
    }
    const struct zm_params_copy p = reversed(&forward, accumulate);
    emit_strided(tape, dy, dx, &p);
}

zm_tensor *zm_tokens_drop(zm_tape *tape, zm_tensor *x, uint32_t begin)
{
    if (!zm_tape_ok(tape) || !x || !is_tokens(tape, x, begin, "drop tokens"))
        return NULL;
    zm_tensor *y = op_temp(tape, x->dim[0], x->dim[1] - begin, x->dim[2], 0);
    if (!y)
        return NULL;
    const struct zm_params_copy p = tokens_from(x, begin);
    emit_strided(tape, x, y, &p);
    const zm_op op = {.backward = tokens_drop_backward, .t = {x, y}, .u = {begin}};
    zm_tape_push(tape, &op, y, &x, 1);
    return y;
}

static void tokens_add_backward(zm_tape *tape, const zm_op *op)
{
    zm_tensor *x = op->t[0], *y = op->t[1], *dout = op->t[2]->grad;
    uint32_t accumulate;
    zm_tensor *dy = dout ? zm_tape_grad(tape, y, &accumulate) : NULL;
    if (dy) {
        struct zm_params_copy p = tokens_from(x, op->u[0]);
        p.accumulate = accumulate;
        emit_strided(tape, dout, dy, &p);
    }
    zm_tape_pass_grad(tape, x, dout);
}

zm_tensor *zm_tokens_add(zm_tape *tape, zm_tensor *x, zm_tensor *y, uint32_t begin)
{
    if (!zm_tape_ok(tape) || !x || !y || !is_tokens(tape, x, begin, "add tokens"))
        return NULL;
    char text[64];
    if (!OP_REQUIRE(tape,
                    zm_tensor_count(y) ==
                        (uint64_t)x->dim[0] * (x->dim[1] - begin) * x->dim[2],
                    "add tokens: %s has the wrong size", zm_tensor_shape_text(y, text)))
        return NULL;
    zm_tensor *out = op_like(tape, x);
    if (!out)
        return NULL;
    const struct zm_params_copy whole = {
        .n0 = 1, .n1 = 1, .n2 = (uint32_t)zm_tensor_count(x), .xs2 = 1, .ys2 = 1};
    emit_strided(tape, x, out, &whole);
    const struct zm_params_copy forward = tokens_from(x, begin);
    const struct zm_params_copy p = reversed(&forward, 1);
    emit_strided(tape, y, out, &p);
    zm_tensor *const inputs[] = {x, y};
    const zm_op op = {.backward = tokens_add_backward, .t = {x, y, out}, .u = {begin}};
    zm_tape_push(tape, &op, out, inputs, 2);
    return out;
}

// Columns [offset, offset + cols of part) of whole, against the dense part.
static struct zm_params_copy part_of(const zm_tensor *part, const zm_tensor *whole,
                                     uint32_t offset)
{
    return (struct zm_params_copy){.n0 = 1,
                                   .n1 = op_rows(part),
                                   .n2 = op_cols(part),
                                   .xs1 = op_cols(part),
                                   .xs2 = 1,
                                   .ys1 = op_cols(whole),
                                   .ys2 = 1,
                                   .yo = offset};
}

static void concat_backward(zm_tape *tape, const zm_op *op)
{
    const uint32_t count = op->u[0];
    zm_tensor *whole = op->t[count], *dy = whole->grad;
    uint32_t offset = 0, accumulate;
    for (uint32_t i = 0; i < count && dy; i++) {
        zm_tensor *dx = zm_tape_grad(tape, op->t[i], &accumulate);
        if (dx) {
            const struct zm_params_copy forward = part_of(op->t[i], whole, offset);
            const struct zm_params_copy p = reversed(&forward, accumulate);
            emit_strided(tape, dy, dx, &p);
        }
        offset += op_cols(op->t[i]);
    }
}

zm_tensor *zm_concat(zm_tape *tape, zm_tensor *const *parts, uint32_t count)
{
    zm_op op = {.backward = concat_backward, .u = {count}};
    uint32_t cols = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!zm_tape_ok(tape) || !parts[i])
            return NULL;
        if (!OP_REQUIRE(tape,
                        count < ZM_OP_TENSORS && op_rows(parts[i]) == op_rows(parts[0]),
                        "concat: part %u has %u rows, the first %u", i, op_rows(parts[i]),
                        op_rows(parts[0])))
            return NULL;
        op.t[i] = parts[i];
        cols += op_cols(parts[i]);
    }
    zm_tensor *y = op_like_cols(tape, parts[0], cols);
    if (!y)
        return NULL;
    op.t[count] = y;
    for (uint32_t i = 0, offset = 0; i < count; offset += op_cols(parts[i++])) {
        const struct zm_params_copy p = part_of(parts[i], y, offset);
        emit_strided(tape, parts[i], y, &p);
    }
    zm_tape_push(tape, &op, y, parts, count);
    return y;
}

static struct zm_params_copy channels_first(const zm_tensor *x)
{
    const uint32_t pixels = x->dim[1] * x->dim[2], channels = x->dim[3];
    return (struct zm_params_copy){.n0 = x->dim[0],
                                   .n1 = channels,
                                   .n2 = pixels,
                                   .xs0 = pixels * channels,
                                   .xs1 = 1,
                                   .xs2 = channels,
                                   .ys0 = pixels * channels,
                                   .ys1 = pixels,
                                   .ys2 = 1};
}

static void flatten_backward(zm_tape *tape, const zm_op *op)
{
    zm_tensor *x = op->t[0], *dy = op->t[1]->grad;
    uint32_t accumulate;
    zm_tensor *dx = dy ? zm_tape_grad(tape, x, &accumulate) : NULL;
    if (!dx)
        return;
    const struct zm_params_copy forward = channels_first(x);
    const struct zm_params_copy p = reversed(&forward, accumulate);
    emit_strided(tape, dy, dx, &p);
}

zm_tensor *zm_flatten_channels(zm_tape *tape, zm_tensor *x)
{
    if (!zm_tape_ok(tape) || !x ||
        !OP_REQUIRE(tape, x->rank == 4, "flatten: a map has 4 dimensions, not %u",
                    x->rank))
        return NULL;
    zm_tensor *y = op_temp(tape, x->dim[0], x->dim[1] * x->dim[2] * x->dim[3], 0, 0);
    if (!y)
        return NULL;
    const struct zm_params_copy p = channels_first(x);
    emit_strided(tape, x, y, &p);
    const zm_op op = {.backward = flatten_backward, .t = {x, y}};
    zm_tape_push(tape, &op, y, &x, 1);
    return y;
}

static void tokens_mean_backward(zm_tape *tape, const zm_op *op)
{
    zm_tensor *x = op->t[0], *dy = op->t[1]->grad;
    uint32_t accumulate;
    zm_tensor *dx = dy ? zm_tape_grad(tape, x, &accumulate) : NULL;
    if (!dx)
        return;
    const struct zm_params_tokens_mean_bwd p = {x->dim[0], x->dim[1], x->dim[2], op->u[0],
                                                accumulate};
    zm_tensor *const bind[] = {dy, dx};
    zm_tape_emit(tape, ZM_KERNEL_tokens_mean_bwd, zm_tensor_count(x), 1, bind, &p);
}

zm_tensor *zm_tokens_mean(zm_tape *tape, zm_tensor *x, uint32_t begin)
{
    if (!zm_tape_ok(tape) || !x || !is_tokens(tape, x, begin, "mean of tokens"))
        return NULL;
    zm_tensor *y = op_temp(tape, x->dim[0], x->dim[2], 0, 0);
    if (!y)
        return NULL;
    const struct zm_params_tokens_mean_fwd p = {x->dim[0], x->dim[1], x->dim[2], begin};
    zm_tensor *const bind[] = {x, y};
    zm_tape_emit(tape, ZM_KERNEL_tokens_mean_fwd, zm_tensor_count(y), 1, bind, &p);
    const zm_op op = {.backward = tokens_mean_backward, .t = {x, y}, .u = {begin}};
    zm_tape_push(tape, &op, y, &x, 1);
    return y;
}
