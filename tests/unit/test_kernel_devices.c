// Every kernel on every device, through core/gpu.h, against the CPU device in double
// precision; the bounds of the rounding errors are those of kernel_reference.h.
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/gpu.h"
#include "tests/unit/kernel_memory.h"

// Runs a case on a device: uploads the bindings with their guards, fetches them back.
static void run_on(zm_gpu *gpu, const kernel_case *k, kernel_memory *m, const char *text)
{
    const zm_caps *caps = zm_gpu_caps(gpu);
    zm_buf *buf[ZM_MAX_BINDINGS] = {NULL};
    zm_dispatch d = {.kernel = k->kernel, .extent = {k->extent, 1}};
    memcpy(d.params, k->params.bytes, sizeof d.params);
    kernel_memory_init(m, k, caps->real == ZM_F64, caps->align);
    for (uint32_t b = 0; b < k->bindings; b++) {
        cr_assert_eq(zm_buf_create(gpu, m->size[b] + 2 * m->guard, &buf[b]), ZM_OK,
                     "%s: %s", text, zm_error_detail());
        cr_assert_eq(zm_gpu_upload(gpu, zm_buf_whole(buf[b]), m->bytes[b]), ZM_OK,
                     "%s: %s", text, zm_error_detail());
        d.bind[b] = (zm_slice){buf[b], m->guard, m->size[b]};
    }
    cr_assert_eq(zm_gpu_run(gpu, &d), ZM_OK, "%s: %s", text, zm_error_detail());
    for (uint32_t b = 0; b < k->bindings; b++) {
        cr_assert_eq(zm_gpu_fetch(gpu, zm_buf_whole(buf[b]), m->bytes[b]), ZM_OK,
                     "%s: %s", text, zm_error_detail());
        zm_buf_destroy(&buf[b]);
    }
    kernel_memory_check_guards(m, k, text);
}

static void check_device(zm_gpu *exact, zm_gpu *gpu)
{
    for (uint32_t index = 0; index < kernel_case_count(); index++)
        for (uint32_t variant = 0; variant < KERNEL_VARIANTS; variant++)
            for (size_t g = 0; g < ZM_COUNT_OF(kernel_magnitudes); g++) {
                kernel_case k;
                kernel_memory want, got;
                char name[128], text[300];
                kernel_case_init(&k, index, variant, kernel_magnitudes[g]);
                kernel_case_name(&k, variant, kernel_magnitudes[g], name);
                snprintf(text, sizeof text, "%s %s", zm_gpu_caps(gpu)->name, name);
                run_on(exact, &k, &want, text);
                run_on(gpu, &k, &got, text);
                kernel_reference(&k); // for the slack
                kernel_memory_load(&want, &k);
                kernel_memory_check(&got, &k, text);
                kernel_memory_finish(&want);
                kernel_memory_finish(&got);
                kernel_case_finish(&k);
            }
}

Test(kernel_devices, agree_with_double_precision)
{
    const zm_gpu_params single = {0}, twice = {.f64 = true};
    zm_device_list list;
    zm_gpu *exact = NULL;
    cr_assert_eq(zm_gpu_list(&single, &list), ZM_OK, "%s", zm_error_detail());
    cr_assert_eq(zm_gpu_open("cpu", &twice, &exact), ZM_OK, "%s", zm_error_detail());
    for (uint32_t i = 0; i < list.count; i++) {
        char spec[32];
        zm_gpu *gpu = NULL;
        snprintf(spec, sizeof spec, "%s:%u", list.devices[i].backend,
                 (unsigned)list.devices[i].index);
        cr_assert_eq(zm_gpu_open(spec, &single, &gpu), ZM_OK, "%s", zm_error_detail());
        check_device(exact, gpu);
        zm_gpu_destroy(&gpu);
    }
    zm_gpu_destroy(&exact);
    zm_gpu_list_finish(&list);
}
