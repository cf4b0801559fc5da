#include "backends/vulkan/vk_backend.h"

#include <stdlib.h>

// The first memory type in allowed with all of the wanted properties; UINT32_MAX = none.
static uint32_t find_type(const zm_vk_gpu *gpu, uint32_t allowed,
                          VkMemoryPropertyFlags wanted)
{
    for (uint32_t i = 0; i < gpu->memory.memoryTypeCount; i++)
        if ((allowed >> i & 1u) &&
            (gpu->memory.memoryTypes[i].propertyFlags & wanted) == wanted)
            return i;
    return UINT32_MAX;
}

static zm_status create_buffer(zm_vk_gpu *gpu, uint64_t size, VkBufferUsageFlags usage,
                               VkBuffer *out)
{
    const VkBufferCreateInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                     .size = size,
                                     .usage = usage,
                                     .sharingMode = VK_SHARING_MODE_EXCLUSIVE};
    return zm_vk_check(vkCreateBuffer(gpu->device, &info, NULL, out), "vkCreateBuffer");
}

static VkResult allocate(zm_vk_gpu *gpu, uint64_t size, uint32_t type,
                         VkDeviceMemory *out)
{
    const VkMemoryAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                       .allocationSize = size,
                                       .memoryTypeIndex = type};
    return vkAllocateMemory(gpu->device, &info, NULL, out);
}

static void free_buffer(zm_vk_gpu *gpu, VkBuffer buffer, VkDeviceMemory memory)
{
    vkDestroyBuffer(gpu->device, buffer, NULL);
    vkFreeMemory(gpu->device, memory, NULL);
}

zm_status zm_vk_host_create(zm_vk_gpu *gpu, uint64_t size, bool for_reading,
                            zm_vk_host_buffer *out)
{
    zm_vk_host_buffer host = {.size = size};
    ZM_TRY(create_buffer(gpu, size,
                         for_reading ? VK_BUFFER_USAGE_TRANSFER_DST_BIT
                                     : VK_BUFFER_USAGE_TRANSFER_SRC_BIT,
                         &host.buffer));
    VkMemoryRequirements need;
    vkGetBufferMemoryRequirements(gpu->device, host.buffer, &need);
    const VkMemoryPropertyFlags visible = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;
    const VkMemoryPropertyFlags coherent = visible | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    uint32_t type = UINT32_MAX;
    if (for_reading) // reads of uncached memory crawl
        type = find_type(gpu, need.memoryTypeBits,
                         visible | VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
    if (type == UINT32_MAX)
        type = find_type(gpu, need.memoryTypeBits, coherent); // Vulkan promises one
    zm_status st = ZM_OK;
    if (type == UINT32_MAX) {
        st = ZM_FAIL(ZM_ERR_DEVICE, "the driver has no host-visible memory");
        goto fail;
    }
    host.coherent = (gpu->memory.memoryTypes[type].propertyFlags & coherent) == coherent;
    st = zm_vk_check(allocate(gpu, need.size, type, &host.memory), "vkAllocateMemory");
    if (st == ZM_OK)
        st = zm_vk_check(vkBindBufferMemory(gpu->device, host.buffer, host.memory, 0),
                         "vkBindBufferMemory");
    if (st == ZM_OK)
        st = zm_vk_check(
            vkMapMemory(gpu->device, host.memory, 0, VK_WHOLE_SIZE, 0, &host.mapped),
            "vkMapMemory");
    if (st != ZM_OK)
        goto fail;
    *out = host;
    return ZM_OK;
fail:
    free_buffer(gpu, host.buffer, host.memory);
    return zm_error_context(st, "%llu bytes for transfers", (unsigned long long)size);
}

void zm_vk_host_finish(zm_vk_gpu *gpu, zm_vk_host_buffer *host)
{
    free_buffer(gpu, host->buffer, host->memory); // unmaps
    *host = (zm_vk_host_buffer){0};
}

// Device-local memory, else any: a slower buffer is better than none.
static zm_status allocate_device(zm_vk_gpu *gpu, const VkMemoryRequirements *need,
                                 VkDeviceMemory *out)
{
    const uint32_t local =
        find_type(gpu, need->memoryTypeBits, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
    VkResult result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    if (local != UINT32_MAX)
        result = allocate(gpu, need->size, local, out);
    const uint32_t any = find_type(gpu, need->memoryTypeBits, 0);
    for (uint32_t type = any;
         result == VK_ERROR_OUT_OF_DEVICE_MEMORY && type < gpu->memory.memoryTypeCount;
         type++) {
        const VkMemoryPropertyFlags flags = gpu->memory.memoryTypes[type].propertyFlags;
        if (!(need->memoryTypeBits >> type & 1u) ||
            (flags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT) ||
            !(flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT))
            continue;
        result = allocate(gpu, need->size, type, out);
        if (result == VK_SUCCESS)
            zm_log_write(&gpu->base.log, ZM_LOG_WARN,
                         "device memory is full: %llu bytes went to host memory (slow)",
                         (unsigned long long)need->size);
    }
    return zm_vk_check(result, "vkAllocateMemory");
}

zm_status zm_vk_buf_create(zm_gpu *base, uint64_t size, zm_buf **out)
{
    zm_vk_gpu *gpu = (zm_vk_gpu *)base;
    zm_vk_buf *buf = zm_calloc(1, sizeof *buf);
    if (!buf)
        return ZM_FAIL(ZM_ERR_MEMORY, "no host memory for a buffer");
    buf->base = (zm_buf){.gpu = base, .size = size};
    // whole words, so that vkCmdFillBuffer reaches the end
    const uint64_t whole = (size + 3) & ~(uint64_t)3;
    zm_status st = create_buffer(gpu, whole,
                                 VK_BUFFER_USAGE_STORAGE_BUFFER_BIT |
                                     VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                                     VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                                 &buf->buffer);
    if (st != ZM_OK)
        goto fail;
    VkMemoryRequirements need;
    vkGetBufferMemoryRequirements(gpu->device, buf->buffer, &need);
    st = allocate_device(gpu, &need, &buf->memory);
    if (st == ZM_OK)
        st = zm_vk_check(vkBindBufferMemory(gpu->device, buf->buffer, buf->memory, 0),
                         "vkBindBufferMemory");
    zm_vk_slot *slot = NULL;
    if (st == ZM_OK)
        st = zm_vk_queue_begin(gpu, &slot);
    if (st != ZM_OK)
        goto fail;
    vkCmdFillBuffer(slot->cmd, buf->buffer, 0, VK_WHOLE_SIZE, 0);
    *out = &buf->base;
    return ZM_OK;
fail:
    free_buffer(gpu, buf->buffer, buf->memory);
    free(buf);
    return zm_error_context(st, "a buffer of %llu bytes (the device has %llu)",
                            (unsigned long long)size,
                            (unsigned long long)gpu->base.caps.memory_bytes);
}

void zm_vk_buf_destroy(zm_gpu *base, zm_buf *buf)
{
    zm_vk_gpu *gpu = (zm_vk_gpu *)base;
    zm_vk_buf *own = (zm_vk_buf *)buf;
    if (zm_vk_queue_idle(gpu))
        free_buffer(gpu, own->buffer, own->memory);
    free(own);
}
