// gpu.c without a device's help: the kernel table, groups, dependencies, the choice of a
// device, and a lost one. What devices do is in tests/contract.
#include <criterion/criterion.h>

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "backends/cpu/cpu_threads.h"
#include "core/cpus.h"
#include "core/gpu_impl.h"
#include "core/kernel_structs.h"

Test(gpu, kernel_table_agrees_with_itself)
{
    for (int k = 0; k < ZM_KERNEL_COUNT; k++) {
        const zm_kernel_info *info = zm_kernel_get((zm_kernel)k);
        cr_assert_eq(strlen(info->access), info->bindings, "%s", info->name);
        cr_assert_eq(strspn(info->access, "rwm"), info->bindings, "%s", info->name);
        cr_assert(strpbrk(info->access, "wm"), "%s writes nothing", info->name);
        cr_assert(info->tile_x > 0 && info->tile_y > 0, "%s", info->name);
        cr_assert_leq(info->param_bytes, (uint32_t)ZM_MAX_PARAM_BYTES, "%s", info->name);
    }
    cr_assert_str_eq(zm_kernel_get(ZM_KERNEL_add)->name, "add");
    cr_assert_eq(zm_kernel_get(ZM_KERNEL_add)->param_bytes, sizeof(struct zm_params_add));
}

static void expect_groups(zm_kernel kernel, uint32_t e0, uint32_t e1, uint32_t g0,
                          uint32_t g1)
{
    const uint32_t extent[2] = {e0, e1};
    uint32_t groups[2];
    zm_kernel_groups(kernel, extent, groups);
    cr_assert(groups[0] == g0 && groups[1] == g1, "%s %u x %u: %u x %u groups",
              zm_kernel_get(kernel)->name, e0, e1, groups[0], groups[1]);
}

Test(gpu, groups_cover_the_extent)
{
    expect_groups(ZM_KERNEL_add, 1, 1, 1, 1);
    expect_groups(ZM_KERNEL_add, 64, 1, 1, 1);
    expect_groups(ZM_KERNEL_add, 65, 1, 2, 1);
    expect_groups(ZM_KERNEL_add, 65535 * 64, 1, 65535, 1);
    expect_groups(ZM_KERNEL_add, 4000000000u, 1, 65535, 1); // they stride over the rest
    expect_groups(ZM_KERNEL_layernorm_fwd, 7, 1, 7, 1);
    expect_groups(ZM_KERNEL_layernorm_fwd, 70000, 1, 65535, 1);
    expect_groups(ZM_KERNEL_linear_fwd, 64, 65, 1, 2);
    expect_groups(ZM_KERNEL_linear_fwd, 1, 1000, 1, 16);
}

Test(gpu, slices_overlap_when_they_share_a_byte)
{
    zm_buf a = {0}, b = {0};
    const zm_slice middle = {&a, 256, 256};
    cr_assert(zm_slice_overlaps(middle, middle));
    cr_assert(zm_slice_overlaps(middle, (zm_slice){&a, 0, 260}));
    cr_assert(zm_slice_overlaps((zm_slice){&a, 508, 4}, middle));
    cr_assert_not(zm_slice_overlaps(middle, (zm_slice){&a, 0, 256}));
    cr_assert_not(zm_slice_overlaps(middle, (zm_slice){&a, 512, 256}));
    cr_assert_not(zm_slice_overlaps(middle, (zm_slice){&b, 256, 256}));
}

Test(gpu, only_reads_of_the_same_are_independent)
{
    zm_buf buf[5] = {{0}};
    zm_slice s[5];
    for (int i = 0; i < 5; i++)
        s[i] = (zm_slice){&buf[i], 0, 256};
    const zm_dispatch first = {.kernel = ZM_KERNEL_add, .bind = {s[0], s[1], s[2]}};
    const zm_dispatch apart = {.kernel = ZM_KERNEL_add, .bind = {s[0], s[1], s[3]}};
    const zm_dispatch reads = {.kernel = ZM_KERNEL_add, .bind = {s[2], s[1], s[3]}};
    const zm_dispatch overwrites = {.kernel = ZM_KERNEL_add, .bind = {s[3], s[4], s[0]}};
    const zm_dispatch same = {.kernel = ZM_KERNEL_add, .bind = {s[3], s[4], s[2]}};
    cr_assert_not(zm_dispatch_depends(&first, &apart));
    cr_assert(zm_dispatch_depends(&first, &reads), "read after write");
    cr_assert(zm_dispatch_depends(&first, &overwrites), "write after read");
    cr_assert(zm_dispatch_depends(&first, &same), "write after write");
}

Test(gpu, cpu_opens_as_asked)
{
    const char *specs[] = {"cpu", "cpu:0"};
    for (size_t i = 0; i < ZM_COUNT_OF(specs); i++) {
        zm_gpu *gpu = NULL;
        cr_assert_eq(zm_gpu_open(specs[i], &(zm_gpu_params){.threads = 3}, &gpu), ZM_OK);
        const zm_caps *caps = zm_gpu_caps(gpu);
        cr_assert_str_eq(caps->backend, "cpu");
        cr_assert_eq(caps->threads, 3u);
        cr_assert_eq(caps->real, ZM_F32);
        cr_assert(caps->software && caps->name[0] && caps->isa[0]);
        zm_gpu_destroy(&gpu);
        zm_gpu_destroy(&gpu); // nothing left, allowed
    }
    zm_gpu *gpu = NULL;
    cr_assert_eq(zm_gpu_open("auto", &(zm_gpu_params){.f64 = true}, &gpu), ZM_OK);
    cr_assert_eq(zm_gpu_caps(gpu)->real, ZM_F64, "double precision is the CPU's");
    zm_gpu_destroy(&gpu);
    cr_assert_eq(zm_gpu_open("cpu", NULL, &gpu), ZM_OK);
    cr_assert_eq(zm_gpu_caps(gpu)->threads, zm_cpus_allowed());
    zm_gpu_destroy(&gpu);
}

Test(gpu, an_unknown_device_names_the_choice)
{
    const char *specs[] = {"cpu:1", "no such device", "", "cpus", "vulkan:999"};
    for (size_t i = 0; i < ZM_COUNT_OF(specs); i++) {
        zm_gpu *gpu = NULL;
        cr_assert_eq(zm_gpu_open(specs[i], NULL, &gpu), ZM_ERR_DEVICE, "%s", specs[i]);
        cr_assert_null(gpu);
        cr_assert(strstr(zm_error_detail(), "cpu ("), "%s", zm_error_detail());
    }
}

Test(gpu, a_part_of_the_name_opens_a_device)
{
    zm_device_list list;
    cr_assert_eq(zm_gpu_list(NULL, &list), ZM_OK);
    cr_assert(list.count >= 1 && list.auto_index < list.count && list.reason[0]);
    char part[8] = "";
    snprintf(part, sizeof part, "%.7s", list.devices[0].name);
    for (char *c = part; *c; c++) // the case of letters does not matter
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
    zm_gpu *gpu = NULL;
    if (strcmp(part, "cpu") != 0) // a processor that tells its name
        cr_assert_eq(zm_gpu_open(part, NULL, &gpu), ZM_OK, "%s", zm_error_detail());
    zm_gpu_destroy(&gpu);
    zm_gpu_list_finish(&list);
    cr_assert_null(list.devices);
}

Test(gpu, another_devices_buffer_is_refused)
{
    zm_gpu *one = NULL, *two = NULL;
    zm_buf *buf = NULL;
    uint32_t word = 0;
    const zm_gpu_params params = {.threads = 1};
    cr_assert_eq(zm_gpu_open("cpu", &params, &one), ZM_OK);
    cr_assert_eq(zm_gpu_open("cpu", &params, &two), ZM_OK);
    cr_assert_eq(zm_buf_create(one, 4, &buf), ZM_OK);
    cr_assert_eq(zm_gpu_upload(two, zm_buf_whole(buf), &word), ZM_ERR_USAGE);
    cr_assert_eq(zm_gpu_upload(one, zm_buf_whole(buf), &word), ZM_OK);
    zm_buf_destroy(&buf);
    zm_gpu_destroy(&one);
    zm_gpu_destroy(&two);
}

static zm_status lose(zm_gpu *gpu)
{
    (void)gpu;
    return ZM_FAIL(ZM_ERR_LOST, "unplugged");
}

Test(gpu, a_lost_device_stays_lost)
{
    zm_gpu_ops ops = {.wait = lose};
    zm_gpu gpu = {.ops = &ops, .caps = {.align = 256, .max_buffer = 4096}};
    zm_buf buf = {.gpu = &gpu, .size = 256};
    zm_buf *made = NULL;
    zm_program *program = NULL;
    zm_ticket ticket;
    uint32_t word = 0;
    const zm_dispatch d = {.kernel = ZM_KERNEL_add};
    cr_assert_eq(zm_gpu_wait(&gpu), ZM_ERR_LOST);
    ops = (zm_gpu_ops){0}; // from here on the backend is not called
    cr_assert_eq(zm_gpu_wait(&gpu), ZM_ERR_LOST);
    cr_assert_eq(zm_buf_create(&gpu, 4, &made), ZM_ERR_LOST);
    cr_assert_eq(zm_gpu_upload(&gpu, zm_buf_whole(&buf), &word), ZM_ERR_LOST);
    cr_assert_eq(zm_gpu_read(&gpu, zm_buf_whole(&buf), &ticket), ZM_ERR_LOST);
    cr_assert_eq(zm_gpu_ready(&gpu, 1, &word), ZM_ERR_LOST);
    cr_assert_eq(zm_gpu_run(&gpu, &d), ZM_ERR_LOST);
    cr_assert_eq(zm_gpu_compile(&gpu, &d, 1, &program), ZM_ERR_LOST);
    cr_assert_eq(zm_gpu_replay(&gpu, program), ZM_ERR_LOST);
}

static void count_part(void *user, uint32_t part)
{
    ((uint32_t *)user)[part]++;
}

Test(cpu_threads, every_part_runs_once_a_round)
{
    enum { ROUNDS = 3000, MOST = 7 };
    for (uint32_t threads = 1; threads <= MOST; threads += 3) {
        zm_cpu_pool *pool = NULL;
        uint32_t counts[MOST] = {0}, expected[MOST] = {0};
        cr_assert_eq(zm_cpu_pool_create(threads, &pool), ZM_OK);
        cr_assert_eq(zm_cpu_pool_threads(pool), threads);
        for (uint32_t round = 0; round < ROUNDS; round++) {
            const uint32_t parts = 1 + round % threads;
            zm_cpu_pool_run(pool, parts, count_part, counts);
            for (uint32_t p = 0; p < parts; p++)
                expected[p]++;
            cr_assert(memcmp(counts, expected, sizeof counts) == 0,
                      "round %u of %u parts", round, parts);
        }
        zm_cpu_pool_destroy(&pool);
        zm_cpu_pool_destroy(&pool);
    }
}
