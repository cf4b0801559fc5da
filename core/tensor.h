// A tensor: shape, element type, and where its bytes are. Contiguous, row-major, at most
// four dimensions. Tensors belong to the tape that made them.
#ifndef ZM_TENSOR_H
#define ZM_TENSOR_H

#include "core/gpu.h"

enum { ZM_MAX_DIMS = 4 };

typedef struct zm_tensor {
    zm_dtype dtype;
    uint32_t rank;
    uint32_t dim[ZM_MAX_DIMS]; // unused ones are 1
    uint32_t value;            // the tape's number of the memory behind it
    bool needs_grad;           // a gradient flows into it
    bool is_param;             // its gradient lives in the gradient arena and is added to
    bool grad_shared;          // grad is also another tensor's: copy before writing
    struct zm_tensor *grad;    // same shape, or NULL
} zm_tensor;

// Elements; dims are checked against overflow when a tensor is made.
uint64_t zm_tensor_count(const zm_tensor *t);
uint64_t zm_tensor_bytes(const zm_tensor *t);

// True when both have the same dtype, rank and dims.
bool zm_tensor_same_shape(const zm_tensor *a, const zm_tensor *b);

// "(64, 17, 192)" into text, for error messages; returns text.
const char *zm_tensor_shape_text(const zm_tensor *t, char text[64]);

#endif
