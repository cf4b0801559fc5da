#include "core/ops/op_util.h"

zm_tensor *zm_augment(zm_tape *tape, zm_tensor *raw, zm_tensor *objects, zm_tensor *step,
                      zm_tensor *scale, const zm_augment_args *args)
{
    if (!zm_tape_ok(tape) || !raw || !objects || !step || !scale)
        return NULL;
    char text[64];
    if (!OP_REQUIRE(
            tape,
            raw->rank == 4 && raw->dim[1] == raw->dim[2] &&
                raw->dim[1] >= args->out_size && zm_tensor_count(scale) == raw->dim[3],
            "input: cutouts %s are smaller than the %u pixels that the model sees",
            zm_tensor_shape_text(raw, text), args->out_size))
        return NULL;
    const uint32_t batch = raw->dim[0], bands = raw->dim[3];
    zm_tensor *y = op_temp(tape, batch, args->out_size, args->out_size, bands);
    if (!y)
        return NULL;
    const struct zm_params_augment p = {.batch = batch,
                                        .in_size = raw->dim[1],
                                        .out_size = args->out_size,
                                        .channels = bands,
                                        .flags = args->flags,
                                        .stretch = args->stretch,
                                        .seed_lo = (uint32_t)args->seed,
                                        .seed_hi = (uint32_t)(args->seed >> 32),
                                        .noise = args->noise};
    zm_tensor *const bind[] = {raw, objects, step, scale, y};
    zm_tape_emit(tape, ZM_KERNEL_augment,
                 (uint64_t)batch * args->out_size * args->out_size, 1, bind, &p);
    return y;
}
