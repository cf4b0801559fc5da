// What a caller can get wrong is refused with the right status, and everything goes on
// working.
#include "tests/contract/contract.h"
#include "tests/contract/contract_tools.h"

#define REFUSED(expected, call)                                                          \
    do {                                                                                 \
        const zm_status refused_ = (call);                                               \
        EXPECT(refused_ == (expected), "%s gave \"%s\"", #call,                          \
               zm_status_name(refused_));                                                \
    } while (0)

zm_status zm_contract_bad_slices_are_refused(zm_gpu *gpu)
{
    const uint64_t align = zm_gpu_caps(gpu)->align, size = 4 * align;
    zm_buf *buf = NULL;
    ZM_TRY(zm_buf_create(gpu, size, &buf));
    const zm_slice bad[] = {
        {NULL, 0, 4},                 // no buffer
        {buf, 4, 4},                  // not aligned
        {buf, align - 4, 4},          //
        {buf, 0, 0},                  // empty
        {buf, 0, 6},                  // not whole words
        {buf, 0, size + 4},           // too long
        {buf, align, size},           // reaches past the end
        {buf, size, 4},               // begins at the end
        {buf, size + align, 4},       // begins past the end
        {buf, align, UINT64_MAX - 3}, // the sum wraps round
        {buf, UINT64_MAX / align * align, align},
    };
    unsigned char bytes[4 * 256 + 8] = {0};
    for (size_t i = 0; i < ZM_COUNT_OF(bad); i++) {
        zm_ticket ticket = 0;
        REFUSED(ZM_ERR_USAGE, zm_gpu_upload(gpu, bad[i], bytes));
        REFUSED(ZM_ERR_USAGE, zm_gpu_read(gpu, bad[i], &ticket));
        EXPECT(ticket == 0, "a refused read gives no ticket");
        const zm_dispatch d = copy(bad[i], (zm_slice){buf, align, 4}, 1);
        REFUSED(ZM_ERR_USAGE, zm_gpu_run(gpu, &d));
        EXPECT(zm_error_detail()[0] != '\0', "a refusal says why");
    }
    zm_buf_destroy(&buf);
    return still_works(gpu);
}

// Dispatches made from a good one by one change.
static size_t spoil(const zm_dispatch *good, zm_slice other, zm_dispatch *bad)
{
    size_t n = 0;
#define BAD(change)                                                                      \
    do {                                                                                 \
        zm_dispatch d = *good;                                                           \
        change;                                                                          \
        bad[n++] = d;                                                                    \
    } while (0)
    BAD(d.kernel = ZM_KERNEL_COUNT);
    BAD(d.kernel = (zm_kernel)-1);
    BAD(d.extent[0] = 0);
    BAD(d.extent[1] = 0);
    BAD(d.extent[0] = UINT32_MAX);
    BAD(d.extent[1] = 2); // add has one extent
    BAD(d.bind[1] = (zm_slice){0});
    BAD(d.bind[3] = other);     // add has three bindings
    BAD(d.bind[2] = d.bind[0]); // written and read
    BAD(d.bind[2].offset = d.bind[0].offset + 256; d.bind[2].size = 256;
        d.bind[0].size = 512);
    BAD(d.kernel = ZM_KERNEL_linear_fwd; d.bind[3] = other;
        d.extent[0] = ZM_MAX_GROUPS * 64u + 1);
    BAD(d.kernel = ZM_KERNEL_linear_fwd; d.bind[3] = other;
        d.extent[1] = ZM_MAX_GROUPS * 64u + 1);
#undef BAD
    return n;
}

zm_status zm_contract_bad_dispatches_are_refused(zm_gpu *gpu)
{
    zm_buf *buf = NULL;
    ZM_TRY(zm_buf_create(gpu, 8 * 256, &buf));
    const zm_slice x = {buf, 0, 256}, y = {buf, 512, 256}, z = {buf, 1024, 256},
                   other = {buf, 1536, 256};
    const zm_dispatch good = add(x, y, z, 32);
    zm_dispatch bad[16];
    const size_t count = spoil(&good, other, bad);
    for (size_t i = 0; i < count; i++) {
        EXPECT(zm_gpu_run(gpu, &bad[i]) == ZM_ERR_USAGE, "bad dispatch %zu is refused",
               i);
        const zm_dispatch list[3] = {good, good, bad[i]};
        zm_program *program = NULL;
        EXPECT(zm_gpu_compile(gpu, list, 3, &program) == ZM_ERR_USAGE && !program,
               "a program with bad dispatch %zu is refused", i);
    }
    ZM_TRY(zm_gpu_run(gpu, &good));
    const zm_dispatch twice = add(x, x, z, 32); // two that only read may be the same
    ZM_TRY(zm_gpu_run(gpu, &twice));
    zm_buf_destroy(&buf);
    return still_works(gpu);
}

zm_status zm_contract_bad_programs_buffers_and_tickets_are_refused(zm_gpu *gpu)
{
    zm_buf *buf = NULL;
    REFUSED(ZM_ERR_USAGE, zm_buf_create(gpu, 0, &buf));
    REFUSED(ZM_ERR_USAGE, zm_buf_create(gpu, 6, &buf));
    EXPECT(!buf, "a refused buffer leaves the handle alone");
    zm_program *program = NULL;
    REFUSED(ZM_ERR_USAGE, zm_gpu_compile(gpu, NULL, 0, &program));
    EXPECT(!program, "a refused program leaves the handle alone");
    REFUSED(ZM_ERR_USAGE, zm_gpu_replay(gpu, NULL));
    uint32_t word = 0;
    REFUSED(ZM_ERR_USAGE, zm_gpu_ready(gpu, 0, &word));
    REFUSED(ZM_ERR_USAGE, zm_gpu_ready(gpu, UINT64_MAX, &word));
    zm_buf_destroy(&buf); // destroying nothing is allowed
    zm_program_destroy(&program);
    return still_works(gpu);
}

// Software Vulkan writes the zeros of every buffer into the memory of this machine:
// filling that is no test of the driver.
static bool may_fill(const zm_caps *caps)
{
    return !caps->software || strcmp(caps->backend, "cpu") == 0;
}

zm_status zm_contract_exhausted_memory_is_an_error_and_passes(zm_gpu *gpu)
{
    enum { MOST = 64 };
    const zm_caps *caps = zm_gpu_caps(gpu);
    const uint64_t too_large[] = {(uint64_t)1 << 50, (uint64_t)1 << 62,
                                  UINT64_MAX / 4 * 4};
    zm_buf *bufs[MOST] = {0};
    for (size_t i = 0; i < ZM_COUNT_OF(too_large); i++)
        REFUSED(ZM_ERR_MEMORY, zm_buf_create(gpu, too_large[i], &bufs[0]));
    EXPECT(!bufs[0], "a refused buffer leaves the handle alone");
    if (may_fill(caps) && caps->memory_bytes != 0) {
        const uint64_t each =
            ZM_MIN(caps->memory_bytes / 8, caps->max_buffer) / 256 * 256;
        zm_status st = ZM_OK;
        int count = 0;
        while (count < MOST && (st = zm_buf_create(gpu, each, &bufs[count])) == ZM_OK)
            count++;
        EXPECT(count == MOST || st == ZM_ERR_MEMORY, "a full device says \"%s\"",
               zm_status_name(st));
        for (int i = 0; i < count; i++)
            zm_buf_destroy(&bufs[i]);
    }
    return still_works(gpu);
}
