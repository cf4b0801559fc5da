// What only the Vulkan backend has: the staging ring, slots in flight, the pipeline cache
// file, limits and timeouts. The contract that all backends share is elsewhere.
#include <criterion/criterion.h>
#ifdef ZM_HAVE_VULKAN
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backends/vulkan/vulkan_debug.h"
#include "core/gpu.h"
#include "core/kernel_structs.h"

static void must(zm_status st)
{
    cr_assert_eq(st, ZM_OK, "%s: %s", zm_status_name(st), zm_error_detail());
}

static void count_line(void *user, zm_log_level level, const char *message)
{
    (void)level;
    (void)message;
    ++*(int *)user;
}

// The device under test; without one the test is skipped, or fails when one was promised.
static zm_gpu *open_with(zm_gpu_params params)
{
    const char *device = getenv("ZMAE_DEVICE");
    if (device && strncmp(device, "vulkan", 6) != 0)
        cr_skip_test("not the device under test");
    zm_gpu *gpu = NULL;
    const zm_status st = zm_gpu_open(device ? device : "vulkan", &params, &gpu);
    if (st == ZM_ERR_DEVICE && !device)
        cr_skip_test("no Vulkan device");
    must(st);
    return gpu;
}

static zm_gpu *open_plain(void)
{
    return open_with((zm_gpu_params){0});
}

Test(vulkan, caps_are_plausible)
{
    zm_gpu *gpu = open_plain();
    const zm_caps *caps = zm_gpu_caps(gpu);
    cr_expect_str_eq(caps->backend, "vulkan");
    cr_expect_gt(strlen(caps->name), 0);
    cr_expect_eq(strlen(caps->uuid), 32);
    cr_expect_eq(caps->align, 256);
    cr_expect_geq(caps->max_binding, 128u << 20); // what WebGPU promises too
    cr_expect_geq(caps->max_buffer, caps->max_binding);
    cr_expect_gt(caps->memory_bytes, 0);
    zm_gpu_destroy(&gpu);
}

Test(vulkan, opens_by_uuid)
{
    zm_gpu *first = open_plain();
    char uuid[40];
    snprintf(uuid, sizeof uuid, "%s", zm_gpu_caps(first)->uuid);
    zm_gpu *second = NULL;
    must(zm_gpu_open(uuid, NULL, &second));
    cr_expect_str_eq(zm_gpu_caps(second)->uuid, uuid);
    zm_gpu_destroy(&second);
    zm_gpu_destroy(&first);
}

Test(vulkan, refuses_a_device_that_is_not_there)
{
    zm_gpu *gpu = open_plain();
    zm_gpu_destroy(&gpu);
    cr_expect_eq(zm_gpu_open("vulkan:99", NULL, &gpu), ZM_ERR_DEVICE);
    cr_expect_null(gpu);
}

// 80 MiB through a ring of 32, twice, with a read of the first state between.
Test(vulkan, uploads_larger_than_the_staging_ring_arrive_in_order)
{
    zm_gpu *gpu = open_plain();
    const uint64_t words = 20u << 20;
    uint32_t *data = zm_calloc(words, 4), *back = zm_calloc(words, 4);
    cr_assert(data && back);
    zm_buf *buf = NULL;
    must(zm_buf_create(gpu, words * 4, &buf));
    zm_ticket first = 0;
    for (uint64_t i = 0; i < words; i++)
        data[i] = (uint32_t)(i * 2654435761u);
    must(zm_gpu_upload(gpu, zm_buf_whole(buf), data));
    must(zm_gpu_read(gpu, zm_buf_whole(buf), &first));
    for (uint64_t i = 0; i < words; i++)
        data[i] = ~data[i];
    must(zm_gpu_upload(gpu, zm_buf_whole(buf), data));
    must(zm_gpu_fetch(gpu, zm_buf_whole(buf), back));
    cr_expect_arr_eq(back, data, words * 4);
    must(zm_gpu_ready(gpu, first, back));
    for (uint64_t i = 0; i < words; i++)
        data[i] = ~data[i];
    cr_expect_arr_eq(back, data, words * 4);
    zm_buf_destroy(&buf);
    zm_gpu_destroy(&gpu);
    free(data);
    free(back);
}

Test(vulkan, many_small_uploads_wrap_round_the_ring)
{
    enum { WORDS = 65537, ROUNDS = 400 }; // 100 MiB, no divisor of the ring
    zm_gpu *gpu = open_plain();
    uint32_t *data = zm_calloc(WORDS, 4), *back = zm_calloc(WORDS, 4);
    cr_assert(data && back);
    zm_buf *buf = NULL;
    must(zm_buf_create(gpu, WORDS * 4, &buf));
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < WORDS; i++)
            data[i] = i * 7919u + round;
        must(zm_gpu_upload(gpu, zm_buf_whole(buf), data));
        if (round % 50 == 49) {
            must(zm_gpu_fetch(gpu, zm_buf_whole(buf), back));
            cr_assert_arr_eq(back, data, WORDS * 4, "round %u", (unsigned)round);
        }
    }
    zm_buf_destroy(&buf);
    zm_gpu_destroy(&gpu);
    free(data);
    free(back);
}

// y += x w over 1 x 1 matrices of ones: counts its own runs.
static zm_dispatch count_up(zm_buf *one, zm_buf *counter)
{
    zm_dispatch d = {
        .kernel = ZM_KERNEL_linear_bwd_input,
        .extent = {1, 1},
        .bind = {zm_buf_whole(one), zm_buf_whole(one), zm_buf_whole(counter)}};
    const struct zm_params_linear_bwd_input p = {1, 1, 1, 1};
    memcpy(d.params, &p, sizeof p);
    return d;
}

Test(vulkan, more_work_than_slots_runs_once_each)
{
    zm_gpu *gpu = open_plain();
    zm_buf *one = NULL, *counter = NULL;
    const float value = 1.0f;
    float counted = 0.0f;
    must(zm_buf_create(gpu, 4, &one));
    must(zm_buf_create(gpu, 4, &counter));
    must(zm_gpu_upload(gpu, zm_buf_whole(one), &value));
    const zm_dispatch d = count_up(one, counter);
    zm_dispatch list[520]; // more than one command buffer holds
    for (size_t i = 0; i < ZM_COUNT_OF(list); i++)
        list[i] = d;
    zm_program *program = NULL;
    must(zm_gpu_compile(gpu, list, ZM_COUNT_OF(list), &program));
    for (int i = 0; i < 20; i++) { // slots: 16
        must(zm_gpu_replay(gpu, program));
        must(zm_gpu_run(gpu, &d));
    }
    for (int i = 0; i < 200; i++) // commands in a slot: 64
        must(zm_gpu_run(gpu, &d));
    must(zm_gpu_fetch(gpu, zm_buf_whole(counter), &counted));
    cr_expect_eq(counted, 20.0f * 521.0f + 200.0f, "counted %g", (double)counted);
    zm_program_destroy(&program);
    zm_buf_destroy(&one);
    zm_buf_destroy(&counter);
    zm_gpu_destroy(&gpu);
}

Test(vulkan, tickets_may_be_answered_in_any_order_or_never)
{
    zm_gpu *gpu = open_plain();
    zm_buf *buf = NULL;
    must(zm_buf_create(gpu, 4096, &buf));
    zm_ticket tickets[40];
    for (uint32_t i = 0; i < ZM_COUNT_OF(tickets); i++) {
        must(zm_gpu_upload(gpu, (zm_slice){buf, 0, 4}, &i));
        must(zm_gpu_read(gpu, (zm_slice){buf, 0, i % 2 ? 4 : 4096}, &tickets[i]));
    }
    must(zm_gpu_wait(gpu));
    uint32_t back[1024];
    for (uint32_t i = (uint32_t)ZM_COUNT_OF(tickets) - 1; i >= 5; i--) {
        must(zm_gpu_ready(gpu, tickets[i], back));
        cr_expect_eq(back[0], i);
        cr_expect_eq(zm_gpu_ready(gpu, tickets[i], back), ZM_ERR_USAGE, "used twice");
    }
    zm_buf_destroy(&buf);
    zm_gpu_destroy(&gpu); // five were never asked for
}

// Work that takes longer than the limit: the device counts as lost, for good.
Test(vulkan, a_wait_without_an_answer_loses_the_device)
{
    enum { SIDE = 256, RUNS = 2 };
    zm_gpu *gpu = open_plain();
    zm_buf *bufs[3] = {0};
    for (size_t i = 0; i < ZM_COUNT_OF(bufs); i++)
        must(zm_buf_create(gpu, SIDE * SIDE * 4, &bufs[i]));
    must(zm_gpu_wait(gpu));
    zm_dispatch d = count_up(bufs[0], bufs[2]);
    const struct zm_params_linear_bwd_input p = {SIDE, SIDE, SIDE, 1};
    memcpy(d.params, &p, sizeof p);
    d.extent[0] = d.extent[1] = SIDE;
    d.bind[1] = zm_buf_whole(bufs[1]);
    for (int i = 0; i < RUNS; i++)
        must(zm_gpu_run(gpu, &d));
    zm_vulkan_set_timeout(gpu, 1);
    cr_expect_eq(zm_gpu_wait(gpu), ZM_ERR_LOST, "%s", zm_error_detail());
    cr_expect_eq(zm_gpu_run(gpu, &d), ZM_ERR_LOST, "sticky");
    cr_expect_eq(zm_gpu_wait(gpu), ZM_ERR_LOST, "sticky");
    for (size_t i = 0; i < ZM_COUNT_OF(bufs); i++)
        zm_buf_destroy(&bufs[i]);
    zm_gpu_destroy(&gpu);
    // nothing was freed below the running work; let it end before the process does
    nanosleep(&(struct timespec){.tv_sec = 3}, NULL);
}

static size_t list_cache(const char *dir, glob_t *files)
{
    char pattern[128];
    snprintf(pattern, sizeof pattern, "%s/*", dir);
    return glob(pattern, 0, NULL, files) == 0 ? files->gl_pathc : 0;
}

static void use_cache(const char *dir, int *lines)
{
    zm_gpu *gpu =
        open_with((zm_gpu_params){.cache_dir = dir, .log = {count_line, lines}});
    zm_buf *one = NULL, *counter = NULL;
    const float value = 1.0f;
    float counted = 0.0f;
    must(zm_buf_create(gpu, 4, &one));
    must(zm_buf_create(gpu, 4, &counter));
    must(zm_gpu_upload(gpu, zm_buf_whole(one), &value));
    const zm_dispatch d = count_up(one, counter);
    must(zm_gpu_run(gpu, &d));
    must(zm_gpu_fetch(gpu, zm_buf_whole(counter), &counted));
    cr_expect_eq(counted, 1.0f);
    zm_buf_destroy(&one);
    zm_buf_destroy(&counter);
    zm_gpu_destroy(&gpu);
}

// Flips one byte, or cuts the file off there.
static void damage(const char *path, long at, bool cut)
{
    if (cut) {
        cr_assert_eq(truncate(path, at), 0);
        return;
    }
    FILE *f = fopen(path, "r+b");
    cr_assert(f);
    cr_assert_eq(fseek(f, at, SEEK_SET), 0);
    const int byte = fgetc(f);
    cr_assert_eq(fseek(f, at, SEEK_SET), 0);
    cr_assert_neq(fputc(byte ^ 0x10, f), EOF);
    cr_assert_eq(fclose(f), 0);
}

Test(vulkan, pipeline_cache_is_kept_and_never_trusted)
{
    char dir[] = "/tmp/zm-cache-XXXXXX";
    cr_assert(mkdtemp(dir));
    char nested[64];
    snprintf(nested, sizeof nested, "%s/a/b", dir);
    int lines = 0;
    use_cache(nested, &lines);
    glob_t files;
    cr_assert_eq(list_cache(nested, &files), 1, "one file, no temporary left");
    const char *path = files.gl_pathv[0];
    use_cache(nested, &lines);
    cr_expect_eq(lines, 0, "a good file is no news");
    const long at[] = {0, 8, 12, 16, 20, 24, 40, 48, 56, 80};
    for (size_t i = 0; i < ZM_COUNT_OF(at); i++)
        for (int cut = 0; cut < 2; cut++) {
            damage(path, at[i], cut);
            lines = 0;
            use_cache(nested, &lines);
            cr_expect_eq(lines, 1, "byte %ld, cut %d: ignored and said so", at[i], cut);
            lines = 0;
            use_cache(nested, &lines);
            cr_expect_eq(lines, 0, "byte %ld, cut %d: written anew", at[i], cut);
        }
    remove(path);
    globfree(&files);
    rmdir(nested);
    snprintf(nested, sizeof nested, "%s/a", dir);
    rmdir(nested);
    rmdir(dir);
}

Test(vulkan, a_cache_that_cannot_be_written_is_only_a_warning)
{
    int lines = 0;
    use_cache("/proc/no-such-folder", &lines);
    cr_expect_eq(lines, 1);
}

#endif
