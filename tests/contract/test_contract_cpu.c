// The contract on the CPU: with one thread, with more threads than CPUs, and in double
// precision.
#include <criterion/criterion.h>

#include "tests/contract/contract.h"

static void check(zm_status (*contract)(zm_gpu *), zm_gpu_params params)
{
    zm_gpu *gpu = NULL;
    cr_assert_eq(zm_gpu_open("cpu", &params, &gpu), ZM_OK, "%s", zm_error_detail());
    const zm_status st = contract(gpu);
    cr_assert_eq(st, ZM_OK, "threads %u f64 %d: %s: %s", params.threads, params.f64,
                 zm_status_name(st), zm_error_detail());
    zm_gpu_destroy(&gpu);
    cr_assert_null(gpu);
}

#define CONTRACT(name)                                                                   \
    Test(contract_cpu, name)                                                             \
    {                                                                                    \
        check(zm_contract_##name, (zm_gpu_params){.threads = 1});                        \
        check(zm_contract_##name, (zm_gpu_params){.threads = 5});                        \
        check(zm_contract_##name, (zm_gpu_params){.threads = 2, .f64 = true});           \
    }
ZM_CONTRACTS(CONTRACT)
