#include "core/gpu_impl.h"

#include <assert.h>
#include <string.h>

#include "core/kernel_structs.h"

#define ZM_KERNEL(name, access, shape, tile_x, tile_y)                                   \
    _Static_assert(sizeof(struct zm_params_##name) <= ZM_MAX_PARAM_BYTES, #name);        \
    _Static_assert(sizeof(access) - 1 <= ZM_MAX_BINDINGS, #name);
#include "shaders/kernels.def"
#undef ZM_KERNEL

static const zm_kernel_info kernels[ZM_KERNEL_COUNT] = {
#define ZM_KERNEL(name, access, shape, tile_x, tile_y)                                   \
    {#name,                                                                              \
     access,                                                                             \
     shape,                                                                              \
     tile_x,                                                                             \
     tile_y,                                                                             \
     sizeof(access) - 1,                                                                 \
     sizeof(struct zm_params_##name)},
#include "shaders/kernels.def"
#undef ZM_KERNEL
};

// Shaders step through rows and elements by the whole grid in 32 bits: the last step must
// not wrap round.
static const uint32_t max_extent = UINT32_MAX - ZM_MAX_GROUPS * 256u;

uint32_t zm_dtype_size(zm_dtype dtype)
{
    return dtype == ZM_F64 ? 8 : 4;
}

const zm_kernel_info *zm_kernel_get(zm_kernel kernel)
{
    assert((unsigned)kernel < ZM_KERNEL_COUNT);
    return &kernels[kernel];
}

static uint32_t groups_of(uint32_t extent, uint32_t tile)
{
    return extent / tile + (extent % tile != 0);
}

void zm_kernel_groups(zm_kernel kernel, const uint32_t extent[2], uint32_t groups[2])
{
    const zm_kernel_info *info = zm_kernel_get(kernel);
    groups[0] = groups_of(extent[0], info->tile_x);
    groups[1] = 1;
    if (info->shape == ZM_TILES)
        groups[1] = groups_of(extent[1], info->tile_y);
    else
        groups[0] = ZM_MIN(groups[0], (uint32_t)ZM_MAX_GROUPS);
}

bool zm_kernel_takes(zm_kernel kernel, const uint32_t extent[2])
{
    uint32_t groups[2];
    zm_kernel_groups(kernel, extent, groups);
    return extent[0] <= max_extent && extent[1] <= max_extent &&
           groups[0] <= ZM_MAX_GROUPS && groups[1] <= ZM_MAX_GROUPS;
}

bool zm_slice_overlaps(zm_slice a, zm_slice b)
{
    return a.buf == b.buf && a.offset < b.offset + b.size && b.offset < a.offset + a.size;
}

bool zm_dispatch_depends(const zm_dispatch *a, const zm_dispatch *b)
{
    const zm_kernel_info *ka = zm_kernel_get(a->kernel), *kb = zm_kernel_get(b->kernel);
    for (uint32_t i = 0; i < ka->bindings; i++)
        for (uint32_t j = 0; j < kb->bindings; j++)
            if ((ka->access[i] != 'r' || kb->access[j] != 'r') &&
                zm_slice_overlaps(a->bind[i], b->bind[j]))
                return true;
    return false;
}

// Every call starts here: a lost device stays lost.
static zm_status check_alive(const zm_gpu *gpu)
{
    assert(gpu);
    if (gpu->lost)
        return ZM_FAIL(ZM_ERR_LOST, "%s: the device was lost", gpu->caps.name);
    return ZM_OK;
}

static zm_status remember_lost(zm_gpu *gpu, zm_status status)
{
    if (status == ZM_ERR_LOST)
        gpu->lost = true;
    return status;
}

static zm_status check_slice(const zm_gpu *gpu, zm_slice s)
{
    if (!s.buf)
        return ZM_FAIL(ZM_ERR_USAGE, "slice without a buffer");
    if (s.buf->gpu != gpu)
        return ZM_FAIL(ZM_ERR_USAGE, "slice of another device's buffer");
    if (s.offset % gpu->caps.align != 0)
        return ZM_FAIL(ZM_ERR_USAGE, "slice at byte %llu: not a multiple of %llu",
                       (unsigned long long)s.offset, (unsigned long long)gpu->caps.align);
    if (s.size == 0 || s.size % 4 != 0)
        return ZM_FAIL(ZM_ERR_USAGE, "slice of %llu bytes: not a positive multiple of 4",
                       (unsigned long long)s.size);
    if (s.offset > s.buf->size || s.size > s.buf->size - s.offset)
        return ZM_FAIL(ZM_ERR_USAGE, "slice of %llu bytes at %llu in a buffer of %llu",
                       (unsigned long long)s.size, (unsigned long long)s.offset,
                       (unsigned long long)s.buf->size);
    return ZM_OK;
}

static zm_status check_extent(const zm_dispatch *d, const zm_kernel_info *info)
{
    const uint32_t *e = d->extent;
    if (e[0] == 0 || e[1] == 0 || e[0] > max_extent || e[1] > max_extent)
        return ZM_FAIL(ZM_ERR_USAGE, "%s: extent %u x %u is not in 1..%u", info->name,
                       (unsigned)e[0], (unsigned)e[1], (unsigned)max_extent);
    if (info->shape != ZM_TILES && e[1] != 1)
        return ZM_FAIL(ZM_ERR_USAGE, "%s: second extent is %u, expected 1", info->name,
                       (unsigned)e[1]);
    if (!zm_kernel_takes(d->kernel, e))
        return ZM_FAIL(ZM_ERR_USAGE, "%s: extent %u x %u needs more than %d groups",
                       info->name, (unsigned)e[0], (unsigned)e[1], (int)ZM_MAX_GROUPS);
    return ZM_OK;
}

static zm_status check_bindings(const zm_gpu *gpu, const zm_dispatch *d,
                                const zm_kernel_info *info)
{
    for (uint32_t i = 0; i < info->bindings; i++) {
        const zm_status st = check_slice(gpu, d->bind[i]);
        if (st != ZM_OK)
            return zm_error_context(st, "%s: binding %u", info->name, (unsigned)i);
        if (d->bind[i].size > gpu->caps.max_binding)
            return ZM_FAIL(ZM_ERR_USAGE, "%s: binding %u has %llu bytes, at most %llu",
                           info->name, (unsigned)i, (unsigned long long)d->bind[i].size,
                           (unsigned long long)gpu->caps.max_binding);
        for (uint32_t j = 0; j < i; j++)
            if ((info->access[i] != 'r' || info->access[j] != 'r') &&
                zm_slice_overlaps(d->bind[i], d->bind[j]))
                return ZM_FAIL(ZM_ERR_USAGE,
                               "%s: bindings %u and %u overlap and one is written",
                               info->name, (unsigned)j, (unsigned)i);
    }
    for (uint32_t i = info->bindings; i < ZM_MAX_BINDINGS; i++)
        if (d->bind[i].buf)
            return ZM_FAIL(ZM_ERR_USAGE, "%s has %u bindings, but number %u is given",
                           info->name, (unsigned)info->bindings, (unsigned)i);
    return ZM_OK;
}

static zm_status check_dispatch(const zm_gpu *gpu, const zm_dispatch *d)
{
    if ((unsigned)d->kernel >= ZM_KERNEL_COUNT)
        return ZM_FAIL(ZM_ERR_USAGE, "no kernel has number %d", (int)d->kernel);
    const zm_kernel_info *info = &kernels[d->kernel];
    ZM_TRY(check_extent(d, info));
    return check_bindings(gpu, d, info);
}

void zm_gpu_destroy(zm_gpu **gpu)
{
    if (*gpu)
        (*gpu)->ops->destroy(*gpu);
    *gpu = NULL;
}

const zm_caps *zm_gpu_caps(const zm_gpu *gpu)
{
    return &gpu->caps;
}

zm_status zm_buf_create(zm_gpu *gpu, uint64_t size, zm_buf **out)
{
    ZM_TRY(check_alive(gpu));
    if (size == 0 || size % 4 != 0)
        return ZM_FAIL(ZM_ERR_USAGE, "buffer of %llu bytes: not a positive multiple of 4",
                       (unsigned long long)size);
    if (size > gpu->caps.max_buffer)
        return ZM_FAIL(ZM_ERR_MEMORY, "buffer of %llu bytes, %s allows at most %llu",
                       (unsigned long long)size, gpu->caps.name,
                       (unsigned long long)gpu->caps.max_buffer);
    zm_buf *buf = NULL;
    ZM_TRY(remember_lost(gpu, gpu->ops->buf_create(gpu, size, &buf)));
    buf->gpu = gpu;
    buf->size = size;
    *out = buf;
    return ZM_OK;
}

void zm_buf_destroy(zm_buf **buf)
{
    if (*buf)
        (*buf)->gpu->ops->buf_destroy((*buf)->gpu, *buf);
    *buf = NULL;
}

uint64_t zm_buf_size(const zm_buf *buf)
{
    return buf->size;
}

zm_slice zm_buf_whole(zm_buf *buf)
{
    return (zm_slice){.buf = buf, .offset = 0, .size = buf->size};
}

zm_status zm_gpu_upload(zm_gpu *gpu, zm_slice dst, const void *src)
{
    ZM_TRY(check_alive(gpu));
    ZM_TRY(check_slice(gpu, dst));
    return remember_lost(gpu, gpu->ops->upload(gpu, dst, src));
}

zm_status zm_gpu_read(zm_gpu *gpu, zm_slice src, zm_ticket *out)
{
    ZM_TRY(check_alive(gpu));
    ZM_TRY(check_slice(gpu, src));
    return remember_lost(gpu, gpu->ops->read(gpu, src, out));
}

zm_status zm_gpu_ready(zm_gpu *gpu, zm_ticket ticket, void *dst)
{
    ZM_TRY(check_alive(gpu));
    if (ticket == 0)
        return ZM_FAIL(ZM_ERR_USAGE, "ticket 0 is no ticket");
    return remember_lost(gpu, gpu->ops->ready(gpu, ticket, dst));
}

zm_status zm_gpu_wait(zm_gpu *gpu)
{
    ZM_TRY(check_alive(gpu));
    if (!gpu->ops->wait)
        return ZM_FAIL(ZM_ERR_USAGE, "%s: nothing may wait here", gpu->caps.backend);
    return remember_lost(gpu, gpu->ops->wait(gpu));
}

zm_status zm_gpu_fetch(zm_gpu *gpu, zm_slice src, void *dst)
{
    zm_ticket ticket = 0;
    ZM_TRY(zm_gpu_read(gpu, src, &ticket));
    ZM_TRY(zm_gpu_wait(gpu));
    return zm_gpu_ready(gpu, ticket, dst);
}

zm_status zm_gpu_run(zm_gpu *gpu, const zm_dispatch *dispatch)
{
    ZM_TRY(check_alive(gpu));
    ZM_TRY(check_dispatch(gpu, dispatch));
    return remember_lost(gpu, gpu->ops->run(gpu, dispatch));
}

zm_status zm_gpu_compile(zm_gpu *gpu, const zm_dispatch *list, size_t count,
                         zm_program **out)
{
    ZM_TRY(check_alive(gpu));
    if (count == 0)
        return ZM_FAIL(ZM_ERR_USAGE, "a program without dispatches");
    for (size_t i = 0; i < count; i++) {
        const zm_status st = check_dispatch(gpu, &list[i]);
        if (st != ZM_OK)
            return zm_error_context(st, "dispatch %zu", i);
    }
    zm_program *program = NULL;
    ZM_TRY(remember_lost(gpu, gpu->ops->compile(gpu, list, count, &program)));
    program->gpu = gpu;
    *out = program;
    return ZM_OK;
}

zm_status zm_gpu_replay(zm_gpu *gpu, zm_program *program)
{
    ZM_TRY(check_alive(gpu));
    if (!program || program->gpu != gpu)
        return ZM_FAIL(ZM_ERR_USAGE, "the program is not of this device");
    return remember_lost(gpu, gpu->ops->replay(gpu, program));
}

void zm_program_destroy(zm_program **program)
{
    if (*program)
        (*program)->gpu->ops->program_destroy((*program)->gpu, *program);
    *program = NULL;
}
