// The CPU as a zm_gpu. Work runs at once, in the order of the calls, so that every queue
// rule of core/gpu.h holds by itself; a dispatch is split among the threads.
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/cpu/cpu_isa.h"
#include "backends/cpu/cpu_threads.h"
#include "core/cpus.h"
#include "core/gpu_impl.h"

enum {
    ALIGN = 256,
    // Below this many bytes of operands waking the other threads costs more than it
    // saves.
    SERIAL_BYTES = 32 << 10,
};

typedef struct cpu_buf {
    zm_buf base;
    void *block;         // what free takes
    unsigned char *data; // aligned
} cpu_buf;

typedef struct pending_read {
    zm_ticket ticket; // 0 = free entry
    uint64_t size;
    void *bytes;
} pending_read;

typedef struct cpu_gpu {
    zm_gpu base;
    const zm_cpu_isa *isa;
    zm_cpu_pool *pool;
    void *scratch_block;
    unsigned char *scratch; // ZM_CPU_SCRATCH bytes a thread, aligned
    uint64_t allocated;
    zm_ticket last_ticket;
    pending_read *reads;
    size_t read_capacity;
} cpu_gpu;

// A dispatch made ready: its call, and how its units are shared out.
typedef struct job {
    zm_cpu_kernel *kernel;
    zm_cpu_call call;
    unsigned char params[ZM_MAX_PARAM_BYTES];
    uint32_t units;
    uint32_t granule; // units stay together in groups of this many
    uint32_t parts;
} job;

typedef struct cpu_program {
    zm_program base;
    size_t count;
    job jobs[];
} cpu_program;

typedef struct running_job {
    const cpu_gpu *gpu;
    const job *job;
} running_job;

static unsigned char *align_up(void *p)
{
    const uintptr_t rest = (uintptr_t)p % ALIGN;
    return (unsigned char *)p + (rest ? ALIGN - rest : 0);
}

static unsigned char *slice_data(zm_slice s)
{
    return ((cpu_buf *)s.buf)->data + s.offset;
}

static uint64_t physical_memory(void)
{
#if defined(_SC_PHYS_PAGES) && defined(_SC_PAGESIZE)
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t bytes;
    if (pages > 0 && page > 0 && zm_mul_u64((uint64_t)pages, (uint64_t)page, &bytes))
        return bytes;
#endif
    return 0;
}

static void cpu_destroy(zm_gpu *base)
{
    cpu_gpu *gpu = (cpu_gpu *)base;
    for (size_t i = 0; i < gpu->read_capacity; i++)
        free(gpu->reads[i].bytes);
    free(gpu->reads);
    zm_cpu_pool_destroy(&gpu->pool);
    free(gpu->scratch_block);
    free(gpu);
}

// calloc takes large blocks as untouched zero pages from the system, which may promise
// more than it has; the sum is therefore held below the memory of the machine.
static zm_status cpu_buf_create(zm_gpu *base, uint64_t size, zm_buf **out)
{
    cpu_gpu *gpu = (cpu_gpu *)base;
    const uint64_t limit = base->caps.max_buffer;
    cpu_buf *buf = NULL;
    if (size > limit - gpu->allocated)
        goto fail;
    buf = zm_calloc(1, sizeof *buf);
    if (!buf)
        goto fail;
    buf->block = zm_calloc(1, size + ALIGN);
    if (!buf->block)
        goto fail;
    buf->data = align_up(buf->block);
    gpu->allocated += size;
    *out = &buf->base;
    return ZM_OK;
fail:
    free(buf);
    return ZM_FAIL(ZM_ERR_MEMORY, "buffer of %llu bytes: %llu of %llu are taken",
                   (unsigned long long)size, (unsigned long long)gpu->allocated,
                   (unsigned long long)limit);
}

static void cpu_buf_destroy(zm_gpu *base, zm_buf *handle)
{
    cpu_buf *buf = (cpu_buf *)handle;
    ((cpu_gpu *)base)->allocated -= handle->size;
    free(buf->block);
    free(buf);
}

static zm_status cpu_upload(zm_gpu *base, zm_slice dst, const void *src)
{
    (void)base;
    memcpy(slice_data(dst), src, (size_t)dst.size);
    return ZM_OK;
}

static pending_read *free_read(cpu_gpu *gpu)
{
    for (size_t i = 0; i < gpu->read_capacity; i++)
        if (gpu->reads[i].ticket == 0)
            return &gpu->reads[i];
    const size_t old = gpu->read_capacity, grown = old ? 2 * old : 16;
    pending_read *reads = realloc(gpu->reads, grown * sizeof *reads);
    if (!reads)
        return NULL;
    memset(reads + old, 0, (grown - old) * sizeof *reads);
    gpu->reads = reads;
    gpu->read_capacity = grown;
    return &reads[old];
}

static zm_status cpu_read(zm_gpu *base, zm_slice src, zm_ticket *out)
{
    cpu_gpu *gpu = (cpu_gpu *)base;
    pending_read *r = free_read(gpu);
    void *bytes = r ? malloc((size_t)src.size) : NULL;
    if (!bytes)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory to read %llu bytes back",
                       (unsigned long long)src.size);
    memcpy(bytes, slice_data(src), (size_t)src.size);
    *r = (pending_read){.ticket = ++gpu->last_ticket, .size = src.size, .bytes = bytes};
    *out = r->ticket;
    return ZM_OK;
}

static zm_status cpu_ready(zm_gpu *base, zm_ticket ticket, void *dst)
{
    cpu_gpu *gpu = (cpu_gpu *)base;
    for (size_t i = 0; i < gpu->read_capacity; i++) {
        pending_read *r = &gpu->reads[i];
        if (r->ticket != ticket)
            continue;
        memcpy(dst, r->bytes, (size_t)r->size);
        free(r->bytes);
        *r = (pending_read){0};
        return ZM_OK;
    }
    return ZM_FAIL(ZM_ERR_USAGE, "ticket %llu is unknown or used up",
                   (unsigned long long)ticket);
}

static zm_status cpu_wait(zm_gpu *base)
{
    (void)base;
    return ZM_OK;
}

// Parts depend on the number of threads, results do not: an output is computed by one
// call whichever part it is in, and parts begin where a group of outputs begins.
static void prepare(const cpu_gpu *gpu, const zm_dispatch *d, job *j)
{
    const zm_kernel_info *info = zm_kernel_get(d->kernel);
    *j = (job){.kernel = gpu->isa->kernels[d->kernel],
               .call.extent = {d->extent[0], d->extent[1]},
               .granule = info->shape == ZM_ELEMENTS ? info->tile_x : 1,
               .units = d->extent[0]};
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < info->bindings; i++) {
        j->call.bind[i] = slice_data(d->bind[i]);
        bytes += d->bind[i].size;
    }
    memcpy(j->params, d->params, sizeof j->params);
    if (info->shape == ZM_TILES) {
        uint32_t groups[2];
        zm_kernel_groups(d->kernel, d->extent, groups);
        j->units = groups[0] * groups[1]; // below 2^32: gpu.c allows 65535 each way
    }
    const uint32_t granules = j->units / j->granule + (j->units % j->granule != 0);
    j->parts = ZM_MIN(zm_cpu_pool_threads(gpu->pool), granules);
    if (bytes < SERIAL_BYTES)
        j->parts = 1;
}

static void run_part(void *user, uint32_t part)
{
    const running_job *running = user;
    const job *j = running->job;
    const uint64_t granules = (j->units - 1) / j->granule + 1;
    const uint64_t begin = granules * part / j->parts * j->granule;
    const uint64_t end = granules * (part + 1) / j->parts * j->granule;
    zm_cpu_call call = j->call;
    call.params = j->params;
    call.scratch = running->gpu->scratch + (size_t)part * ZM_CPU_SCRATCH;
    j->kernel(&call, (uint32_t)begin, (uint32_t)ZM_MIN(end, (uint64_t)j->units));
}

static void run_job(const cpu_gpu *gpu, const job *j)
{
    running_job running = {.gpu = gpu, .job = j};
    zm_cpu_pool_run(gpu->pool, j->parts, run_part, &running);
}

static zm_status cpu_run(zm_gpu *base, const zm_dispatch *dispatch)
{
    const cpu_gpu *gpu = (const cpu_gpu *)base;
    job j;
    prepare(gpu, dispatch, &j);
    run_job(gpu, &j);
    return ZM_OK;
}

static zm_status cpu_compile(zm_gpu *base, const zm_dispatch *list, size_t count,
                             zm_program **out)
{
    uint64_t bytes;
    cpu_program *program = NULL;
    if (zm_mul_u64(count, sizeof(job), &bytes) &&
        zm_add_u64(bytes, sizeof *program, &bytes))
        program = zm_calloc(1, bytes);
    if (!program)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for a program of %zu dispatches", count);
    program->count = count;
    for (size_t i = 0; i < count; i++)
        prepare((const cpu_gpu *)base, &list[i], &program->jobs[i]);
    *out = &program->base;
    return ZM_OK;
}

static zm_status cpu_replay(zm_gpu *base, zm_program *handle)
{
    const cpu_program *program = (const cpu_program *)handle;
    for (size_t i = 0; i < program->count; i++)
        run_job((const cpu_gpu *)base, &program->jobs[i]);
    return ZM_OK;
}

static void cpu_program_destroy(zm_gpu *base, zm_program *handle)
{
    (void)base;
    free(handle);
}

static const zm_gpu_ops cpu_ops = {
    .destroy = cpu_destroy,
    .buf_create = cpu_buf_create,
    .buf_destroy = cpu_buf_destroy,
    .upload = cpu_upload,
    .read = cpu_read,
    .ready = cpu_ready,
    .wait = cpu_wait,
    .run = cpu_run,
    .compile = cpu_compile,
    .replay = cpu_replay,
    .program_destroy = cpu_program_destroy,
};

static uint32_t wanted_threads(const zm_gpu_params *params)
{
    return params->threads ? params->threads : zm_cpus_allowed();
}

static uint32_t cpu_list(const zm_gpu_params *params, zm_caps *out, uint32_t max)
{
    if (max == 0)
        return 1;
    const zm_cpu_isa *isa = zm_cpu_isa_best(params->f64);
    zm_caps *caps = &out[0];
    *caps =
        (zm_caps){.software = true,
                  .real = isa->real,
                  .memory_bytes = physical_memory(),
                  .align = ALIGN,
                  .max_binding = UINT32_MAX / ALIGN * ALIGN, // kernels index in 32 bits
                  .threads = wanted_threads(params)};
    caps->max_buffer = caps->memory_bytes ? caps->memory_bytes : SIZE_MAX / 2;
    snprintf(caps->backend, sizeof caps->backend, "cpu");
    snprintf(caps->driver, sizeof caps->driver, "zmae %s", ZM_VERSION);
    snprintf(caps->isa, sizeof caps->isa, "%s", isa->name);
    zm_cpu_describe(caps->name, sizeof caps->name, caps->vendor, sizeof caps->vendor);
    return 1;
}

static zm_status cpu_open(uint32_t index, const zm_gpu_params *params, zm_gpu **out)
{
    if (index != 0)
        return ZM_FAIL(ZM_ERR_DEVICE, "there is one CPU device, not number %u",
                       (unsigned)index);
    cpu_gpu *gpu = zm_calloc(1, sizeof *gpu);
    if (!gpu)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for the CPU device");
    gpu->base.ops = &cpu_ops;
    gpu->isa = zm_cpu_isa_best(params->f64);
    cpu_list(params, &gpu->base.caps, 1);
    zm_status st = zm_cpu_pool_create(wanted_threads(params), &gpu->pool);
    if (st != ZM_OK)
        goto fail;
    gpu->base.caps.threads = zm_cpu_pool_threads(gpu->pool);
    gpu->scratch_block =
        zm_calloc(1, (uint64_t)gpu->base.caps.threads * ZM_CPU_SCRATCH + ALIGN);
    if (!gpu->scratch_block) {
        st = ZM_FAIL(ZM_ERR_MEMORY, "no working memory for %u threads",
                     (unsigned)gpu->base.caps.threads);
        goto fail;
    }
    gpu->scratch = align_up(gpu->scratch_block);
    *out = &gpu->base;
    return ZM_OK;
fail:
    zm_cpu_pool_destroy(&gpu->pool);
    free(gpu);
    return st;
}

const zm_backend zm_backend_cpu = {.name = "cpu", .list = cpu_list, .open = cpu_open};
