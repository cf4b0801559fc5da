#include "backends/vulkan/vk_backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "core/io/bytes.h"

// The file is this header and the driver's own data. Drivers have crashed on data that
// was damaged or another driver's, so both are checked before the driver sees them.
typedef struct cache_header {
    char magic[8];
    uint32_t version;
    uint32_t vendor, device, driver;
    uint8_t uuid[VK_UUID_SIZE]; // pipelineCacheUUID
    uint64_t size;
    uint64_t hash; // XXH64 of the data
} cache_header;
_Static_assert(sizeof(cache_header) == 56, "no padding in a file");

enum { CACHE_VERSION = 1, MAX_CACHE_BYTES = 256 << 20 };

static cache_header make_header(const zm_vk_gpu *gpu, const void *data, uint64_t size)
{
    VkPhysicalDeviceProperties p;
    vkGetPhysicalDeviceProperties(gpu->physical, &p);
    cache_header h = {.version = CACHE_VERSION,
                      .vendor = p.vendorID,
                      .device = p.deviceID,
                      .driver = p.driverVersion,
                      .size = size,
                      .hash = XXH64(data, (size_t)size, 0)};
    memcpy(h.magic, "ZMVKPIPE", sizeof h.magic);
    memcpy(h.uuid, p.pipelineCacheUUID, sizeof h.uuid);
    return h;
}

static zm_status make_path(zm_vk_gpu *gpu, const char *cache_dir)
{
    VkPhysicalDeviceProperties p;
    vkGetPhysicalDeviceProperties(gpu->physical, &p);
    const size_t size = strlen(cache_dir) + sizeof gpu->base.caps.uuid + 48;
    gpu->cache_path = zm_calloc(size, 1);
    if (!gpu->cache_path)
        return ZM_FAIL(ZM_ERR_MEMORY, "no host memory for a path");
    snprintf(gpu->cache_path, size, "%s/vulkan-%s-%08x.bin", cache_dir,
             gpu->base.caps.uuid, (unsigned)p.driverVersion);
    return ZM_OK;
}

// The data behind a header that fits this device and these bytes, else NULL.
static const uint8_t *check_file(const zm_vk_gpu *gpu, const uint8_t *file, uint64_t size)
{
    if (size < sizeof(cache_header))
        return NULL;
    const uint8_t *data = file + sizeof(cache_header);
    const cache_header expected = make_header(gpu, data, size - sizeof(cache_header));
    return memcmp(file, &expected, sizeof expected) == 0 ? data : NULL;
}

zm_status zm_vk_cache_load(zm_vk_gpu *gpu, const char *cache_dir)
{
    uint8_t *file = NULL;
    uint64_t size = 0;
    const uint8_t *data = NULL;
    if (cache_dir && !gpu->validate) { // instrumented shaders are not worth keeping
        ZM_TRY(make_path(gpu, cache_dir));
        if (zm_file_read(gpu->cache_path, MAX_CACHE_BYTES, &file, &size) == ZM_OK) {
            data = check_file(gpu, file, size);
            if (!data)
                zm_log_write(&gpu->base.log, ZM_LOG_INFO,
                             "%s: not of this driver or damaged, ignored",
                             gpu->cache_path);
        }
    }
    VkPipelineCacheCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
        .initialDataSize = data ? (size_t)size - sizeof(cache_header) : 0,
        .pInitialData = data};
    if (data)
        gpu->cache_hash = XXH64(info.pInitialData, info.initialDataSize, 0);
    const zm_status st =
        zm_vk_check(vkCreatePipelineCache(gpu->device, &info, NULL, &gpu->cache),
                    "vkCreatePipelineCache");
    free(file);
    return st;
}

static zm_status write_file(const char *path, const cache_header *header,
                            const void *data)
{
    zm_atomic_file file = {0};
    ZM_TRY(zm_atomic_begin(path, &file));
    zm_status st = zm_atomic_write(&file, header, sizeof *header);
    if (st == ZM_OK)
        st = zm_atomic_write(&file, data, header->size);
    if (st == ZM_OK)
        return zm_atomic_commit(&file);
    zm_atomic_abort(&file);
    return st;
}

static zm_status make_folder(const char *path)
{
    char *folder = zm_strdup(path);
    if (!folder)
        return ZM_FAIL(ZM_ERR_MEMORY, "no host memory for a path");
    *strrchr(folder, '/') = '\0'; // make_path put one there
    const zm_status st = folder[0] ? zm_make_dirs(folder) : ZM_OK;
    free(folder);
    return st;
}

void zm_vk_cache_save(zm_vk_gpu *gpu)
{
    size_t size = 0;
    if (!gpu->cache_path || !gpu->cache ||
        vkGetPipelineCacheData(gpu->device, gpu->cache, &size, NULL) != VK_SUCCESS ||
        size > MAX_CACHE_BYTES)
        return;
    void *data = zm_calloc(size, 1);
    if (data &&
        vkGetPipelineCacheData(gpu->device, gpu->cache, &size, data) == VK_SUCCESS) {
        const cache_header header = make_header(gpu, data, size);
        zm_status st = ZM_OK;
        if (header.hash != gpu->cache_hash) {
            st = make_folder(gpu->cache_path);
            if (st == ZM_OK)
                st = write_file(gpu->cache_path, &header, data);
        }
        if (st == ZM_OK)
            gpu->cache_hash = header.hash;
        else
            zm_log_write(&gpu->base.log, ZM_LOG_WARN, "pipeline cache not kept: %s",
                         zm_error_detail());
    }
    free(data);
}
