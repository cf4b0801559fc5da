#include "tests/unit/kernel_builder.h"

#include <stdio.h>

typedef struct case_line {
    zm_kernel kernel;
    uint32_t dim[5];
} case_line;

static const case_line lines[] = {
#define CASE(name, ...) {ZM_KERNEL_##name, {__VA_ARGS__}},
#include "tests/cases.def"
#undef CASE
};

uint32_t kernel_case_count(void)
{
    return (uint32_t)ZM_COUNT_OF(lines);
}

void kernel_case_init(kernel_case *k, uint32_t index, uint32_t variant, double magnitude)
{
    const case_line *line = &lines[index];
    memset(k, 0, sizeof *k);
    k->kernel = line->kernel;
    memcpy(k->dim, line->dim, sizeof k->dim);
    builder state = {
        .k = k,
        .rng = zm_rng_init(variant, ZM_RNG_TEST, index, 0),
        .magnitude = magnitude,
    };
    builder *b = &state;
    const char *name = zm_kernel_get(k->kernel)->name;
    if (strstr(name, "grouped"))
        kernel_build_grouped(b, line->dim, variant);
    else if (strstr(name, "layernorm") || strstr(name, "patch_norm"))
        kernel_build_layernorm(b, line->dim, variant);
    else if (strstr(name, "batchnorm"))
        kernel_build_batchnorm(b, line->dim, variant);
    else if (strstr(name, "attention"))
        kernel_build_attention(b, line->dim, variant);
    else if (strstr(name, "tokens"))
        kernel_build_tokens(b, line->dim, variant);
    else if (strstr(name, "im2col") || strstr(name, "pool"))
        kernel_build_maps(b, line->dim, variant);
    else if (strstr(name, "patchify") || strstr(name, "mask") || strstr(name, "augment"))
        kernel_build_patches(b, line->dim, variant);
    else if (strstr(name, "sqerr") || strstr(name, "entropy") || strstr(name, "nll"))
        kernel_build_losses(b, line->dim, variant);
    else if (strstr(name, "sum"))
        kernel_build_sums(b, line->dim, variant);
    else
        kernel_build_elements(b, line->dim, variant);
    k->bindings = state.next;
}

void kernel_case_finish(kernel_case *k)
{
    for (uint32_t i = 0; i < k->bindings; i++) {
        free(k->array[i].value);
        free(k->array[i].word);
        free(k->array[i].slack);
    }
    memset(k, 0, sizeof *k);
}

void kernel_case_name(const kernel_case *k, uint32_t variant, double magnitude,
                      char text[128])
{
    snprintf(text, 128, "%s(%u, %u, %u, %u, %u) variant %u magnitude %g",
             zm_kernel_get(k->kernel)->name, (unsigned)k->dim[0], (unsigned)k->dim[1],
             (unsigned)k->dim[2], (unsigned)k->dim[3], (unsigned)k->dim[4],
             (unsigned)variant, magnitude);
}
