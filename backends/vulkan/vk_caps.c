#include "backends/vulkan/vk_backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What portable kernels need (shaders/README.md).
enum { NEED_THREADS = 256, NEED_SHARED_BYTES = 16384, NEED_ALIGN = 256 };

typedef struct extension_list {
    VkExtensionProperties *items;
    uint32_t count;
} extension_list;

static extension_list list_extensions(VkPhysicalDevice physical)
{
    extension_list list = {0};
    if (vkEnumerateDeviceExtensionProperties(physical, NULL, &list.count, NULL) < 0)
        list.count = 0;
    list.items = zm_calloc(list.count, sizeof *list.items);
    if (!list.items ||
        vkEnumerateDeviceExtensionProperties(physical, NULL, &list.count, list.items) < 0)
        list.count = 0;
    return list;
}

static bool has(const extension_list *list, const char *name)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].extensionName, name) == 0)
            return true;
    return false;
}

static void name_vendor(uint32_t id, char *out, size_t size)
{
    static const struct {
        uint32_t id;
        const char *name;
    } vendors[] = {
        {0x10de, "NVIDIA"},      {0x1002, "AMD"},    {0x8086, "Intel"},
        {0x106b, "Apple"},       {0x13b5, "Arm"},    {0x5143, "Qualcomm"},
        {0x1010, "Imagination"}, {0x1ae0, "Google"}, {VK_VENDOR_ID_MESA, "Mesa"},
    };
    for (size_t i = 0; i < ZM_COUNT_OF(vendors); i++)
        if (vendors[i].id == id) {
            snprintf(out, size, "%s", vendors[i].name);
            return;
        }
    snprintf(out, size, "0x%04x", (unsigned)id);
}

static void read_properties(VkPhysicalDevice physical, const extension_list *ext,
                            const VkPhysicalDeviceProperties *base, zm_caps *caps)
{
    VkPhysicalDeviceSubgroupProperties subgroup = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
    VkPhysicalDeviceMaintenance3Properties limits = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES,
        .pNext = &subgroup};
    VkPhysicalDeviceIDProperties ids = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES, .pNext = &limits};
    VkPhysicalDeviceDriverPropertiesKHR driver = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES_KHR, .pNext = &ids};
    const bool has_driver = has(ext, VK_KHR_DRIVER_PROPERTIES_EXTENSION_NAME);
    VkPhysicalDeviceProperties2 all = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = has_driver ? (void *)&driver : (void *)&ids};
    vkGetPhysicalDeviceProperties2(physical, &all);

    for (size_t i = 0; i < VK_UUID_SIZE; i++)
        snprintf(caps->uuid + 2 * i, 3, "%02x", ids.deviceUUID[i]);
    if (has_driver)
        snprintf(caps->driver, sizeof caps->driver, "%.60s%s%.60s", driver.driverName,
                 driver.driverInfo[0] ? " " : "", driver.driverInfo);
    else
        snprintf(caps->driver, sizeof caps->driver, "0x%08x",
                 (unsigned)base->driverVersion);
    caps->max_buffer = limits.maxMemoryAllocationSize;
    const VkSubgroupFeatureFlags want =
        VK_SUBGROUP_FEATURE_BASIC_BIT | VK_SUBGROUP_FEATURE_ARITHMETIC_BIT;
    caps->subgroups = (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) &&
                      (subgroup.supportedOperations & want) == want;
    caps->subgroup_size = subgroup.subgroupSize;
}

static void read_features(VkPhysicalDevice physical, const extension_list *ext,
                          zm_caps *caps, zm_vk_features *features)
{
    VkPhysicalDeviceShaderFloat16Int8FeaturesKHR f16 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES_KHR};
    VkPhysicalDevice16BitStorageFeatures storage = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES};
    if (has(ext, VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME))
        storage.pNext = &f16;
    VkPhysicalDeviceFeatures2 all = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &storage};
    vkGetPhysicalDeviceFeatures2(physical, &all);
    features->robust_access = all.features.robustBufferAccess;
    features->portability_subset = has(ext, "VK_KHR_portability_subset");
    caps->f16 = f16.shaderFloat16 && storage.storageBuffer16BitAccess;
    caps->bf16 = has(ext, "VK_KHR_shader_bfloat16");
    caps->coopmat = has(ext, "VK_KHR_cooperative_matrix");
}

static bool find_family(VkPhysicalDevice physical, uint32_t *family, bool *timestamps)
{
    VkQueueFamilyProperties list[16];
    uint32_t count = (uint32_t)ZM_COUNT_OF(list);
    vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, list);
    for (uint32_t i = 0; i < count; i++)
        if (list[i].queueCount > 0 && (list[i].queueFlags & VK_QUEUE_COMPUTE_BIT)) {
            *family = i;
            *timestamps = list[i].timestampValidBits > 0;
            return true;
        }
    return false;
}

static uint64_t device_memory(VkPhysicalDevice physical)
{
    VkPhysicalDeviceMemoryProperties memory;
    vkGetPhysicalDeviceMemoryProperties(physical, &memory);
    uint64_t largest = 0;
    for (uint32_t i = 0; i < memory.memoryHeapCount; i++)
        if (memory.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT)
            largest = ZM_MAX(largest, memory.memoryHeaps[i].size);
    return largest;
}

// The first limit that is too small, as a sentence; false when there is one.
static bool check_limits(const VkPhysicalDeviceLimits *limits, char reason[96])
{
    const struct {
        const char *what;
        uint64_t need, found;
    } checks[] = {
        {"threads a work group", NEED_THREADS, limits->maxComputeWorkGroupInvocations},
        {"threads along x", NEED_THREADS, limits->maxComputeWorkGroupSize[0]},
        {"bytes of shared memory", NEED_SHARED_BYTES, limits->maxComputeSharedMemorySize},
        {"storage buffers a stage", ZM_MAX_BINDINGS,
         limits->maxPerStageDescriptorStorageBuffers},
        {"bytes of push constants", ZM_MAX_PARAM_BYTES, limits->maxPushConstantsSize},
        {"work groups along x", ZM_MAX_GROUPS, limits->maxComputeWorkGroupCount[0]},
        {"work groups along y", ZM_MAX_GROUPS, limits->maxComputeWorkGroupCount[1]},
    };
    for (size_t i = 0; i < ZM_COUNT_OF(checks); i++)
        if (checks[i].found < checks[i].need) {
            snprintf(reason, 96, "needs %llu %s, has %llu",
                     (unsigned long long)checks[i].need, checks[i].what,
                     (unsigned long long)checks[i].found);
            return false;
        }
    if (limits->minStorageBufferOffsetAlignment > NEED_ALIGN) {
        snprintf(reason, 96, "storage buffers must be aligned to more than %d bytes",
                 NEED_ALIGN);
        return false;
    }
    return true;
}

bool zm_vk_caps(VkPhysicalDevice physical, uint32_t index, zm_caps *caps,
                zm_vk_features *features, char reason[96])
{
    VkPhysicalDeviceProperties base;
    vkGetPhysicalDeviceProperties(physical, &base);
    *caps = (zm_caps){.backend = "vulkan", .index = index, .real = ZM_F32};
    *features = (zm_vk_features){0};
    snprintf(caps->name, sizeof caps->name, "%.127s", base.deviceName);
    name_vendor(base.vendorID, caps->vendor, sizeof caps->vendor);
    caps->software = base.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
    caps->discrete = base.deviceType == VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    caps->memory_bytes = device_memory(physical);
    caps->align = NEED_ALIGN;
    if (base.apiVersion < VK_API_VERSION_1_1) {
        snprintf(reason, 96, "needs Vulkan 1.1");
        return false;
    }
    const extension_list ext = list_extensions(physical);
    read_properties(physical, &ext, &base, caps);
    read_features(physical, &ext, caps, features);
    free(ext.items);
    if (!find_family(physical, &features->family, &caps->timestamps)) {
        snprintf(reason, 96, "has no compute queue");
        return false;
    }
    if (!check_limits(&base.limits, reason))
        return false;
    const uint64_t round = ~(uint64_t)(NEED_ALIGN - 1);
    if (caps->memory_bytes)
        caps->max_buffer = ZM_MIN(caps->max_buffer, caps->memory_bytes);
    caps->max_buffer &= round;
    caps->max_binding =
        ZM_MIN((uint64_t)base.limits.maxStorageBufferRange & round, caps->max_buffer);
    return true;
}
