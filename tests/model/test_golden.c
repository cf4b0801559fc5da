// The golden cases on the CPU, in double and in single precision.
#include <stdlib.h>

#include "core/nn/param_init.h"
#include "tests/model/golden_checks.h"
#include "tests/unit/io_helpers.h"

static const char *const all_cases[] = {ZM_GOLDEN_SMALL, ZM_GOLDEN_FULL};
static const zm_golden_limits in_double = {2e-7, 2e-7, 2e-7};
static const zm_golden_limits in_single = {1e-5, 2e-5, 1e-5};

static zm_gpu *open_cpu(bool f64)
{
    zm_gpu *gpu = NULL;
    expect_ok(zm_gpu_open("cpu", &(zm_gpu_params){.f64 = f64, .threads = 2}, &gpu));
    return gpu;
}

Test(golden, outputs_in_double_precision)
{
    zm_gpu *gpu = open_cpu(true);
    for (size_t i = 0; i < ZM_COUNT_OF(all_cases); i++)
        zm_golden_check_outputs(gpu, all_cases[i], &in_double);
    zm_gpu_destroy(&gpu);
}

Test(golden, gradients_and_statistics_in_double_precision)
{
    zm_gpu *gpu = open_cpu(true);
    for (size_t i = 0; i < ZM_COUNT_OF(all_cases); i++)
        zm_golden_check_gradients(gpu, all_cases[i], &in_double);
    zm_gpu_destroy(&gpu);
}

Test(golden, outputs_in_single_precision)
{
    zm_gpu *gpu = open_cpu(false);
    for (size_t i = 0; i < ZM_COUNT_OF(all_cases); i++)
        zm_golden_check_outputs(gpu, all_cases[i], &in_single);
    zm_gpu_destroy(&gpu);
}

Test(golden, gradients_and_statistics_in_single_precision)
{
    zm_gpu *gpu = open_cpu(false);
    for (size_t i = 0; i < ZM_COUNT_OF(all_cases); i++)
        zm_golden_check_gradients(gpu, all_cases[i], &in_single);
    zm_gpu_destroy(&gpu);
}

Test(golden, ten_training_losses)
{
    zm_gpu *gpu = open_cpu(false);
    for (size_t i = 0; i < ZM_COUNT_OF(all_cases); i++)
        zm_golden_check_losses(gpu, all_cases[i], 1e-4, 1e-3);
    zm_gpu_destroy(&gpu);
}

Test(golden, positions_of_fresh_models)
{
    json_t *json = zm_golden_json("pos_embed");
    const zm_golden g = {.name = "pos_embed"};
    size_t index;
    json_t *table;
    json_array_foreach(json_object_get(json, "tables"), index, table)
    {
        const uint32_t dim = (uint32_t)json_integer_value(json_object_get(table, "dim"));
        const uint32_t grid =
            (uint32_t)json_integer_value(json_object_get(table, "grid"));
        const uint64_t count = (uint64_t)(grid * grid + 1) * dim;
        float *values = zm_calloc(count, sizeof *values);
        double *wide = zm_calloc(count, sizeof *wide);
        zm_sincos_positions(grid, dim, values);
        for (uint64_t i = 0; i < count; i++)
            wide[i] = (double)values[i];
        const double error = zm_golden_error(&g, "table", table, wide, count, 0);
        cr_expect(error <= 6e-8, "table %zu: error %.3g", index, error); // half of 2^-23
        free(values);
        free(wide);
    }
    json_decref(json);
}
