// The tape: records which kernels run and which ops they came from, derives the backward
// pass, plans memory and replays. Recording executes nothing.
//
//   zm_tape_create(gpu, grads, &tape);
//   x = zm_tape_input(tape, ...);  y = zm_linear(tape, x, w, b);  ...   // ops.h
//   zm_tape_backward(tape);
//   zm_tape_compile(tape);              // plans, allocates, prepares; checks the status
//   zm_gpu_upload(gpu, zm_tape_slice(tape, x), ...);  zm_tape_replay(tape);
//
// The status is sticky: after the first failure every op returns NULL and does nothing,
// ops accept NULL, so model code reads as formulas and compile reports the first failure.
#ifndef ZM_TAPE_H
#define ZM_TAPE_H

#include "core/kernel_structs.h"
#include "core/tensor.h"

typedef struct zm_tape zm_tape;
typedef struct zm_op zm_op;

enum { ZM_OP_TENSORS = 10, ZM_OP_WORDS = 8 };

// One forward op, remembered for its backward function.
struct zm_op {
    void (*backward)(zm_tape *tape, const zm_op *op);
    zm_tensor *t[ZM_OP_TENSORS]; // inputs, saved values and the output, as the op likes
    uint32_t u[ZM_OP_WORDS];
    float f[2];
};

// grads: record what backward needs; off for inference.
zm_status zm_tape_create(zm_gpu *gpu, bool grads, zm_tape **out);
void zm_tape_destroy(zm_tape **tape);

zm_dtype zm_tape_real(const zm_tape *tape); // f32, or f64 on the double-precision CPU
bool zm_tape_ok(const zm_tape *tape);
void zm_tape_fail(zm_tape *tape, zm_status status); // keeps the first

// Tensors. dims beyond rank are ignored. All return NULL after a failure: ZM_ERR_SHAPE
// for a dimension of 0, ZM_ERR_MEMORY for more than 2^32 - 1 elements.
//   temp    lives from its first to its last use; memory is shared with others
//   input   its own memory; the caller uploads before a replay
//   wrap    memory that the caller owns (parameters); grad: where gradients are added,
//           NULL = no gradient wanted
zm_tensor *zm_tape_temp(zm_tape *tape, zm_dtype dtype, uint32_t rank,
                        const uint32_t *dims);
zm_tensor *zm_tape_input(zm_tape *tape, zm_dtype dtype, uint32_t rank,
                         const uint32_t *dims);
zm_tensor *zm_tape_wrap(zm_tape *tape, zm_slice slice, const zm_slice *grad,
                        uint32_t rank, const uint32_t *dims);
// The same bytes under another shape of equal count (a view).
zm_tensor *zm_tape_reshape(zm_tape *tape, zm_tensor *t, uint32_t rank,
                           const uint32_t *dims);
// Gives t memory of its own that stays readable after a replay.
void zm_tape_keep(zm_tape *tape, zm_tensor *t);
// Wants the gradient of an input tensor (tests); call before it is used.
void zm_tape_want_grad(zm_tape *tape, zm_tensor *t);

// Appends one kernel. tensors in binding order; params is struct zm_params_<kernel>. More
// outputs than one dispatch can have are ZM_ERR_MEMORY: a smaller batch helps.
void zm_tape_emit(zm_tape *tape, zm_kernel kernel, uint64_t extent_x, uint64_t extent_y,
                  zm_tensor *const *tensors, const void *params);

// Remembers an op for backward (copied) when gradients are recorded and out needs one.
// out->needs_grad is set when any of the n inputs needs one.
void zm_tape_push(zm_tape *tape, const zm_op *op, zm_tensor *out,
                  zm_tensor *const *inputs, size_t n);

// Where an op's backward writes the gradient of t: NULL when none is wanted; *accumulate
// = the kernel must add to what is there.
zm_tensor *zm_tape_grad(zm_tape *tape, zm_tensor *t, uint32_t *accumulate);
// The gradient of t is exactly g (residual additions): shares memory where it can.
void zm_tape_pass_grad(zm_tape *tape, zm_tensor *t, zm_tensor *g);

// Appends the backward pass of all ops pushed so far, last to first. The loss ops start
// it.
void zm_tape_backward(zm_tape *tape);

// Plans memory, allocates it and prepares the program. Returns the first failure.
zm_status zm_tape_compile(zm_tape *tape);
// Bytes that compile allocates (arena and inputs; not the caller's), also before compile.
uint64_t zm_tape_memory(zm_tape *tape);
size_t zm_tape_dispatches(const zm_tape *tape);
zm_kernel zm_tape_kernel_at(const zm_tape *tape, size_t i); // of dispatch i
zm_status zm_tape_replay(zm_tape *tape);

// The bytes of an input, a kept tensor or a wrapped one, after compile.
zm_slice zm_tape_slice(const zm_tape *tape, const zm_tensor *t);

#endif
