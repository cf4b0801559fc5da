#include "backends/vulkan/vk_backend.h"

#include <stdlib.h>

#include "backends/vulkan/vulkan_debug.h"

typedef struct vk_program {
    zm_program base;
    VkCommandPool commands;
    VkDescriptorPool sets;
    uint32_t barriers;
    uint32_t count;        // of command buffers
    VkCommandBuffer *cmds; // [0] is room for the queue's open slot, [1..count] are ours
} vk_program;

void zm_vk_barrier_all(VkCommandBuffer cmd)
{
    const VkPipelineStageFlags stages =
        VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
    const VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
                         VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT};
    vkCmdPipelineBarrier(cmd, stages, stages, 0, 1, &barrier, 0, NULL, 0, NULL);
}

static void barrier_between_dispatches(VkCommandBuffer cmd)
{
    const VkMemoryBarrier barrier = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                     .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
                                     .dstAccessMask = VK_ACCESS_SHADER_READ_BIT |
                                                      VK_ACCESS_SHADER_WRITE_BIT};
    vkCmdPipelineBarrier(cmd, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                         VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1, &barrier, 0, NULL, 0,
                         NULL);
}

// A descriptor set out of pool that holds the slices of a dispatch.
static zm_status bind_slices(zm_vk_gpu *gpu, VkDescriptorPool pool,
                             const zm_dispatch *dispatch, VkDescriptorSet *out)
{
    const uint32_t count = zm_kernel_get(dispatch->kernel)->bindings;
    const VkDescriptorSetAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = pool,
        .descriptorSetCount = 1,
        .pSetLayouts = &gpu->set_layouts[count]};
    ZM_VK_TRY(vkAllocateDescriptorSets(gpu->device, &info, out),
              "vkAllocateDescriptorSets");
    VkDescriptorBufferInfo buffers[ZM_MAX_BINDINGS];
    for (uint32_t i = 0; i < count; i++) {
        const zm_slice *slice = &dispatch->bind[i];
        buffers[i] = (VkDescriptorBufferInfo){.buffer = ((zm_vk_buf *)slice->buf)->buffer,
                                              .offset = slice->offset,
                                              .range = slice->size};
    }
    const VkWriteDescriptorSet write = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
        .dstSet = *out,
        .descriptorCount = count, // runs on into the following bindings
        .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
        .pBufferInfo = buffers};
    vkUpdateDescriptorSets(gpu->device, 1, &write, 0, NULL);
    return ZM_OK;
}

static void record(zm_vk_gpu *gpu, VkCommandBuffer cmd, const zm_dispatch *dispatch,
                   VkPipeline pipeline, VkDescriptorSet set)
{
    const zm_kernel_info *info = zm_kernel_get(dispatch->kernel);
    const VkPipelineLayout layout = gpu->layouts[info->bindings];
    uint32_t groups[2];
    zm_kernel_groups(dispatch->kernel, dispatch->extent, groups);
    vkCmdBindPipeline(cmd, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    vkCmdBindDescriptorSets(cmd, VK_PIPELINE_BIND_POINT_COMPUTE, layout, 0, 1, &set, 0,
                            NULL);
    vkCmdPushConstants(cmd, layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, info->param_bytes,
                       dispatch->params);
    vkCmdDispatch(cmd, groups[0], groups[1], 1);
}

zm_status zm_vk_run(zm_gpu *base, const zm_dispatch *dispatch)
{
    zm_vk_gpu *gpu = (zm_vk_gpu *)base;
    VkPipeline pipeline = VK_NULL_HANDLE;
    ZM_TRY(zm_vk_pipeline_get(gpu, dispatch->kernel, &pipeline));
    zm_vk_slot *slot = NULL;
    ZM_TRY(zm_vk_queue_begin(gpu, &slot));
    VkDescriptorSet set = VK_NULL_HANDLE;
    ZM_TRY(bind_slices(gpu, slot->sets, dispatch, &set));
    record(gpu, slot->cmd, dispatch, pipeline, set);
    return ZM_OK;
}

// One command buffer: dispatches that do not depend on each other run between two
// barriers.
static zm_status record_part(zm_vk_gpu *gpu, vk_program *program, VkCommandBuffer cmd,
                             const zm_dispatch *list, size_t count)
{
    const VkCommandBufferBeginInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT};
    ZM_VK_TRY(vkBeginCommandBuffer(cmd, &info), "vkBeginCommandBuffer");
    zm_vk_barrier_all(cmd);
    size_t group = 0; // first dispatch since the last barrier
    for (size_t i = 0; i < count; i++) {
        bool depends = false;
        for (size_t j = group; j < i && !depends; j++)
            depends = zm_dispatch_depends(&list[j], &list[i]);
        if (depends) {
            if (!(gpu->seeded_bugs & ZM_VULKAN_SEED_PROGRAM_BARRIER)) {
                barrier_between_dispatches(cmd);
                program->barriers++;
            }
            group = i;
        }
        VkPipeline pipeline = VK_NULL_HANDLE;
        VkDescriptorSet set = VK_NULL_HANDLE;
        ZM_TRY(zm_vk_pipeline_get(gpu, list[i].kernel, &pipeline));
        ZM_TRY(bind_slices(gpu, program->sets, &list[i], &set));
        record(gpu, cmd, &list[i], pipeline, set);
    }
    return zm_vk_check(vkEndCommandBuffer(cmd), "vkEndCommandBuffer");
}

// The pools and empty command buffers for count > 0 dispatches.
static zm_status create_pools(zm_vk_gpu *gpu, vk_program *program,
                              const zm_dispatch *list, size_t count)
{
    uint64_t bindings = 0;
    for (size_t i = 0; i < count; i++)
        bindings += zm_kernel_get(list[i].kernel)->bindings;
    if (bindings > UINT32_MAX)
        return ZM_FAIL(ZM_ERR_USAGE, "a program of %zu dispatches is too long", count);
    const VkDescriptorPoolSize size = {.type = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                       .descriptorCount = (uint32_t)bindings};
    const VkDescriptorPoolCreateInfo sets = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = (uint32_t)count,
        .poolSizeCount = 1,
        .pPoolSizes = &size};
    ZM_VK_TRY(vkCreateDescriptorPool(gpu->device, &sets, NULL, &program->sets),
              "vkCreateDescriptorPool");
    const VkCommandPoolCreateInfo pool = {.sType =
                                              VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                          .queueFamilyIndex = gpu->family};
    ZM_VK_TRY(vkCreateCommandPool(gpu->device, &pool, NULL, &program->commands),
              "vkCreateCommandPool");
    const VkCommandBufferAllocateInfo cmds = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = program->commands,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = program->count};
    return zm_vk_check(vkAllocateCommandBuffers(gpu->device, &cmds, program->cmds + 1),
                       "vkAllocateCommandBuffers");
}

static void free_program(zm_vk_gpu *gpu, vk_program *program)
{
    vkDestroyCommandPool(gpu->device, program->commands, NULL);
    vkDestroyDescriptorPool(gpu->device, program->sets, NULL);
}

zm_status zm_vk_compile(zm_gpu *base, const zm_dispatch *list, size_t count,
                        zm_program **out)
{
    zm_vk_gpu *gpu = (zm_vk_gpu *)base;
    vk_program *program = zm_calloc(1, sizeof *program);
    if (!program)
        return ZM_FAIL(ZM_ERR_MEMORY, "no host memory for a program");
    program->base.gpu = base;
    program->count =
        (uint32_t)((count + ZM_VK_PROGRAM_COMMANDS - 1) / ZM_VK_PROGRAM_COMMANDS);
    program->cmds = zm_calloc((uint64_t)program->count + 1, sizeof(VkCommandBuffer));
    zm_status st = ZM_OK;
    if (!program->cmds)
        st = ZM_FAIL(ZM_ERR_MEMORY, "no host memory for a program");
    if (st == ZM_OK && count > 0)
        st = create_pools(gpu, program, list, count);
    for (uint32_t part = 0; st == ZM_OK && part < program->count; part++) {
        const size_t begin = (size_t)part * ZM_VK_PROGRAM_COMMANDS;
        st = record_part(gpu, program, program->cmds[part + 1], list + begin,
                         ZM_MIN(count - begin, (size_t)ZM_VK_PROGRAM_COMMANDS));
    }
    if (st != ZM_OK) {
        free_program(gpu, program);
        free(program->cmds);
        free(program);
        return zm_error_context(st, "a program of %zu dispatches", count);
    }
    *out = &program->base;
    return ZM_OK;
}

uint32_t zm_vulkan_program_barriers(const zm_program *program)
{
    return ((const vk_program *)program)->barriers;
}

zm_status zm_vk_replay(zm_gpu *gpu, zm_program *base)
{
    vk_program *program = (vk_program *)base;
    if (program->count == 0)
        return ZM_OK;
    return zm_vk_queue_submit((zm_vk_gpu *)gpu, program->cmds, program->count);
}

void zm_vk_program_destroy(zm_gpu *base, zm_program *program)
{
    zm_vk_gpu *gpu = (zm_vk_gpu *)base;
    vk_program *own = (vk_program *)program;
    if (zm_vk_queue_idle(gpu))
        free_program(gpu, own);
    free(own->cmds);
    free(own);
}
