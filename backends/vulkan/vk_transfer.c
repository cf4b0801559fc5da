#include "backends/vulkan/vk_backend.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { STAGING_BYTES = 32 << 20, MAX_SPARE_READS = 8 };

// Takes at most want bytes of the ring in one piece; waits for the oldest submits when
// the ring is full. On success offset and taken say where and how much.
static zm_status take_staging(zm_vk_gpu *gpu, uint64_t want, uint64_t *offset,
                              uint64_t *taken)
{
    if (!gpu->staging.buffer)
        ZM_TRY(zm_vk_host_create(gpu, STAGING_BYTES, false, &gpu->staging));
    const uint64_t at = gpu->staging_head % STAGING_BYTES;
    uint64_t piece = ZM_MIN(want, (uint64_t)STAGING_BYTES / 4);
    piece = ZM_MIN(piece, STAGING_BYTES - at);
    if (gpu->staging_head + piece - gpu->staging_tail > STAGING_BYTES)
        ZM_TRY(zm_vk_queue_flush(gpu));
    while (gpu->staging_head + piece - gpu->staging_tail > STAGING_BYTES) {
        assert(gpu->completed < gpu->submitted); // only work in flight holds the ring
        ZM_TRY(zm_vk_queue_wait(gpu, gpu->completed + 1));
    }
    *offset = at;
    *taken = piece;
    return ZM_OK;
}

zm_status zm_vk_upload(zm_gpu *base, zm_slice dst, const void *src)
{
    zm_vk_gpu *gpu = (zm_vk_gpu *)base;
    const unsigned char *bytes = src;
    for (uint64_t done = 0; done < dst.size;) {
        uint64_t offset = 0, piece = 0;
        ZM_TRY(take_staging(gpu, dst.size - done, &offset, &piece));
        zm_vk_slot *slot = NULL;
        ZM_TRY(zm_vk_queue_begin(gpu, &slot));
        memcpy((unsigned char *)gpu->staging.mapped + offset, bytes + done,
               (size_t)piece);
        const VkBufferCopy copy = {
            .srcOffset = offset, .dstOffset = dst.offset + done, .size = piece};
        vkCmdCopyBuffer(slot->cmd, gpu->staging.buffer, ((zm_vk_buf *)dst.buf)->buffer, 1,
                        &copy);
        gpu->staging_head += piece;
        done += piece;
    }
    return ZM_OK;
}

// A spare record that is large enough, but not wastefully so, or a new one.
static zm_status take_read(zm_vk_gpu *gpu, uint64_t size, zm_vk_read **out)
{
    for (zm_vk_read **link = &gpu->spare_reads; *link; link = &(*link)->next) {
        zm_vk_read *read = *link;
        if (read->host.size >= size && read->host.size / 4 <= ZM_MAX(size, 4096u)) {
            *link = read->next;
            *out = read;
            return ZM_OK;
        }
    }
    zm_vk_read *read = zm_calloc(1, sizeof *read);
    if (!read)
        return ZM_FAIL(ZM_ERR_MEMORY, "no host memory for a read");
    const zm_status st = zm_vk_host_create(gpu, ZM_MAX(size, 256u), true, &read->host);
    if (st != ZM_OK) {
        free(read);
        return st;
    }
    *out = read;
    return ZM_OK;
}

static void free_read(zm_vk_gpu *gpu, zm_vk_read *read)
{
    zm_vk_host_finish(gpu, &read->host);
    free(read);
}

// Keeps a record for the next read; the oldest of too many goes.
static void spare_read(zm_vk_gpu *gpu, zm_vk_read *read)
{
    read->next = gpu->spare_reads;
    gpu->spare_reads = read;
    zm_vk_read **link = &gpu->spare_reads;
    for (int i = 0; i < MAX_SPARE_READS && *link; i++)
        link = &(*link)->next;
    if (*link) {
        free_read(gpu, *link);
        *link = NULL;
    }
}

zm_status zm_vk_read_begin(zm_gpu *base, zm_slice src, zm_ticket *out)
{
    zm_vk_gpu *gpu = (zm_vk_gpu *)base;
    zm_vk_read *read = NULL;
    ZM_TRY(take_read(gpu, src.size, &read));
    zm_vk_slot *slot = NULL;
    const zm_status st = zm_vk_queue_begin(gpu, &slot);
    if (st != ZM_OK) {
        spare_read(gpu, read);
        return st;
    }
    const VkBufferCopy copy = {.srcOffset = src.offset, .size = src.size};
    vkCmdCopyBuffer(slot->cmd, ((zm_vk_buf *)src.buf)->buffer, read->host.buffer, 1,
                    &copy);
    const VkMemoryBarrier to_host = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                     .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
                                     .dstAccessMask = VK_ACCESS_HOST_READ_BIT};
    vkCmdPipelineBarrier(slot->cmd, VK_PIPELINE_STAGE_TRANSFER_BIT,
                         VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &to_host, 0, NULL, 0, NULL);
    read->serial = gpu->submitted + 1;
    read->size = src.size;
    read->ticket = ++gpu->last_ticket;
    read->next = gpu->reads;
    gpu->reads = read;
    *out = read->ticket;
    // On its way before anybody asks; what fails here for want of memory is tried again,
    // and reported, by ready.
    return zm_vk_queue_flush(gpu) == ZM_ERR_LOST ? ZM_ERR_LOST : ZM_OK;
}

zm_status zm_vk_read_ready(zm_gpu *base, zm_ticket ticket, void *dst)
{
    zm_vk_gpu *gpu = (zm_vk_gpu *)base;
    zm_vk_read **link = &gpu->reads;
    while (*link && (*link)->ticket != ticket)
        link = &(*link)->next;
    zm_vk_read *read = *link;
    if (!read)
        return ZM_FAIL(ZM_ERR_USAGE, "ticket %llu was never given or is used up",
                       (unsigned long long)ticket);
    ZM_TRY(zm_vk_queue_flush(gpu));
    ZM_TRY(zm_vk_queue_poll(gpu));
    if (read->serial > gpu->completed)
        return ZM_PENDING;
    if (!read->host.coherent) {
        const VkMappedMemoryRange range = {.sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE,
                                           .memory = read->host.memory,
                                           .size = VK_WHOLE_SIZE};
        ZM_VK_TRY(vkInvalidateMappedMemoryRanges(gpu->device, 1, &range),
                  "vkInvalidateMappedMemoryRanges");
    }
    memcpy(dst, read->host.mapped, (size_t)read->size);
    *link = read->next;
    spare_read(gpu, read);
    return ZM_OK;
}

void zm_vk_transfer_finish(zm_vk_gpu *gpu)
{
    zm_vk_read *lists[] = {gpu->reads, gpu->spare_reads};
    for (size_t i = 0; i < ZM_COUNT_OF(lists); i++)
        while (lists[i]) {
            zm_vk_read *next = lists[i]->next;
            free_read(gpu, lists[i]);
            lists[i] = next;
        }
    gpu->reads = gpu->spare_reads = NULL;
    zm_vk_host_finish(gpu, &gpu->staging);
}
