// The public GPU surface: buffers, kernels, recorded programs. Read this first.
//
// A zm_gpu is one device of one backend (cpu, vulkan, later webgpu). Work is queued in
// one order; a run sees every earlier write. Rules for callers, checked once in gpu.c for
// all backends, so that a mistake that only one device would notice fails everywhere:
//   - a slice starts at a multiple of caps.align, its size is a multiple of 4; one that a
//     dispatch binds is at most caps.max_binding;
//   - the bindings of a dispatch do not overlap unless both are only read;
//   - only zm_gpu_wait and the destroys wait.
// A failed call leaves everything usable; a lost device (ZM_ERR_LOST) is final and every
// later call says so. One thread per zm_gpu.
#ifndef ZM_GPU_H
#define ZM_GPU_H

#include "core/base.h"

typedef struct zm_gpu zm_gpu;
typedef struct zm_buf zm_buf;
typedef struct zm_program zm_program;
typedef uint64_t zm_ticket; // 0 = none

enum { ZM_MAX_BINDINGS = 8, ZM_MAX_PARAM_BYTES = 64 };

// Element types. ZM_REAL kernels compute in caps.real: f32, or f64 on the
// double-precision CPU backend that gradient checks use.
typedef enum zm_dtype { ZM_F32, ZM_F64, ZM_U32 } zm_dtype;
uint32_t zm_dtype_size(zm_dtype dtype);

// Every kernel, by the name that its shader, its C twin and its parameter struct share.
typedef enum zm_kernel {
#define ZM_KERNEL(name, access, shape, tile_x, tile_y) ZM_KERNEL_##name,
#include "shaders/kernels.def"
#undef ZM_KERNEL
    ZM_KERNEL_COUNT
} zm_kernel;

// How the extent of a dispatch becomes work groups (tile_x, tile_y from kernels.def).
typedef enum zm_kernel_shape {
    ZM_ELEMENTS, // extent[0] outputs, tile_x threads a group, groups stride over the rest
    ZM_ROWS,     // extent[0] rows, one group a row, groups stride over the rest
    ZM_TILES,    // extent[0] x extent[1] outputs in tiles of tile_x x tile_y
} zm_kernel_shape;

typedef struct zm_kernel_info {
    const char *name;
    const char
        *access; // one letter a binding: r read, w written whole, m read and written
    zm_kernel_shape shape;
    uint32_t tile_x, tile_y;
    uint32_t bindings;
    uint32_t param_bytes;
} zm_kernel_info;
const zm_kernel_info *zm_kernel_get(zm_kernel kernel);

enum { ZM_MAX_GROUPS = 65535 };

// Groups along x and y for an extent: what every backend launches.
void zm_kernel_groups(zm_kernel kernel, const uint32_t extent[2], uint32_t groups[2]);

// False when an extent has too many outputs for one dispatch.
bool zm_kernel_takes(zm_kernel kernel, const uint32_t extent[2]);

// What a device is and can do: plain data, filled in at creation.
typedef struct zm_caps {
    char backend[16]; // "cpu", "vulkan"
    char name[128];
    char vendor[64];
    char driver[128]; // name and version
    char uuid[40];    // hex, or "" where there is none
    uint32_t index;   // N of backend:N
    bool software;    // runs on the CPU
    bool discrete;
    zm_dtype real;
    uint64_t memory_bytes; // total, 0 = unknown
    uint64_t align;        // of slices
    uint64_t max_binding;  // bytes of one slice
    uint64_t max_buffer;   // bytes of one buffer
    bool f16, bf16, timestamps, subgroups,
        coopmat;            // reported; used where a variant exists
    uint32_t subgroup_size; // 0 = none
    uint32_t threads;       // CPU backend: threads in use
    char isa[32];           // CPU backend: "avx512", "avx2", ...
} zm_caps;

typedef struct zm_slice {
    zm_buf *buf;
    uint64_t offset; // bytes
    uint64_t size;   // bytes
} zm_slice;

typedef struct zm_dispatch {
    zm_kernel kernel;
    uint32_t extent[2]; // in outputs or rows, see zm_kernel_shape; [1] = 1 unless TILES
    zm_slice bind[ZM_MAX_BINDINGS];
    unsigned char params[ZM_MAX_PARAM_BYTES]; // struct zm_params_<kernel>
} zm_dispatch;

typedef struct zm_gpu_params {
    uint32_t threads; // CPU backend [0 = all allowed CPUs]
    bool f64;         // CPU backend in double precision
    bool validate;    // Vulkan: validation layers with synchronization and GPU-assisted
                      // checks
    const char *cache_dir; // Vulkan: where the pipeline cache lives; NULL = none
    zm_log log;
} zm_gpu_params;

// Opens the device that spec names: "auto" (a real GPU, else the CPU), "cpu", "vulkan"
// (the best Vulkan device, software included), "vulkan:N" (N-th of
// vkEnumeratePhysicalDevices), a UUID, or a part of a device name. ZM_ERR_DEVICE lists
// what there was to choose from.
zm_status zm_gpu_open(const char *spec, const zm_gpu_params *params, zm_gpu **out);
void zm_gpu_destroy(zm_gpu **gpu);
const zm_caps *zm_gpu_caps(const zm_gpu *gpu);

// Every device of every backend. visit is called once for each; auto_index receives the
// position that "auto" takes, reason a sentence why.
typedef struct zm_device_list {
    zm_caps *devices;
    uint32_t count;
    uint32_t auto_index;
    char reason[160];
} zm_device_list;
zm_status zm_gpu_list(const zm_gpu_params *params, zm_device_list *out);
void zm_gpu_list_finish(zm_device_list *list);

// Contents are zero. ZM_ERR_MEMORY names size and limit.
zm_status zm_buf_create(zm_gpu *gpu, uint64_t size, zm_buf **out);
void zm_buf_destroy(zm_buf **buf); // waits for work that uses it
uint64_t zm_buf_size(const zm_buf *buf);
zm_slice zm_buf_whole(zm_buf *buf);

// Queues a write of dst.size bytes; src is free on return. Keeps its place in the order.
zm_status zm_gpu_upload(zm_gpu *gpu, zm_slice dst, const void *src);

// Queues a copy back; the bytes are fetched by ready (ZM_PENDING until they are there; a
// ticket is used up by the call that returns ZM_OK) or after wait.
zm_status zm_gpu_read(zm_gpu *gpu, zm_slice src, zm_ticket *out);
zm_status zm_gpu_ready(zm_gpu *gpu, zm_ticket ticket, void *dst);
zm_status zm_gpu_wait(zm_gpu *gpu);

// read + wait + ready in one: for tests and the command line, never for core code.
zm_status zm_gpu_fetch(zm_gpu *gpu, zm_slice src, void *dst);

// Queues one kernel; does not wait.
zm_status zm_gpu_run(zm_gpu *gpu, const zm_dispatch *dispatch);

// Prepares a list of dispatches that replay queues as a whole, any number of times. The
// dispatches are copied; the buffers must outlive the program. Barriers follow from what
// the kernels read and write: independent neighbours may run at the same time.
zm_status zm_gpu_compile(zm_gpu *gpu, const zm_dispatch *list, size_t count,
                         zm_program **out);
zm_status zm_gpu_replay(zm_gpu *gpu, zm_program *program);
void zm_program_destroy(zm_program **program); // waits for replays in flight

#endif
