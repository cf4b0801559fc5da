// For tests: the count of validation messages, and bugs that the validation gate must
// find. Nothing here is for programs.
#ifndef ZM_VULKAN_DEBUG_H
#define ZM_VULKAN_DEBUG_H

#include "core/gpu.h"

// Messages (warnings and errors) of the validation layer so far. Work must have been
// waited for; GPU-assisted findings come with the submit.
uint32_t zm_vulkan_validation_messages(const zm_gpu *gpu);

enum {
    ZM_VULKAN_SEED_PROGRAM_BARRIER = 1, // programs have no barriers between dispatches
    ZM_VULKAN_SEED_QUEUE_BARRIER = 2,   // nor single runs, uploads and reads
    ZM_VULKAN_SEED_NO_WAIT = 4,         // destroys do not wait for work in flight
};
void zm_vulkan_seed_bugs(zm_gpu *gpu, uint32_t bugs);

// Barriers between the dispatches of a program. The layer's synchronization checks let
// two shaders write the same buffer without a barrier (they cannot see whether the
// elements differ), so tests count here.
uint32_t zm_vulkan_program_barriers(const zm_program *program);

// The time after which a wait gives the device up for lost.
void zm_vulkan_set_timeout(zm_gpu *gpu, uint64_t timeout_ns);

// Puts other SPIR-V in place of a kernel that was not used yet; words must outlive gpu.
void zm_vulkan_replace_shader(zm_gpu *gpu, zm_kernel kernel, const uint32_t *words,
                              size_t size_bytes);

#endif
