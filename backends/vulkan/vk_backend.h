// The insides of the Vulkan backend, shared by its files.
//
//   vk_instance.c   loader, validation layer, message counter
//   vk_caps.c       what a physical device is and can do
//   vk_device.c     open, destroy, the vtable
//   vk_memory.c     allocations and buffers
//   vk_queue.c      the one ordered queue: slots, submits, fences
//   vk_transfer.c   uploads through the staging ring, reads by ticket
//   vk_pipelines.c  layouts and pipelines, made on first use
//   vk_program.c    single runs and recorded programs, barriers
//   vk_cache.c      the pipeline cache file
//   vk_shaders.c    SPIR-V of every kernel
//
// Work goes into the open slot's command buffer, one command behind the other with a full
// barrier between them; a slot is submitted when it is full, when somebody waits or asks
// for a ticket, and together with a replay. Programs have command buffers of their own.
#ifndef ZM_VK_BACKEND_H
#define ZM_VK_BACKEND_H

#include <vulkan/vulkan.h>

#include "core/gpu_impl.h"

enum {
    ZM_VK_SLOTS = 16,         // submits in flight before the host has to wait
    ZM_VK_SLOT_COMMANDS = 64, // commands in an open slot before it is submitted
    ZM_VK_MAX_DEVICES = 32,
    ZM_VK_PROGRAM_COMMANDS = 512, // dispatches in one command buffer of a program
};

typedef struct zm_vk_shader {
    const uint32_t *words;
    size_t size_bytes;
} zm_vk_shader;
extern const zm_vk_shader zm_vk_shaders[ZM_KERNEL_COUNT];

typedef struct zm_vk_instance {
    VkInstance handle;
    VkDebugUtilsMessengerEXT messenger; // only with validation
    zm_log log;
    uint32_t messages; // from the validation layer
} zm_vk_instance;

// A buffer that the host sees for its whole life.
typedef struct zm_vk_host_buffer {
    VkBuffer buffer;
    VkDeviceMemory memory;
    void *mapped;
    uint64_t size;
    bool coherent;
} zm_vk_host_buffer;

typedef enum zm_vk_slot_state {
    ZM_VK_SLOT_FREE,
    ZM_VK_SLOT_RECORDING,
    ZM_VK_SLOT_ENDED,     // closed, but its submit failed: tried again by the next one
    ZM_VK_SLOT_SUBMITTED, // until its fence was seen
} zm_vk_slot_state;

typedef struct zm_vk_slot {
    zm_vk_slot_state state;
    VkCommandBuffer cmd;
    VkFence fence;
    VkDescriptorPool sets; // for single runs
    uint32_t commands;
    uint64_t staging_end; // the staging ring is free up to here once the fence is seen
} zm_vk_slot;

// An answer under way. Answered ones are kept with their memory for the next read.
typedef struct zm_vk_read {
    struct zm_vk_read *next;
    zm_ticket ticket;
    uint64_t serial;
    uint64_t size;
    zm_vk_host_buffer host;
} zm_vk_read;

typedef struct zm_vk_gpu {
    zm_gpu base;
    zm_vk_instance *instance;
    VkPhysicalDevice physical;
    VkDevice device;
    VkPhysicalDeviceMemoryProperties memory;
    uint32_t family;
    VkQueue queue;
    bool validate;
    bool hung; // a wait timed out: nothing may be freed any more
    uint64_t timeout_ns;

    VkCommandPool commands;
    zm_vk_slot slots[ZM_VK_SLOTS];
    uint64_t submitted; // serial of the last submit; the open slot is submitted + 1
    uint64_t completed; // every serial up to here was seen to end

    zm_vk_host_buffer staging;
    uint64_t staging_head, staging_tail; // bytes ever taken and given back
    zm_vk_read *reads, *spare_reads;
    zm_ticket last_ticket;

    VkDescriptorSetLayout set_layouts[ZM_MAX_BINDINGS + 1]; // by number of bindings
    VkPipelineLayout layouts[ZM_MAX_BINDINGS + 1];
    VkPipeline pipelines[ZM_KERNEL_COUNT];
    zm_vk_shader shaders[ZM_KERNEL_COUNT];
    VkPipelineCache cache;
    char *cache_path;    // NULL = none
    uint64_t cache_hash; // of what the file holds

    uint32_t seeded_bugs; // ZM_VULKAN_SEED_*, see vulkan_debug.h
} zm_vk_gpu;

typedef struct zm_vk_buf {
    zm_buf base;
    VkBuffer buffer;
    VkDeviceMemory memory;
} zm_vk_buf;

// ZM_OK, or the zm_status of a failed call with its name in the error detail.
zm_status zm_vk_check(VkResult result, const char *call);
#define ZM_VK_TRY(call, what) ZM_TRY(zm_vk_check((call), (what)))

// ---- vk_instance.c
zm_status zm_vk_instance_create(bool validate, const zm_log *log, zm_vk_instance **out);
void zm_vk_instance_destroy(zm_vk_instance **instance);

// ---- vk_caps.c
typedef struct zm_vk_features {
    bool robust_access;
    bool portability_subset; // MoltenVK and the like: must be enabled where it exists
    uint32_t family;
} zm_vk_features;
// False: the portable kernels do not run there; reason says why.
bool zm_vk_caps(VkPhysicalDevice physical, uint32_t index, zm_caps *caps,
                zm_vk_features *features, char reason[96]);

// ---- vk_memory.c
zm_status zm_vk_host_create(zm_vk_gpu *gpu, uint64_t size, bool for_reading,
                            zm_vk_host_buffer *out);
void zm_vk_host_finish(zm_vk_gpu *gpu, zm_vk_host_buffer *buffer);
zm_status zm_vk_buf_create(zm_gpu *gpu, uint64_t size, zm_buf **out);
void zm_vk_buf_destroy(zm_gpu *gpu, zm_buf *buf);

// ---- vk_queue.c
zm_status zm_vk_queue_init(zm_vk_gpu *gpu);
void zm_vk_queue_finish(zm_vk_gpu *gpu);
// The open slot with room for one more command, ordered behind everything before.
zm_status zm_vk_queue_begin(zm_vk_gpu *gpu, zm_vk_slot **out);
// Submits the open slot and behind it count command buffers; cmds[0] is room for the
// open slot's, the others start at cmds[1].
zm_status zm_vk_queue_submit(zm_vk_gpu *gpu, VkCommandBuffer *cmds, uint32_t count);
zm_status zm_vk_queue_flush(zm_vk_gpu *gpu); // submits the open slot if it holds work
zm_status zm_vk_queue_poll(zm_vk_gpu *gpu);  // advances completed, never waits
zm_status zm_vk_queue_wait(zm_vk_gpu *gpu, uint64_t serial);
// Before something is freed: true when no work is left that could use it.
bool zm_vk_queue_idle(zm_vk_gpu *gpu);

// ---- vk_transfer.c
zm_status zm_vk_upload(zm_gpu *gpu, zm_slice dst, const void *src);
zm_status zm_vk_read_begin(zm_gpu *gpu, zm_slice src, zm_ticket *out);
zm_status zm_vk_read_ready(zm_gpu *gpu, zm_ticket ticket, void *dst);
void zm_vk_transfer_finish(zm_vk_gpu *gpu);

// ---- vk_pipelines.c
zm_status zm_vk_layouts_init(zm_vk_gpu *gpu);
zm_status zm_vk_pipeline_get(zm_vk_gpu *gpu, zm_kernel kernel, VkPipeline *out);
void zm_vk_pipelines_finish(zm_vk_gpu *gpu);

// ---- vk_program.c
zm_status zm_vk_run(zm_gpu *gpu, const zm_dispatch *dispatch);
zm_status zm_vk_compile(zm_gpu *gpu, const zm_dispatch *list, size_t count,
                        zm_program **out);
zm_status zm_vk_replay(zm_gpu *gpu, zm_program *program);
void zm_vk_program_destroy(zm_gpu *gpu, zm_program *program);
// What orders the commands after it behind everything before it.
void zm_vk_barrier_all(VkCommandBuffer cmd);

// ---- vk_cache.c: without cache_dir, and under validation, a cache in memory only.
zm_status zm_vk_cache_load(zm_vk_gpu *gpu, const char *cache_dir);
void zm_vk_cache_save(zm_vk_gpu *gpu); // failures are only logged

#endif
