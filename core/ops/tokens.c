#include "core/ops/op_util.h"

zm_tensor *zm_patchify(zm_tape *tape, zm_tensor *image, zm_tensor *idx, uint32_t patch,
                       bool channels_last)
{
    if (!zm_tape_ok(tape) || !image || !idx)
        return NULL;
    char text[64];
    if (!OP_REQUIRE(tape,
                    image->rank == 4 && image->dim[1] == image->dim[2] &&
                        image->dim[1] % patch == 0 && idx->dim[0] == image->dim[0],
                    "patchify: %s does not split into patches of %u pixels",
                    zm_tensor_shape_text(image, text), patch))
        return NULL;
    const uint32_t batch = image->dim[0], bands = image->dim[3], count = idx->dim[1];
    zm_tensor *y = op_temp(tape, batch, count, bands * patch * patch, 0);
    if (!y)
        return NULL;
    const struct zm_params_patchify p = {batch, image->dim[1], bands,
                                         patch, count,         channels_last};
    zm_tensor *const bind[] = {image, idx, y};
    zm_tape_emit(tape, ZM_KERNEL_patchify, zm_tensor_count(y), 1, bind, &p);
    return y;
}

zm_tensor *zm_patch_norm(zm_tape *tape, zm_tensor *patches, float eps)
{
    if (!zm_tape_ok(tape) || !patches)
        return NULL;
    zm_tensor *y = op_like(tape, patches);
    if (!y)
        return NULL;
    const struct zm_params_patch_norm p = {op_rows(patches), op_cols(patches), eps};
    zm_tensor *const bind[] = {patches, y};
    zm_tape_emit(tape, ZM_KERNEL_patch_norm, p.rows, 1, bind, &p);
    return y;
}

zm_tensor *zm_mask_noise(zm_tape *tape, zm_tensor *objects, zm_tensor *step,
                         uint32_t patches, uint64_t seed)
{
    if (!zm_tape_ok(tape) || !objects || !step)
        return NULL;
    const uint32_t batch = objects->dim[0];
    zm_tensor *y = op_temp(tape, batch, patches, 0, 0);
    if (!y)
        return NULL;
    const struct zm_params_mask_noise p = {batch, patches, (uint32_t)seed,
                                           (uint32_t)(seed >> 32)};
    zm_tensor *const bind[] = {step, objects, y};
    zm_tape_emit(tape, ZM_KERNEL_mask_noise, zm_tensor_count(y), 1, bind, &p);
    return y;
}

zm_mask zm_mask_from_noise(zm_tape *tape, zm_tensor *noise, uint32_t visible)
{
    zm_mask mask = {.visible = visible};
    if (!zm_tape_ok(tape) || !noise)
        return mask;
    const uint32_t batch = noise->dim[0], patches = noise->dim[1];
    if (!OP_REQUIRE(tape, visible > 0 && visible < patches,
                    "mask: %u visible patches of %u", visible, patches))
        return mask;
    const uint32_t kept[] = {batch, visible}, all[] = {batch, patches};
    mask.keep = zm_tape_temp(tape, ZM_U32, 2, kept);
    mask.rank = zm_tape_temp(tape, ZM_U32, 2, all);
    mask.hidden = op_temp(tape, batch, patches, 0, 0);
    const struct zm_params_mask_rank p = {batch, patches, visible};
    zm_tensor *const bind[] = {noise, mask.keep, mask.rank, mask.hidden};
    zm_tape_emit(tape, ZM_KERNEL_mask_rank, (uint64_t)batch * patches, 1, bind, &p);
    return mask;
}

// dx = rows 1.. of dy; dcls = sum over the batch of row 0; positions are constants.
static void tokens_embed_backward(zm_tape *tape, const zm_op *op)
{
    zm_tensor *x = op->t[0], *cls = op->t[1], *dy = op->t[2]->grad;
    const uint32_t batch = x->dim[0], count = x->dim[1], cols = x->dim[2];
    uint32_t accumulate;
    if (!dy)
        return;
    zm_tensor *dcls = zm_tape_grad(tape, cls, &accumulate);
    if (dcls) {
        const struct zm_params_colsum p = {.rows = batch,
                                           .cols = cols,
                                           .stride = (count + 1) * cols,
                                           .accumulate = accumulate};
        zm_tensor *const bind[] = {dy, dcls};
        zm_tape_emit(tape, ZM_KERNEL_colsum, cols, 1, bind, &p);
    }
    zm_tensor *dx = zm_tape_grad(tape, x, &accumulate);
    if (dx) {
        const struct zm_params_copy p = {.n0 = batch,
                                         .n1 = count,
                                         .n2 = cols,
                                         .xs0 = (count + 1) * cols,
                                         .xs1 = cols,
                                         .xs2 = 1,
                                         .xo = cols,
                                         .ys0 = count * cols,
                                         .ys1 = cols,
                                         .ys2 = 1,
                                         .accumulate = accumulate};
        zm_tensor *const bind[] = {dy, dx};
        zm_tape_emit(tape, ZM_KERNEL_copy, zm_tensor_count(x), 1, bind, &p);
    }
}

zm_tensor *zm_tokens_embed(zm_tape *tape, zm_tensor *x, zm_tensor *cls, zm_tensor *pos,
                           zm_tensor *idx)
{
    if (!zm_tape_ok(tape) || !x || !cls || !pos || !idx)
        return NULL;
    const uint32_t batch = x->dim[0], count = x->dim[1], cols = x->dim[2];
    if (!OP_REQUIRE(tape, zm_tensor_count(cls) == cols && op_cols(pos) == cols,
                    "tokens: class token or positions are not %u wide", cols))
        return NULL;
    zm_tensor *y = op_temp(tape, batch, count + 1, cols, 0);
    if (!y)
        return NULL;
    const struct zm_params_tokens_embed p = {batch, count, cols};
    zm_tensor *const bind[] = {x, cls, pos, idx, y};
    zm_tape_emit(tape, ZM_KERNEL_tokens_embed, zm_tensor_count(y), 1, bind, &p);
    const zm_op op = {.backward = tokens_embed_backward, .t = {x, cls, y}};
    zm_tape_push(tape, &op, y, bind, 2);
    return y;
}

static void tokens_restore_backward(zm_tape *tape, const zm_op *op)
{
    zm_tensor *x = op->t[0], *token = op->t[1], *keep = op->t[2], *rank = op->t[3];
    zm_tensor *dy = op->t[4]->grad;
    const uint32_t batch = x->dim[0], visible = x->dim[1] - 1, cols = x->dim[2];
    const uint32_t patches = rank->dim[1];
    uint32_t accumulate;
    if (!dy)
        return;
    zm_tensor *dtoken = zm_tape_grad(tape, token, &accumulate);
    if (dtoken) {
        const struct zm_params_tokens_restore_bwd_token p = {batch, patches, visible,
                                                             cols, accumulate};
        zm_tensor *const bind[] = {dy, rank, dtoken};
        zm_tape_emit(tape, ZM_KERNEL_tokens_restore_bwd_token, cols, 1, bind, &p);
    }
    zm_tensor *dx = zm_tape_grad(tape, x, &accumulate);
    if (dx) {
        const struct zm_params_tokens_restore_bwd_input p = {batch, patches, visible,
                                                             cols, accumulate};
        zm_tensor *const bind[] = {dy, keep, dx};
        zm_tape_emit(tape, ZM_KERNEL_tokens_restore_bwd_input, zm_tensor_count(x), 1,
                     bind, &p);
    }
}

zm_tensor *zm_tokens_restore(zm_tape *tape, zm_tensor *x, zm_tensor *token,
                             zm_tensor *pos, const zm_mask *mask)
{
    if (!zm_tape_ok(tape) || !x || !token || !pos || !mask->rank)
        return NULL;
    const uint32_t batch = x->dim[0], cols = x->dim[2], patches = mask->rank->dim[1];
    if (!OP_REQUIRE(tape,
                    x->dim[1] == mask->visible + 1 && zm_tensor_count(token) == cols &&
                        zm_tensor_count(pos) == (uint64_t)(patches + 1) * cols,
                    "restore: %u tokens do not fit %u visible patches of %u", x->dim[1],
                    mask->visible, patches))
        return NULL;
    zm_tensor *y = op_temp(tape, batch, patches + 1, cols, 0);
    if (!y)
        return NULL;
    const struct zm_params_tokens_restore_fwd p = {batch, patches, mask->visible, cols};
    zm_tensor *const bind[] = {x, token, pos, mask->rank, y};
    zm_tape_emit(tape, ZM_KERNEL_tokens_restore_fwd, zm_tensor_count(y), 1, bind, &p);
    const zm_op op = {.backward = tokens_restore_backward,
                      .t = {x, token, mask->keep, mask->rank, y}};
    zm_tape_push(tape, &op, y, bind, 2);
    return y;
}
