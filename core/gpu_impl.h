// What a backend implements: about a dozen functions that know nothing of models. gpu.c
// has checked every argument before one of these is called.
#ifndef ZM_GPU_IMPL_H
#define ZM_GPU_IMPL_H

#include "core/gpu.h"

typedef struct zm_gpu_ops {
    void (*destroy)(zm_gpu *gpu); // waits, frees gpu itself
    zm_status (*buf_create)(zm_gpu *gpu, uint64_t size, zm_buf **out); // zero contents
    void (*buf_destroy)(zm_gpu *gpu, zm_buf *buf);                     // waits if in use
    zm_status (*upload)(zm_gpu *gpu, zm_slice dst, const void *src);
    zm_status (*read)(zm_gpu *gpu, zm_slice src, zm_ticket *out);
    zm_status (*ready)(zm_gpu *gpu, zm_ticket ticket, void *dst);
    zm_status (*wait)(zm_gpu *gpu); // NULL where nothing may wait (a browser)
    zm_status (*run)(zm_gpu *gpu, const zm_dispatch *dispatch);
    zm_status (*compile)(zm_gpu *gpu, const zm_dispatch *list, size_t count,
                         zm_program **out);
    zm_status (*replay)(zm_gpu *gpu, zm_program *program);
    void (*program_destroy)(zm_gpu *gpu, zm_program *program);
} zm_gpu_ops;

// Backends embed these as their first member.
struct zm_gpu {
    const zm_gpu_ops *ops;
    zm_caps caps;
    zm_log log;
    bool lost; // sticky: set by gpu.c when any call returned ZM_ERR_LOST
};
struct zm_buf {
    zm_gpu *gpu;
    uint64_t size;
};
struct zm_program {
    zm_gpu *gpu;
};

typedef struct zm_backend {
    const char *name;
    // Fills at most max entries and returns how many devices there are; a missing driver
    // or loader is 0 devices, not an error.
    uint32_t (*list)(const zm_gpu_params *params, zm_caps *out, uint32_t max);
    zm_status (*open)(uint32_t index, const zm_gpu_params *params, zm_gpu **out);
} zm_backend;

extern const zm_backend zm_backend_cpu;
#ifdef ZM_HAVE_VULKAN
extern const zm_backend zm_backend_vulkan;
#endif

// True when two slices share bytes.
bool zm_slice_overlaps(zm_slice a, zm_slice b);

// True when b must wait for a: one writes what the other touches.
bool zm_dispatch_depends(const zm_dispatch *a, const zm_dispatch *b);

#endif
