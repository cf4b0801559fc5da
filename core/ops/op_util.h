// Small helpers that the ops share.
#ifndef ZM_OP_UTIL_H
#define ZM_OP_UTIL_H

#include "core/ops/ops.h"

// Rows and columns of a tensor seen as (rows, last dimension).
static inline uint32_t op_cols(const zm_tensor *t)
{
    return t->dim[t->rank - 1];
}
static inline uint32_t op_rows(const zm_tensor *t)
{
    return (uint32_t)(zm_tensor_count(t) / op_cols(t));
}

// False (with the tape failed) unless the condition holds; the message says what op
// found.
#define OP_REQUIRE(tape, condition, ...)                                                 \
    ((condition) ? true                                                                  \
                 : (zm_tape_fail((tape), ZM_FAIL(ZM_ERR_SHAPE, __VA_ARGS__)), false))

// A temporary real tensor of the same shape, with another last dimension, or scalar.
zm_tensor *op_like(zm_tape *tape, const zm_tensor *t);
zm_tensor *op_like_cols(zm_tape *tape, const zm_tensor *t, uint32_t cols);
zm_tensor *op_temp(zm_tape *tape, uint32_t a, uint32_t b, uint32_t c, uint32_t d);

bool op_needs_grad(zm_tensor *const *inputs, size_t n);

// dst[c] (=, +=) sum over rows of src (rows, cols).
void op_colsum(zm_tape *tape, zm_tensor *src, zm_tensor *dst, uint32_t accumulate);

#endif
