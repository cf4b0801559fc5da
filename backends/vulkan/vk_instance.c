#include "backends/vulkan/vk_backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/vulkan/vulkan_debug.h"

static const char validation_layer[] = "VK_LAYER_KHRONOS_validation";

zm_status zm_vk_check(VkResult result, const char *call)
{
    switch (result) {
    case VK_SUCCESS:
        return ZM_OK;
    case VK_ERROR_OUT_OF_HOST_MEMORY:
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_OUT_OF_POOL_MEMORY:
    case VK_ERROR_FRAGMENTED_POOL:
    case VK_ERROR_TOO_MANY_OBJECTS:
    case VK_ERROR_MEMORY_MAP_FAILED:
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: out of memory (VkResult %d)", call, result);
    case VK_ERROR_DEVICE_LOST:
        return ZM_FAIL(ZM_ERR_LOST, "%s: the device was lost", call);
    case VK_ERROR_INITIALIZATION_FAILED:
    case VK_ERROR_INCOMPATIBLE_DRIVER:
    case VK_ERROR_LAYER_NOT_PRESENT:
    case VK_ERROR_EXTENSION_NOT_PRESENT:
    case VK_ERROR_FEATURE_NOT_PRESENT:
        return ZM_FAIL(ZM_ERR_DEVICE, "%s: refused by the driver (VkResult %d)", call,
                       result);
    default:
        return ZM_FAIL(ZM_ERR_INTERNAL, "%s: VkResult %d", call, result);
    }
}

static VKAPI_ATTR VkBool32 VKAPI_CALL
on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
           VkDebugUtilsMessageTypeFlagsEXT types,
           const VkDebugUtilsMessengerCallbackDataEXT *data, void *user)
{
    (void)severity;
    (void)types;
    zm_vk_instance *instance = user;
    instance->messages++;
    zm_log_write(&instance->log, ZM_LOG_WARN, "validation: %s",
                 data->pMessage ? data->pMessage : "(no text)");
    return VK_FALSE;
}

uint32_t zm_vulkan_validation_messages(const zm_gpu *gpu)
{
    return ((const zm_vk_gpu *)gpu)->instance->messages;
}

// Does the loader, or the layer when named, know the instance extension?
static bool has_extension(const char *layer, const char *name)
{
    uint32_t count = 0;
    if (vkEnumerateInstanceExtensionProperties(layer, &count, NULL) != VK_SUCCESS)
        return false;
    VkExtensionProperties *list = zm_calloc(count, sizeof *list);
    bool found = false;
    if (list && vkEnumerateInstanceExtensionProperties(layer, &count, list) >= 0)
        for (uint32_t i = 0; i < count; i++)
            found = found || strcmp(list[i].extensionName, name) == 0;
    free(list);
    return found;
}

static bool has_layer(const char *name)
{
    uint32_t count = 0;
    if (vkEnumerateInstanceLayerProperties(&count, NULL) != VK_SUCCESS)
        return false;
    VkLayerProperties *list = zm_calloc(count, sizeof *list);
    bool found = false;
    if (list && vkEnumerateInstanceLayerProperties(&count, list) >= 0)
        for (uint32_t i = 0; i < count; i++)
            found = found || strcmp(list[i].layerName, name) == 0;
    free(list);
    return found;
}

static zm_status check_validation(void)
{
    if (!has_layer(validation_layer))
        return ZM_FAIL(ZM_ERR_DEVICE,
                       "validation was asked for, but %s is not installed "
                       "(Debian: vulkan-validationlayers)",
                       validation_layer);
    if (!has_extension(validation_layer, VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME))
        return ZM_FAIL(ZM_ERR_DEVICE, "%s is too old: it lacks %s", validation_layer,
                       VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME);
    return ZM_OK;
}

zm_status zm_vk_instance_create(bool validate, const zm_log *log, zm_vk_instance **out)
{
    if (validate)
        ZM_TRY(check_validation());
    zm_vk_instance *instance = zm_calloc(1, sizeof *instance);
    if (!instance)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for a Vulkan instance");
    if (log)
        instance->log = *log;

    static const char *const layers[] = {validation_layer};
    const char *extensions[3];
    uint32_t extension_count = 0;
    VkInstanceCreateFlags flags = 0;
#ifdef VK_KHR_portability_enumeration
    if (has_extension(NULL, VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME)) {
        extensions[extension_count++] = VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME;
        flags = VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR;
    }
#endif
    if (validate) {
        extensions[extension_count++] = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
        extensions[extension_count++] = VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME;
    }
    static const VkValidationFeatureEnableEXT checks[] = {
        VK_VALIDATION_FEATURE_ENABLE_GPU_ASSISTED_EXT,
        VK_VALIDATION_FEATURE_ENABLE_GPU_ASSISTED_RESERVE_BINDING_SLOT_EXT,
        VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT,
    };
    const VkDebugUtilsMessengerCreateInfoEXT messenger = {
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
                           VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
        .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
        .pfnUserCallback = on_message,
        .pUserData = instance,
    };
    const VkValidationFeaturesEXT features = {
        .sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
        .pNext = &messenger, // so that messages about the instance itself count too
        .enabledValidationFeatureCount = (uint32_t)ZM_COUNT_OF(checks),
        .pEnabledValidationFeatures = checks,
    };
    const VkApplicationInfo app = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                   .pApplicationName = "zmae",
                                   .pEngineName = "zmae",
                                   .apiVersion = VK_API_VERSION_1_1};
    const VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pNext = validate ? &features : NULL,
        .flags = flags,
        .pApplicationInfo = &app,
        .enabledLayerCount = validate ? 1u : 0u,
        .ppEnabledLayerNames = layers,
        .enabledExtensionCount = extension_count,
        .ppEnabledExtensionNames = extensions,
    };
    zm_status st =
        zm_vk_check(vkCreateInstance(&info, NULL, &instance->handle), "vkCreateInstance");
    if (st != ZM_OK) {
        free(instance);
        return st;
    }
    if (validate) {
        const PFN_vkCreateDebugUtilsMessengerEXT create =
            (PFN_vkCreateDebugUtilsMessengerEXT)vkGetInstanceProcAddr(
                instance->handle, "vkCreateDebugUtilsMessengerEXT");
        st = create ? zm_vk_check(create(instance->handle, &messenger, NULL,
                                         &instance->messenger),
                                  "vkCreateDebugUtilsMessengerEXT")
                    : ZM_FAIL(ZM_ERR_DEVICE, "%s without %s", validation_layer,
                              VK_EXT_DEBUG_UTILS_EXTENSION_NAME);
        if (st != ZM_OK) {
            zm_vk_instance_destroy(&instance);
            return st;
        }
    }
    *out = instance;
    return ZM_OK;
}

void zm_vk_instance_destroy(zm_vk_instance **instance)
{
    zm_vk_instance *in = *instance;
    if (!in)
        return;
    const PFN_vkDestroyDebugUtilsMessengerEXT destroy =
        in->messenger ? (PFN_vkDestroyDebugUtilsMessengerEXT)vkGetInstanceProcAddr(
                            in->handle, "vkDestroyDebugUtilsMessengerEXT")
                      : NULL;
    if (destroy)
        destroy(in->handle, in->messenger, NULL);
    vkDestroyInstance(in->handle, NULL);
    free(in);
    *instance = NULL;
}
