// The golden cases on every Vulkan device that the loader offers; under
// ZMAE_DEVICE=vulkan one must be there.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/model/golden_checks.h"
#include "tests/unit/io_helpers.h"

static const char *const small_cases[] = {ZM_GOLDEN_SMALL};
static const char *const all_cases[] = {ZM_GOLDEN_SMALL, ZM_GOLDEN_FULL};
static const zm_golden_limits on_vulkan = {1e-4, 1e-4, 1e-4};

static void on_each_vulkan_device(void (*check)(zm_gpu *gpu))
{
    const char *device = getenv("ZMAE_DEVICE");
    if (device && strncmp(device, "vulkan", 6) != 0)
        cr_skip_test("not the device under test");
    zm_device_list list;
    expect_ok(zm_gpu_list(NULL, &list));
    uint32_t checked = 0;
    for (uint32_t i = 0; i < list.count; i++) {
        const zm_caps *caps = &list.devices[i];
        char spec[40];
        zm_gpu *gpu = NULL;
        if (strcmp(caps->backend, "vulkan") != 0 || caps->max_binding == 0)
            continue;
        snprintf(spec, sizeof spec, "vulkan:%u", (unsigned)caps->index);
        expect_ok(zm_gpu_open(spec, NULL, &gpu));
        cr_log_info("%s\n", caps->name);
        check(gpu);
        zm_gpu_destroy(&gpu);
        checked++;
    }
    zm_gpu_list_finish(&list);
    if (checked == 0 && !device)
        cr_skip_test("no Vulkan device");
    cr_expect_gt(checked, 0, "no Vulkan device");
}

static void vulkan_outputs(zm_gpu *gpu)
{
    for (size_t i = 0; i < ZM_COUNT_OF(all_cases); i++)
        zm_golden_check_outputs(gpu, all_cases[i], &on_vulkan);
}

static void vulkan_gradients(zm_gpu *gpu)
{
    for (size_t i = 0; i < ZM_COUNT_OF(small_cases); i++)
        zm_golden_check_gradients(gpu, small_cases[i], &on_vulkan);
}

// Each of these takes a software driver half a minute; ./run test has the program run
// others, check_torch.py.
static void vulkan_losses(zm_gpu *gpu)
{
    zm_golden_check_losses(gpu, "mae_tiny", 1e-4, 1e-3);
    zm_golden_check_losses(gpu, "mae_small_pcm", 1e-4, 1e-3);
    zm_golden_check_losses(gpu, "astromae_small_pdf", 1e-4, 1e-3);
    zm_golden_check_losses(gpu, "astromae_small_gauss", 1e-4, 1e-3);
}

Test(golden_vulkan, outputs)
{
    on_each_vulkan_device(vulkan_outputs);
}

Test(golden_vulkan, gradients_and_statistics)
{
    on_each_vulkan_device(vulkan_gradients);
}

Test(golden_vulkan, ten_training_losses)
{
    on_each_vulkan_device(vulkan_losses);
}
