// Memory of a tape: from lifetimes to places. Part of tape.c; nothing else includes it.
#ifndef ZM_TAPE_PLAN_H
#define ZM_TAPE_PLAN_H

#include "core/gpu.h"

typedef enum zm_value_kind {
    ZM_VALUE_TEMP,    // shares memory with values that live at other times
    ZM_VALUE_OWN,     // memory of its own for as long as the tape
    ZM_VALUE_WRAPPED, // the caller's memory
} zm_value_kind;

typedef struct zm_value {
    zm_value_kind kind;
    zm_slice slice;     // wrapped: given; else filled in by zm_plan_allocate
    uint64_t size;      // bytes
    size_t first, last; // kernels that use it; first SIZE_MAX = none
    uint32_t buffer;    // of the plan
    uint64_t offset;
} zm_value;

typedef struct zm_node {
    zm_dispatch dispatch; // its slices are filled in at compile
    uint32_t value[ZM_MAX_BINDINGS];
} zm_node;

enum { ZM_PLAN_BUFFERS = 64 };

typedef struct zm_plan {
    bool ready;
    uint64_t bytes; // in all buffers
    uint64_t buffer_bytes[ZM_PLAN_BUFFERS];
    uint32_t buffer_count;
    zm_buf *buffers[ZM_PLAN_BUFFERS];
} zm_plan;

// Places every value: temporaries largest first, each in the lowest gap that is free
// while it lives, in buffers no larger than caps->max_buffer. Allocates no device memory.
zm_status zm_plan_make(const zm_caps *caps, zm_value *values, size_t count,
                       zm_plan *plan);
zm_status zm_plan_allocate(zm_gpu *gpu, zm_value *values, size_t count, zm_plan *plan);
void zm_plan_finish(zm_plan *plan);

#endif
