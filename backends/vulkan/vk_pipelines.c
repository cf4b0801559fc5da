#include "backends/vulkan/vk_backend.h"

#include "backends/vulkan/vulkan_debug.h"

void zm_vulkan_replace_shader(zm_gpu *gpu, zm_kernel kernel, const uint32_t *words,
                              size_t size_bytes)
{
    ((zm_vk_gpu *)gpu)->shaders[kernel] =
        (zm_vk_shader){.words = words, .size_bytes = size_bytes};
}

// A set of count storage buffers and 64 bytes of push constants: kernels with equally
// many bindings share one layout.
static zm_status create_layout(zm_vk_gpu *gpu, uint32_t count)
{
    VkDescriptorSetLayoutBinding bindings[ZM_MAX_BINDINGS];
    for (uint32_t i = 0; i < count; i++)
        bindings[i] = (VkDescriptorSetLayoutBinding){
            .binding = i,
            .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
            .descriptorCount = 1,
            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
    const VkDescriptorSetLayoutCreateInfo set = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = count,
        .pBindings = bindings};
    ZM_VK_TRY(
        vkCreateDescriptorSetLayout(gpu->device, &set, NULL, &gpu->set_layouts[count]),
        "vkCreateDescriptorSetLayout");
    const VkPushConstantRange push = {.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
                                      .size = ZM_MAX_PARAM_BYTES};
    const VkPipelineLayoutCreateInfo layout = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = 1,
        .pSetLayouts = &gpu->set_layouts[count],
        .pushConstantRangeCount = 1,
        .pPushConstantRanges = &push};
    return zm_vk_check(
        vkCreatePipelineLayout(gpu->device, &layout, NULL, &gpu->layouts[count]),
        "vkCreatePipelineLayout");
}

zm_status zm_vk_layouts_init(zm_vk_gpu *gpu)
{
    for (uint32_t count = 1; count <= ZM_MAX_BINDINGS; count++)
        ZM_TRY(create_layout(gpu, count));
    for (size_t i = 0; i < ZM_KERNEL_COUNT; i++)
        gpu->shaders[i] = zm_vk_shaders[i];
    return ZM_OK;
}

static zm_status create_pipeline(zm_vk_gpu *gpu, zm_kernel kernel, VkPipeline *out)
{
    const zm_vk_shader shader = gpu->shaders[kernel];
    const VkShaderModuleCreateInfo code = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = shader.size_bytes,
        .pCode = shader.words};
    VkShaderModule module = VK_NULL_HANDLE;
    ZM_VK_TRY(vkCreateShaderModule(gpu->device, &code, NULL, &module),
              "vkCreateShaderModule");
    const VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .module = module,
                  .pName = "main"},
        .layout = gpu->layouts[zm_kernel_get(kernel)->bindings]};
    const VkResult result =
        vkCreateComputePipelines(gpu->device, gpu->cache, 1, &info, NULL, out);
    vkDestroyShaderModule(gpu->device, module, NULL);
    return zm_vk_check(result, "vkCreateComputePipelines");
}

zm_status zm_vk_pipeline_get(zm_vk_gpu *gpu, zm_kernel kernel, VkPipeline *out)
{
    if (!gpu->pipelines[kernel]) {
        VkPipeline pipeline = VK_NULL_HANDLE;
        const zm_status st = create_pipeline(gpu, kernel, &pipeline);
        if (st != ZM_OK)
            return zm_error_context(st, "kernel %s", zm_kernel_get(kernel)->name);
        gpu->pipelines[kernel] = pipeline;
    }
    *out = gpu->pipelines[kernel];
    return ZM_OK;
}

void zm_vk_pipelines_finish(zm_vk_gpu *gpu)
{
    for (size_t i = 0; i < ZM_KERNEL_COUNT; i++)
        vkDestroyPipeline(gpu->device, gpu->pipelines[i], NULL);
    for (size_t i = 0; i < ZM_COUNT_OF(gpu->layouts); i++) {
        vkDestroyPipelineLayout(gpu->device, gpu->layouts[i], NULL);
        vkDestroyDescriptorSetLayout(gpu->device, gpu->set_layouts[i], NULL);
    }
    vkDestroyPipelineCache(gpu->device, gpu->cache, NULL);
}
