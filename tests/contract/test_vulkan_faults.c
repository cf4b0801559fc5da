// Every Vulkan call that can fail fails once, and then for good, with each error that a
// driver may give: nothing crashes or leaks, the status says what happened, and after a
// shortage of memory the same device works again.
//
// The functions here stand before the loader's at link time and pass on to them.
#define _GNU_SOURCE // RTLD_NEXT
#include <criterion/criterion.h>
#ifdef ZM_HAVE_VULKAN
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vulkan/vulkan.h>

#include "core/gpu.h"
#include "core/kernel_structs.h"

static struct {
    uint32_t calls; // counted so far
    uint32_t at;    // the call that fails, 0 = none
    bool sticky;    // and all that follow
    VkResult result;
    const char *name; // of the first call that failed
} fault;

static bool fails(const char *name)
{
    fault.calls++;
    if (fault.at == 0 || fault.calls < fault.at ||
        (fault.calls > fault.at && !fault.sticky))
        return false;
    if (!fault.name)
        fault.name = name;
    return true;
}

#define FAULTY(name, types, args)                                                        \
    VKAPI_ATTR VkResult VKAPI_CALL name types                                            \
    {                                                                                    \
        PFN_##name real = NULL;                                                          \
        *(void **)&real = dlsym(RTLD_NEXT, #name);                                       \
        return fails(#name) ? fault.result : real args;                                  \
    }
#define ALLOC const VkAllocationCallbacks *a

FAULTY(vkCreateInstance, (const VkInstanceCreateInfo *i, ALLOC, VkInstance *o), (i, a, o))
FAULTY(vkEnumeratePhysicalDevices, (VkInstance i, uint32_t *n, VkPhysicalDevice *o),
       (i, n, o))
FAULTY(vkCreateDevice,
       (VkPhysicalDevice p, const VkDeviceCreateInfo *i, ALLOC, VkDevice *o),
       (p, i, a, o))
FAULTY(vkCreateBuffer, (VkDevice d, const VkBufferCreateInfo *i, ALLOC, VkBuffer *o),
       (d, i, a, o))
FAULTY(vkAllocateMemory,
       (VkDevice d, const VkMemoryAllocateInfo *i, ALLOC, VkDeviceMemory *o),
       (d, i, a, o))
FAULTY(vkBindBufferMemory, (VkDevice d, VkBuffer b, VkDeviceMemory m, VkDeviceSize o),
       (d, b, m, o))
FAULTY(vkMapMemory,
       (VkDevice d, VkDeviceMemory m, VkDeviceSize o, VkDeviceSize s, VkMemoryMapFlags f,
        void **p),
       (d, m, o, s, f, p))
FAULTY(vkCreateCommandPool,
       (VkDevice d, const VkCommandPoolCreateInfo *i, ALLOC, VkCommandPool *o),
       (d, i, a, o))
FAULTY(vkAllocateCommandBuffers,
       (VkDevice d, const VkCommandBufferAllocateInfo *i, VkCommandBuffer *o), (d, i, o))
FAULTY(vkBeginCommandBuffer, (VkCommandBuffer c, const VkCommandBufferBeginInfo *i),
       (c, i))
FAULTY(vkEndCommandBuffer, (VkCommandBuffer c), (c))
FAULTY(vkCreateFence, (VkDevice d, const VkFenceCreateInfo *i, ALLOC, VkFence *o),
       (d, i, a, o))
FAULTY(vkResetFences, (VkDevice d, uint32_t n, const VkFence *f), (d, n, f))
FAULTY(vkGetFenceStatus, (VkDevice d, VkFence f), (d, f))
FAULTY(vkWaitForFences,
       (VkDevice d, uint32_t n, const VkFence *f, VkBool32 all, uint64_t t),
       (d, n, f, all, t))
FAULTY(vkQueueSubmit, (VkQueue q, uint32_t n, const VkSubmitInfo *i, VkFence f),
       (q, n, i, f))
FAULTY(vkCreateDescriptorPool,
       (VkDevice d, const VkDescriptorPoolCreateInfo *i, ALLOC, VkDescriptorPool *o),
       (d, i, a, o))
FAULTY(vkCreateDescriptorSetLayout,
       (VkDevice d, const VkDescriptorSetLayoutCreateInfo *i, ALLOC,
        VkDescriptorSetLayout *o),
       (d, i, a, o))
FAULTY(vkAllocateDescriptorSets,
       (VkDevice d, const VkDescriptorSetAllocateInfo *i, VkDescriptorSet *o), (d, i, o))
FAULTY(vkCreatePipelineLayout,
       (VkDevice d, const VkPipelineLayoutCreateInfo *i, ALLOC, VkPipelineLayout *o),
       (d, i, a, o))
FAULTY(vkCreatePipelineCache,
       (VkDevice d, const VkPipelineCacheCreateInfo *i, ALLOC, VkPipelineCache *o),
       (d, i, a, o))
FAULTY(vkCreateShaderModule,
       (VkDevice d, const VkShaderModuleCreateInfo *i, ALLOC, VkShaderModule *o),
       (d, i, a, o))
FAULTY(vkCreateComputePipelines,
       (VkDevice d, VkPipelineCache c, uint32_t n, const VkComputePipelineCreateInfo *i,
        ALLOC, VkPipeline *o),
       (d, c, n, i, a, o))

// z = x + x by a single run, then twice by a program; right results or a status.
static zm_status work_with(zm_gpu *gpu, zm_buf **x, zm_buf **z, zm_program **program)
{
    float value = 1.5f;
    ZM_TRY(zm_buf_create(gpu, 4, x));
    ZM_TRY(zm_buf_create(gpu, 4, z));
    ZM_TRY(zm_gpu_upload(gpu, zm_buf_whole(*x), &value));
    zm_dispatch d = {.kernel = ZM_KERNEL_add,
                     .extent = {1, 1},
                     .bind = {zm_buf_whole(*x), zm_buf_whole(*x), zm_buf_whole(*z)}};
    const struct zm_params_add p = {.n = 1};
    memcpy(d.params, &p, sizeof p);
    ZM_TRY(zm_gpu_run(gpu, &d));
    ZM_TRY(zm_gpu_compile(gpu, &d, 1, program));
    ZM_TRY(zm_gpu_replay(gpu, *program));
    ZM_TRY(zm_gpu_replay(gpu, *program));
    zm_ticket ticket = 0;
    ZM_TRY(zm_gpu_read(gpu, zm_buf_whole(*z), &ticket));
    zm_status st = zm_gpu_ready(gpu, ticket, &value);
    if (st == ZM_PENDING) {
        ZM_TRY(zm_gpu_wait(gpu));
        st = zm_gpu_ready(gpu, ticket, &value);
    }
    ZM_TRY(st);
    cr_expect_eq(value, 3.0f, "fault %u in %s: result %g", (unsigned)fault.at,
                 fault.name ? fault.name : "nothing", (double)value);
    return ZM_OK;
}

static zm_status work(zm_gpu *gpu)
{
    zm_buf *x = NULL, *z = NULL;
    zm_program *program = NULL;
    const zm_status st = work_with(gpu, &x, &z, &program);
    zm_program_destroy(&program);
    zm_buf_destroy(&x);
    zm_buf_destroy(&z);
    return st;
}

static bool is_expected(zm_status st, bool opening)
{
    if (st == ZM_OK || (opening && st == ZM_ERR_DEVICE))
        return true;
    // queued commands that a driver throws away are as final as a lost device
    return st == ZM_ERR_LOST ||
           (fault.result != VK_ERROR_DEVICE_LOST && st == ZM_ERR_MEMORY);
}

// Opens, works, closes with call number at failing; false when there is no such call.
static bool inject(uint32_t at, bool sticky, VkResult result)
{
    fault.calls = 0;
    fault.at = at;
    fault.sticky = sticky;
    fault.result = result;
    fault.name = NULL;
    zm_gpu *gpu = NULL;
    zm_status st = zm_gpu_open("vulkan", NULL, &gpu);
    const bool opened = st == ZM_OK;
    cr_expect_eq(opened, gpu != NULL);
    if (opened)
        st = work(gpu);
    cr_expect(is_expected(st, !opened), "call %u (%s) fails with %d: %s: %s",
              (unsigned)at, fault.name ? fault.name : "none", result, zm_status_name(st),
              zm_error_detail());
    if (opened && fault.name && !sticky && st == ZM_ERR_MEMORY) {
        st = work(gpu);
        cr_expect(st == ZM_OK || st == ZM_ERR_LOST, "after call %u (%s): %s: %s",
                  (unsigned)at, fault.name, zm_status_name(st), zm_error_detail());
    }
    zm_gpu_destroy(&gpu);
    const bool reached = fault.name != NULL;
    fault.at = 0;
    return reached;
}

static void inject_everywhere(VkResult result)
{
    const char *device = getenv("ZMAE_DEVICE");
    if (device && strncmp(device, "vulkan", 6) != 0)
        cr_skip_test("not the device under test");
    zm_gpu *gpu = NULL;
    if (zm_gpu_open("vulkan", NULL, &gpu) != ZM_OK && !device)
        cr_skip_test("no Vulkan device");
    cr_assert_not_null(gpu, "%s", zm_error_detail());
    cr_assert_eq(work(gpu), ZM_OK, "%s", zm_error_detail());
    zm_gpu_destroy(&gpu);
    for (int sticky = 0; sticky < 2; sticky++) {
        uint32_t at = 1;
        while (inject(at, sticky, result))
            at++;
        cr_expect_gt(at, 100, "the calls of one flow were met: %u", (unsigned)at);
    }
}

Test(vulkan_faults, out_of_host_memory)
{
    inject_everywhere(VK_ERROR_OUT_OF_HOST_MEMORY);
}
Test(vulkan_faults, out_of_device_memory)
{
    inject_everywhere(VK_ERROR_OUT_OF_DEVICE_MEMORY);
}
Test(vulkan_faults, device_lost)
{
    inject_everywhere(VK_ERROR_DEVICE_LOST);
}

#endif
