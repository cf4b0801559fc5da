#include "backends/vulkan/vk_backend.h"

#include <stdio.h>
#include <stdlib.h>

#include "backends/vulkan/vulkan_debug.h"

static const uint64_t second_ns = 1000000000u;

void zm_vulkan_seed_bugs(zm_gpu *gpu, uint32_t bugs)
{
    ((zm_vk_gpu *)gpu)->seeded_bugs = bugs;
}

static zm_status list_physical(VkInstance instance,
                               VkPhysicalDevice devices[ZM_VK_MAX_DEVICES],
                               uint32_t *count)
{
    *count = ZM_VK_MAX_DEVICES;
    const VkResult result = vkEnumeratePhysicalDevices(instance, count, devices);
    return result == VK_INCOMPLETE ? ZM_OK
                                   : zm_vk_check(result, "vkEnumeratePhysicalDevices");
}

// A device that cannot run the kernels is listed with the reason in place of its driver
// and max_binding 0.
static uint32_t list_devices(const zm_gpu_params *params, zm_caps *out, uint32_t max)
{
    zm_vk_instance *instance = NULL;
    if (zm_vk_instance_create(false, params ? &params->log : NULL, &instance) != ZM_OK)
        return 0; // no loader that works, no driver
    VkPhysicalDevice devices[ZM_VK_MAX_DEVICES];
    uint32_t count = 0;
    if (list_physical(instance->handle, devices, &count) != ZM_OK)
        count = 0;
    for (uint32_t i = 0; i < ZM_MIN(count, max); i++) {
        zm_vk_features features;
        char reason[96] = "";
        if (!zm_vk_caps(devices[i], i, &out[i], &features, reason)) {
            snprintf(out[i].driver, sizeof out[i].driver, "unusable: %s", reason);
            out[i].max_binding = 0;
        }
    }
    zm_vk_instance_destroy(&instance);
    return count;
}

static zm_status create_device(zm_vk_gpu *gpu, const zm_vk_features *features)
{
    VkPhysicalDeviceFeatures available;
    vkGetPhysicalDeviceFeatures(gpu->physical, &available);
    VkPhysicalDeviceFeatures enabled = {0};
    if (gpu->validate) { // GPU-assisted validation needs these, and no robust access
        enabled.fragmentStoresAndAtomics = available.fragmentStoresAndAtomics;
        enabled.vertexPipelineStoresAndAtomics = available.vertexPipelineStoresAndAtomics;
    } else {
        enabled.robustBufferAccess = features->robust_access;
    }
    static const char *const portability[] = {"VK_KHR_portability_subset"};
    const float priority = 1.0f;
    const VkDeviceQueueCreateInfo queue = {.sType =
                                               VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                           .queueFamilyIndex = features->family,
                                           .queueCount = 1,
                                           .pQueuePriorities = &priority};
    const VkDeviceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                     .queueCreateInfoCount = 1,
                                     .pQueueCreateInfos = &queue,
                                     .enabledExtensionCount =
                                         features->portability_subset ? 1u : 0u,
                                     .ppEnabledExtensionNames = portability,
                                     .pEnabledFeatures = &enabled};
    ZM_VK_TRY(vkCreateDevice(gpu->physical, &info, NULL, &gpu->device), "vkCreateDevice");
    gpu->family = features->family;
    vkGetDeviceQueue(gpu->device, gpu->family, 0, &gpu->queue);
    vkGetPhysicalDeviceMemoryProperties(gpu->physical, &gpu->memory);
    return ZM_OK;
}

static void destroy(zm_gpu *base)
{
    zm_vk_gpu *gpu = (zm_vk_gpu *)base;
    // A device that hangs may still touch everything: its objects are left to the
    // process's end.
    if (gpu->device && zm_vk_queue_idle(gpu)) {
        zm_vk_cache_save(gpu);
        zm_vk_transfer_finish(gpu);
        zm_vk_pipelines_finish(gpu);
        zm_vk_queue_finish(gpu);
        vkDestroyDevice(gpu->device, NULL);
    }
    if (!gpu->hung)
        zm_vk_instance_destroy(&gpu->instance);
    free(gpu->cache_path);
    free(gpu);
}

static zm_status wait(zm_gpu *base)
{
    zm_vk_gpu *gpu = (zm_vk_gpu *)base;
    ZM_TRY(zm_vk_queue_flush(gpu));
    return zm_vk_queue_wait(gpu, gpu->submitted);
}

static const zm_gpu_ops ops = {
    .destroy = destroy,
    .buf_create = zm_vk_buf_create,
    .buf_destroy = zm_vk_buf_destroy,
    .upload = zm_vk_upload,
    .read = zm_vk_read_begin,
    .ready = zm_vk_read_ready,
    .wait = wait,
    .run = zm_vk_run,
    .compile = zm_vk_compile,
    .replay = zm_vk_replay,
    .program_destroy = zm_vk_program_destroy,
};

// Fills in gpu, whose instance exists; whatever was made is freed by destroy.
static zm_status open_physical(zm_vk_gpu *gpu, uint32_t index,
                               const zm_gpu_params *params)
{
    VkPhysicalDevice devices[ZM_VK_MAX_DEVICES];
    uint32_t count = 0;
    ZM_TRY(list_physical(gpu->instance->handle, devices, &count));
    if (index >= count)
        return ZM_FAIL(ZM_ERR_DEVICE, "vulkan:%u: there are %u Vulkan devices",
                       (unsigned)index, (unsigned)count);
    gpu->physical = devices[index];
    zm_vk_features features;
    char reason[96] = "";
    if (!zm_vk_caps(gpu->physical, index, &gpu->base.caps, &features, reason))
        return ZM_FAIL(ZM_ERR_DEVICE, "vulkan:%u (%s) is unusable: %s", (unsigned)index,
                       gpu->base.caps.name, reason);
    // Software has no watchdog of its own and may share the machine.
    gpu->timeout_ns = (gpu->base.caps.software ? 600u : 60u) * second_ns;
    ZM_TRY(create_device(gpu, &features));
    ZM_TRY(zm_vk_queue_init(gpu));
    ZM_TRY(zm_vk_layouts_init(gpu));
    return zm_vk_cache_load(gpu, params ? params->cache_dir : NULL);
}

static zm_status open_device(uint32_t index, const zm_gpu_params *params, zm_gpu **out)
{
    zm_vk_gpu *gpu = zm_calloc(1, sizeof *gpu);
    if (!gpu)
        return ZM_FAIL(ZM_ERR_MEMORY, "no host memory for a device");
    gpu->base.ops = &ops;
    if (params) {
        gpu->base.log = params->log;
        gpu->validate = params->validate;
    }
    zm_status st = zm_vk_instance_create(gpu->validate, &gpu->base.log, &gpu->instance);
    if (st == ZM_OK)
        st = open_physical(gpu, index, params);
    if (st != ZM_OK) {
        destroy(&gpu->base);
        return st;
    }
    *out = &gpu->base;
    return ZM_OK;
}

const zm_backend zm_backend_vulkan = {
    .name = "vulkan", .list = list_devices, .open = open_device};
