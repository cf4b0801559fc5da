// The validation gate: programs without a bug give no message, and every seeded bug gives
// at least one. Each scenario runs on a device of its own, once clean and once seeded.
#include <criterion/criterion.h>
#ifdef ZM_HAVE_VULKAN
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/vulkan/vulkan_debug.h"
#include "core/kernel_structs.h"
#include "oob_read.spv.h"
#include "oob_write.spv.h"
#include "writes_input.spv.h"

enum { SIDE = 20, BUFFERS = 5, ELEMENTS = SIDE * SIDE };

typedef struct bench {
    zm_gpu *gpu;
    zm_buf *buf[BUFFERS]; // SIDE x SIDE matrices
    float values[ELEMENTS];
    char last_message[512];
} bench;

static void keep_message(void *user, zm_log_level level, const char *message)
{
    (void)level;
    snprintf(((bench *)user)->last_message, sizeof((bench *)user)->last_message, "%.511s",
             message);
}

static void must(zm_status st)
{
    cr_assert_eq(st, ZM_OK, "%s: %s", zm_status_name(st), zm_error_detail());
}

// Under ZMAE_DEVICE=cpu there is nothing to do; under ZMAE_DEVICE=vulkan a missing driver
// or layer is a failure, otherwise a skip.
static bool open_bench(bench *b)
{
    const char *device = getenv("ZMAE_DEVICE");
    *b = (bench){0};
    if (device && strncmp(device, "vulkan", 6) != 0)
        return false;
    const zm_gpu_params params = {.validate = true, .log = {keep_message, b}};
    const zm_status st = zm_gpu_open(device ? device : "vulkan", &params, &b->gpu);
    if (st == ZM_ERR_DEVICE && !device)
        return false;
    must(st);
    for (size_t i = 0; i < ELEMENTS; i++)
        b->values[i] = (float)i / ELEMENTS;
    for (size_t i = 0; i < BUFFERS; i++) {
        must(zm_buf_create(b->gpu, sizeof b->values, &b->buf[i]));
        must(zm_gpu_upload(b->gpu, zm_buf_whole(b->buf[i]), b->values));
    }
    must(zm_gpu_wait(b->gpu)); // no hazard reaches back to here
    return true;
}

static uint32_t close_bench(bench *b)
{
    must(zm_gpu_wait(b->gpu));
    const uint32_t messages = zm_vulkan_validation_messages(b->gpu);
    zm_vulkan_seed_bugs(b->gpu, 0);
    for (size_t i = 0; i < BUFFERS; i++)
        zm_buf_destroy(&b->buf[i]);
    zm_gpu_destroy(&b->gpu);
    return messages;
}

// buf[y] = buf[x] buf[w]^T + first row of buf[bias]
static zm_dispatch product(const bench *b, int x, int w, int bias, int y)
{
    zm_dispatch d = {.kernel = ZM_KERNEL_linear_fwd,
                     .extent = {SIDE, SIDE},
                     .bind = {zm_buf_whole(b->buf[x]), zm_buf_whole(b->buf[w]),
                              zm_buf_whole(b->buf[bias]), zm_buf_whole(b->buf[y])}};
    const struct zm_params_linear_fwd p = {SIDE, SIDE, SIDE, 1, ZM_ACT_GELU};
    memcpy(d.params, &p, sizeof p);
    return d;
}

// buf[dx] += buf[dy] buf[w]
static zm_dispatch add_product(const bench *b, int dy, int w, int dx)
{
    zm_dispatch d = {.kernel = ZM_KERNEL_linear_bwd_input,
                     .extent = {SIDE, SIDE},
                     .bind = {zm_buf_whole(b->buf[dy]), zm_buf_whole(b->buf[w]),
                              zm_buf_whole(b->buf[dx])}};
    const struct zm_params_linear_bwd_input p = {SIDE, SIDE, SIDE, 1};
    memcpy(d.params, &p, sizeof p);
    return d;
}

static void replay_pair(bench *b, zm_dispatch first, zm_dispatch second)
{
    const zm_dispatch list[] = {first, second};
    zm_program *program = NULL;
    must(zm_gpu_compile(b->gpu, list, ZM_COUNT_OF(list), &program));
    must(zm_gpu_replay(b->gpu, program));
    must(zm_gpu_replay(b->gpu, program)); // while the first is in flight
    must(zm_gpu_wait(b->gpu));
    zm_program_destroy(&program);
}

static void program_read_after_write(bench *b)
{
    replay_pair(b, product(b, 0, 1, 2, 3), product(b, 3, 1, 2, 4));
}

static void program_write_after_read(bench *b)
{
    replay_pair(b, product(b, 0, 1, 2, 3), product(b, 2, 1, 2, 0));
}

static void run_one(bench *b, zm_dispatch d)
{
    must(zm_gpu_run(b->gpu, &d));
}

static void run_read_after_write(bench *b)
{
    run_one(b, product(b, 0, 1, 2, 3));
    run_one(b, product(b, 3, 1, 2, 4));
}

static void run_write_after_read(bench *b)
{
    run_one(b, product(b, 0, 1, 2, 3));
    run_one(b, product(b, 2, 1, 2, 0));
}

static void upload_then_run(bench *b)
{
    must(zm_gpu_upload(b->gpu, zm_buf_whole(b->buf[0]), b->values));
    run_one(b, product(b, 0, 1, 2, 3));
}

static void run_then_upload(bench *b)
{
    run_one(b, product(b, 0, 1, 2, 3));
    must(zm_gpu_upload(b->gpu, zm_buf_whole(b->buf[0]), b->values));
}

static void upload_twice(bench *b)
{
    must(zm_gpu_upload(b->gpu, zm_buf_whole(b->buf[0]), b->values));
    must(zm_gpu_upload(b->gpu, zm_buf_whole(b->buf[0]), b->values));
}

static void create_then_upload(bench *b) // over the zeros of the new buffer
{
    zm_buf *buf = NULL;
    must(zm_buf_create(b->gpu, sizeof b->values, &buf));
    must(zm_gpu_upload(b->gpu, zm_buf_whole(buf), b->values));
    zm_buf_destroy(&buf);
}

static void run_then_read(bench *b)
{
    run_one(b, product(b, 0, 1, 2, 3));
    must(zm_gpu_fetch(b->gpu, zm_buf_whole(b->buf[3]), b->values));
}

static void upload_then_read(bench *b)
{
    must(zm_gpu_upload(b->gpu, zm_buf_whole(b->buf[0]), b->values));
    must(zm_gpu_fetch(b->gpu, zm_buf_whole(b->buf[0]), b->values));
}

static void destroy_buffer_in_use(bench *b)
{
    run_one(b, product(b, 0, 1, 2, 3));
    zm_buf_destroy(&b->buf[3]);
}

static void destroy_program_in_use(bench *b)
{
    const zm_dispatch d = product(b, 0, 1, 2, 3);
    zm_program *program = NULL;
    must(zm_gpu_compile(b->gpu, &d, 1, &program));
    must(zm_gpu_replay(b->gpu, program));
    zm_program_destroy(&program);
}

// Runs the scenario on a fresh device and returns the number of messages.
static uint32_t count_messages(void (*scenario)(bench *), uint32_t bugs,
                               char message[512])
{
    bench b;
    cr_assert(open_bench(&b));
    zm_vulkan_seed_bugs(b.gpu, bugs);
    scenario(&b);
    const uint32_t messages = close_bench(&b);
    memcpy(message, b.last_message, sizeof b.last_message);
    return messages;
}

static void skip_without_device(void)
{
    bench b;
    if (!open_bench(&b))
        cr_skip_test("no Vulkan device with a validation layer to test");
    close_bench(&b);
}

static const struct {
    const char *name;
    void (*run)(bench *);
    uint32_t bugs;
} scenarios[] = {
    {"program: read after write", program_read_after_write,
     ZM_VULKAN_SEED_PROGRAM_BARRIER},
    {"program: write after read", program_write_after_read,
     ZM_VULKAN_SEED_PROGRAM_BARRIER},
    {"run: read after write", run_read_after_write, ZM_VULKAN_SEED_QUEUE_BARRIER},
    {"run: write after read", run_write_after_read, ZM_VULKAN_SEED_QUEUE_BARRIER},
    {"upload, then run", upload_then_run, ZM_VULKAN_SEED_QUEUE_BARRIER},
    {"run, then upload", run_then_upload, ZM_VULKAN_SEED_QUEUE_BARRIER},
    {"upload, then upload", upload_twice, ZM_VULKAN_SEED_QUEUE_BARRIER},
    {"create, then upload", create_then_upload, ZM_VULKAN_SEED_QUEUE_BARRIER},
    {"run, then read", run_then_read, ZM_VULKAN_SEED_QUEUE_BARRIER},
    {"upload, then read", upload_then_read, ZM_VULKAN_SEED_QUEUE_BARRIER},
    {"buffer destroyed in use", destroy_buffer_in_use, ZM_VULKAN_SEED_NO_WAIT},
    {"program destroyed in use", destroy_program_in_use, ZM_VULKAN_SEED_NO_WAIT},
};

Test(validation, clean_work_gives_no_message)
{
    skip_without_device();
    for (size_t i = 0; i < ZM_COUNT_OF(scenarios); i++) {
        char message[512];
        const uint32_t messages = count_messages(scenarios[i].run, 0, message);
        cr_expect_eq(messages, 0, "%s: %u messages, the last: %s", scenarios[i].name,
                     (unsigned)messages, message);
    }
}

Test(validation, finds_every_seeded_bug)
{
    skip_without_device();
    for (size_t i = 0; i < ZM_COUNT_OF(scenarios); i++) {
        char message[512];
        const uint32_t messages =
            count_messages(scenarios[i].run, scenarios[i].bugs, message);
        cr_expect_gt(messages, 0, "%s: not found", scenarios[i].name);
    }
}

// Messages of one run of a faulty shader in place of linear_fwd, reaching for element.
static uint32_t run_faulty(const uint32_t *words, size_t size_bytes, uint32_t element)
{
    bench b;
    cr_assert(open_bench(&b));
    zm_vulkan_replace_shader(b.gpu, ZM_KERNEL_linear_fwd, words, size_bytes);
    zm_dispatch d = product(&b, 0, 1, 2, 3);
    const struct zm_params_linear_fwd p = {.m = element};
    memcpy(d.params, &p, sizeof p);
    d.extent[0] = d.extent[1] = 1;
    run_one(&b, d);
    return close_bench(&b);
}

// The layer (1.3.239) knows the end of the buffer, not the end of the binding.
Test(validation, finds_access_out_of_bounds)
{
    skip_without_device();
    const uint32_t last = ELEMENTS - 1;
    cr_expect_eq(run_faulty(zm_spv_oob_read, sizeof zm_spv_oob_read, last), 0);
    cr_expect_eq(run_faulty(zm_spv_oob_write, sizeof zm_spv_oob_write, last), 0);
    const uint32_t outside[] = {ELEMENTS, ELEMENTS + 1, 1u << 20};
    for (size_t i = 0; i < ZM_COUNT_OF(outside); i++) {
        cr_expect_gt(run_faulty(zm_spv_oob_read, sizeof zm_spv_oob_read, outside[i]), 0,
                     "read of element %u", (unsigned)outside[i]);
        cr_expect_gt(run_faulty(zm_spv_oob_write, sizeof zm_spv_oob_write, outside[i]), 0,
                     "write of element %u", (unsigned)outside[i]);
    }
}

// A right kernel, told wrong sizes.
Test(validation, finds_wrong_parameters)
{
    skip_without_device();
    const struct zm_params_linear_fwd wrong[] = {
        {SIDE + 1, SIDE, SIDE, 1, 0}, // reads x and writes y past the end
        {SIDE, SIDE + 1, SIDE, 0, 0}, // reads w, writes y
        {SIDE, SIDE, SIDE + 1, 0, 0}, // reads x and w
    };
    for (size_t i = 0; i < ZM_COUNT_OF(wrong); i++) {
        bench b;
        cr_assert(open_bench(&b));
        zm_dispatch d = product(&b, 0, 1, 2, 3);
        memcpy(d.params, &wrong[i], sizeof wrong[i]);
        run_one(&b, d);
        cr_expect_gt(close_bench(&b), 0, "parameters %zu", i);
    }
}

// kernels.def decides where barriers go: a shader that writes what it is said to read
// makes a race.
Test(validation, finds_a_shader_that_writes_its_input)
{
    skip_without_device();
    bench b;
    cr_assert(open_bench(&b));
    zm_vulkan_replace_shader(b.gpu, ZM_KERNEL_linear_fwd, zm_spv_writes_input,
                             sizeof zm_spv_writes_input);
    replay_pair(&b, product(&b, 0, 1, 2, 3), add_product(&b, 0, 1, 4));
    cr_expect_gt(close_bench(&b), 0);
}

static uint32_t count_barriers(bench *b, const zm_dispatch *list, size_t count)
{
    zm_program *program = NULL;
    must(zm_gpu_compile(b->gpu, list, count, &program));
    const uint32_t barriers = zm_vulkan_program_barriers(program);
    zm_program_destroy(&program);
    return barriers;
}

// Two writers of one buffer are beyond the layer, and so is a barrier too many.
Test(validation, barriers_stand_where_dispatches_depend)
{
    skip_without_device();
    bench b;
    cr_assert(open_bench(&b));
    const zm_dispatch y3 = product(&b, 0, 1, 2, 3), y4 = product(&b, 0, 1, 2, 4);
    const zm_dispatch reads3 = product(&b, 3, 1, 2, 4), adds3 = add_product(&b, 0, 1, 3);
    const zm_dispatch writes0 = product(&b, 1, 1, 2, 0);
    cr_expect_eq(count_barriers(&b, (zm_dispatch[]){y3, y4}, 2), 0, "independent");
    cr_expect_eq(count_barriers(&b, (zm_dispatch[]){y3, reads3}, 2), 1, "read of y");
    cr_expect_eq(count_barriers(&b, (zm_dispatch[]){y3, writes0}, 2), 1, "write of x");
    cr_expect_eq(count_barriers(&b, (zm_dispatch[]){y3, y3}, 2), 1, "y written twice");
    cr_expect_eq(count_barriers(&b, (zm_dispatch[]){adds3, adds3}, 2), 1, "y updated");
    // one barrier settles all that came before it
    cr_expect_eq(count_barriers(&b, (zm_dispatch[]){y3, y4, adds3, y4}, 4), 1);
    cr_expect_eq(count_barriers(&b, (zm_dispatch[]){y3, y4, adds3, writes0}, 4), 2);
    cr_expect_eq(close_bench(&b), 0);
}

#endif
