// The contract on every Vulkan device that the loader offers (VK_ICD_FILENAMES). With
// ZMAE_DEVICE=vulkan no device is a failure.
#include <criterion/criterion.h>
#ifdef ZM_HAVE_VULKAN
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/vulkan/vulkan_debug.h"
#include "tests/contract/contract.h"

static void keep_message(void *user, zm_log_level level, const char *message)
{
    (void)level;
    snprintf(user, 512, "%.511s", message);
}

static void check_device(zm_status (*contract)(zm_gpu *), const char *spec, bool validate)
{
    char message[512] = "";
    const zm_gpu_params params = {.validate = validate, .log = {keep_message, message}};
    zm_gpu *gpu = NULL;
    cr_assert_eq(zm_gpu_open(spec, &params, &gpu), ZM_OK, "%s: %s", spec,
                 zm_error_detail());
    const zm_status st = contract(gpu);
    cr_expect_eq(st, ZM_OK, "%s: %s: %s", spec, zm_status_name(st), zm_error_detail());
    cr_expect_eq(zm_vulkan_validation_messages(gpu), 0, "%s: %s", spec, message);
    zm_gpu_destroy(&gpu);
}

static void check(zm_status (*contract)(zm_gpu *), bool validate)
{
    const char *device = getenv("ZMAE_DEVICE");
    if (device && strncmp(device, "vulkan", 6) != 0)
        cr_skip_test("not the device under test");
    zm_device_list list;
    cr_assert_eq(zm_gpu_list(NULL, &list), ZM_OK, "%s", zm_error_detail());
    uint32_t checked = 0;
    for (uint32_t i = 0; i < list.count; i++) {
        const zm_caps *caps = &list.devices[i];
        char spec[40];
        snprintf(spec, sizeof spec, "%s:%u", caps->backend, (unsigned)caps->index);
        if (strcmp(caps->backend, "vulkan") != 0 || caps->max_binding == 0)
            continue; // the CPU, or a device that the kernels do not run on
        check_device(contract, spec, validate);
        checked++;
    }
    zm_gpu_list_finish(&list);
    if (checked == 0 && !device)
        cr_skip_test("no Vulkan device");
    cr_expect_gt(checked, 0, "no Vulkan device");
}

#define CONTRACT(name)                                                                   \
    Test(contract_vulkan, name)                                                          \
    {                                                                                    \
        check(zm_contract_##name, false);                                                \
    }
ZM_CONTRACTS(CONTRACT)
#undef CONTRACT

#define CONTRACT(name)                                                                   \
    Test(contract_vulkan_validated, name)                                                \
    {                                                                                    \
        check(zm_contract_##name, true);                                                 \
    }
ZM_CONTRACTS(CONTRACT)

#endif
