#include "backends/vulkan/vk_backend.h"

#include "backends/vulkan/vulkan_debug.h"

void zm_vulkan_set_timeout(zm_gpu *gpu, uint64_t timeout_ns)
{
    ((zm_vk_gpu *)gpu)->timeout_ns = timeout_ns;
}

static zm_vk_slot *slot_of(zm_vk_gpu *gpu, uint64_t serial)
{
    return &gpu->slots[serial % ZM_VK_SLOTS];
}

static zm_status init_slot(zm_vk_gpu *gpu, zm_vk_slot *slot)
{
    const VkCommandBufferAllocateInfo cmd = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = gpu->commands,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1};
    ZM_VK_TRY(vkAllocateCommandBuffers(gpu->device, &cmd, &slot->cmd),
              "vkAllocateCommandBuffers");
    const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    ZM_VK_TRY(vkCreateFence(gpu->device, &fence, NULL, &slot->fence), "vkCreateFence");
    const VkDescriptorPoolSize size = {.type = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                       .descriptorCount =
                                           ZM_VK_SLOT_COMMANDS * ZM_MAX_BINDINGS};
    const VkDescriptorPoolCreateInfo sets = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = ZM_VK_SLOT_COMMANDS,
        .poolSizeCount = 1,
        .pPoolSizes = &size};
    ZM_VK_TRY(vkCreateDescriptorPool(gpu->device, &sets, NULL, &slot->sets),
              "vkCreateDescriptorPool");
    return ZM_OK;
}

zm_status zm_vk_queue_init(zm_vk_gpu *gpu)
{
    const VkCommandPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
        .queueFamilyIndex = gpu->family};
    ZM_VK_TRY(vkCreateCommandPool(gpu->device, &info, NULL, &gpu->commands),
              "vkCreateCommandPool");
    for (size_t i = 0; i < ZM_VK_SLOTS; i++)
        ZM_TRY(init_slot(gpu, &gpu->slots[i]));
    return ZM_OK;
}

void zm_vk_queue_finish(zm_vk_gpu *gpu)
{
    for (size_t i = 0; i < ZM_VK_SLOTS; i++) {
        vkDestroyFence(gpu->device, gpu->slots[i].fence, NULL);
        vkDestroyDescriptorPool(gpu->device, gpu->slots[i].sets, NULL);
    }
    vkDestroyCommandPool(gpu->device, gpu->commands, NULL); // frees the command buffers
}

// Keeps a loss, so that destroys do not wait for what never ends.
static zm_status note_loss(zm_vk_gpu *gpu, zm_status st)
{
    if (st == ZM_ERR_LOST)
        gpu->base.lost = true;
    return st;
}

// The oldest submit has ended: its slot can be filled again.
static zm_status retire_oldest(zm_vk_gpu *gpu)
{
    zm_vk_slot *slot = slot_of(gpu, gpu->completed + 1);
    ZM_VK_TRY(vkResetDescriptorPool(gpu->device, slot->sets, 0), "vkResetDescriptorPool");
    ZM_VK_TRY(vkResetFences(gpu->device, 1, &slot->fence), "vkResetFences");
    slot->state = ZM_VK_SLOT_FREE;
    slot->commands = 0;
    gpu->staging_tail = slot->staging_end;
    gpu->completed++;
    return ZM_OK;
}

zm_status zm_vk_queue_poll(zm_vk_gpu *gpu)
{
    while (gpu->completed < gpu->submitted) {
        const VkResult result =
            vkGetFenceStatus(gpu->device, slot_of(gpu, gpu->completed + 1)->fence);
        if (result == VK_NOT_READY)
            return ZM_OK;
        ZM_TRY(note_loss(gpu, zm_vk_check(result, "vkGetFenceStatus")));
        ZM_TRY(retire_oldest(gpu));
    }
    return ZM_OK;
}

zm_status zm_vk_queue_wait(zm_vk_gpu *gpu, uint64_t serial)
{
    while (gpu->completed < serial) {
        const VkResult result =
            vkWaitForFences(gpu->device, 1, &slot_of(gpu, gpu->completed + 1)->fence,
                            VK_TRUE, gpu->timeout_ns);
        if (result == VK_TIMEOUT) {
            gpu->hung = true;
            return note_loss(gpu, ZM_FAIL(ZM_ERR_LOST,
                                          "%s did not answer within %u s: it hangs, or "
                                          "one step is far too large for it",
                                          gpu->base.caps.name,
                                          (unsigned)(gpu->timeout_ns / 1000000000u)));
        }
        ZM_TRY(note_loss(gpu, zm_vk_check(result, "vkWaitForFences")));
        ZM_TRY(retire_oldest(gpu));
    }
    return ZM_OK;
}

// The slot of the next submit, waited for when all are in flight.
static zm_status next_slot(zm_vk_gpu *gpu, zm_vk_slot **out)
{
    zm_vk_slot *slot = slot_of(gpu, gpu->submitted + 1);
    if (slot->state == ZM_VK_SLOT_SUBMITTED)
        ZM_TRY(zm_vk_queue_wait(gpu, gpu->submitted + 1 - ZM_VK_SLOTS));
    *out = slot;
    return ZM_OK;
}

static zm_status end_recording(zm_vk_gpu *gpu, zm_vk_slot *slot)
{
    if (slot->state != ZM_VK_SLOT_RECORDING)
        return ZM_OK;
    const VkResult result = vkEndCommandBuffer(slot->cmd);
    if (result != VK_SUCCESS) // the commands are gone: what follows would be wrong
        return note_loss(gpu, ZM_FAIL(ZM_ERR_LOST,
                                      "vkEndCommandBuffer: VkResult %d, queued work is "
                                      "lost",
                                      result));
    slot->state = ZM_VK_SLOT_ENDED;
    return ZM_OK;
}

zm_status zm_vk_queue_submit(zm_vk_gpu *gpu, VkCommandBuffer *cmds, uint32_t count)
{
    zm_vk_slot *slot = NULL;
    ZM_TRY(next_slot(gpu, &slot));
    ZM_TRY(end_recording(gpu, slot));
    const bool has_own = slot->state == ZM_VK_SLOT_ENDED;
    cmds[0] = slot->cmd;
    const VkSubmitInfo info = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                               .commandBufferCount = count + (has_own ? 1u : 0u),
                               .pCommandBuffers = has_own ? cmds : cmds + 1};
    ZM_TRY(note_loss(gpu, zm_vk_check(vkQueueSubmit(gpu->queue, 1, &info, slot->fence),
                                      "vkQueueSubmit")));
    slot->state = ZM_VK_SLOT_SUBMITTED;
    slot->staging_end = gpu->staging_head;
    gpu->submitted++;
    return ZM_OK;
}

zm_status zm_vk_queue_flush(zm_vk_gpu *gpu)
{
    const zm_vk_slot_state state = slot_of(gpu, gpu->submitted + 1)->state;
    if (state != ZM_VK_SLOT_RECORDING && state != ZM_VK_SLOT_ENDED)
        return ZM_OK;
    VkCommandBuffer cmds[1];
    return zm_vk_queue_submit(gpu, cmds, 0);
}

zm_status zm_vk_queue_begin(zm_vk_gpu *gpu, zm_vk_slot **out)
{
    zm_vk_slot *slot = slot_of(gpu, gpu->submitted + 1);
    if (slot->state == ZM_VK_SLOT_ENDED ||
        (slot->state == ZM_VK_SLOT_RECORDING && slot->commands >= ZM_VK_SLOT_COMMANDS))
        ZM_TRY(zm_vk_queue_flush(gpu));
    ZM_TRY(next_slot(gpu, &slot));
    if (slot->state == ZM_VK_SLOT_FREE) {
        const VkCommandBufferBeginInfo info = {
            .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
            .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
        ZM_VK_TRY(vkBeginCommandBuffer(slot->cmd, &info), "vkBeginCommandBuffer");
        slot->state = ZM_VK_SLOT_RECORDING;
        zm_vk_barrier_all(slot->cmd);
    } else if (!(gpu->seeded_bugs & ZM_VULKAN_SEED_QUEUE_BARRIER)) {
        zm_vk_barrier_all(slot->cmd);
    }
    slot->commands++;
    *out = slot;
    return ZM_OK;
}

bool zm_vk_queue_idle(zm_vk_gpu *gpu)
{
    if (zm_vk_queue_flush(gpu) != ZM_OK && !gpu->base.lost) {
        // Recorded work that cannot be submitted may name what is about to be freed.
        gpu->base.lost = true;
        zm_log_write(&gpu->base.log, ZM_LOG_WARN, "queued work was dropped: %s",
                     zm_error_detail());
    }
    if (gpu->seeded_bugs & ZM_VULKAN_SEED_NO_WAIT)
        return true;
    const bool waited = !gpu->base.lost && zm_vk_queue_wait(gpu, gpu->submitted) == ZM_OK;
    if (!waited && !gpu->hung)
        vkDeviceWaitIdle(gpu->device); // ends in finite time on a lost device too
    return !gpu->hung;
}
