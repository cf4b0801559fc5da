#include "backends/cpu/cpu_isa.h"

#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#define X86 1
#include <cpuid.h>
#else
#define X86 0
#endif

// Each build: a declaration of every kernel, then the table of them.
#define ZM_KERNEL(name, access, shape, tile_x, tile_y)                                   \
    zm_cpu_kernel zm_cpu_##name##_base, zm_cpu_##name##_f64;
#include "shaders/kernels.def"
#undef ZM_KERNEL

static const zm_cpu_isa isa_base = {"base",
                                    ZM_F32,
                                    {
#define ZM_KERNEL(name, access, shape, tile_x, tile_y) zm_cpu_##name##_base,
#include "shaders/kernels.def"
#undef ZM_KERNEL
                                    }};

static const zm_cpu_isa isa_f64 = {"f64",
                                   ZM_F64,
                                   {
#define ZM_KERNEL(name, access, shape, tile_x, tile_y) zm_cpu_##name##_f64,
#include "shaders/kernels.def"
#undef ZM_KERNEL
                                   }};

#if X86
#define ZM_KERNEL(name, access, shape, tile_x, tile_y)                                   \
    zm_cpu_kernel zm_cpu_##name##_avx2, zm_cpu_##name##_avx512;
#include "shaders/kernels.def"
#undef ZM_KERNEL

static const zm_cpu_isa isa_avx2 = {"avx2",
                                    ZM_F32,
                                    {
#define ZM_KERNEL(name, access, shape, tile_x, tile_y) zm_cpu_##name##_avx2,
#include "shaders/kernels.def"
#undef ZM_KERNEL
                                    }};

static const zm_cpu_isa isa_avx512 = {"avx512",
                                      ZM_F32,
                                      {
#define ZM_KERNEL(name, access, shape, tile_x, tile_y) zm_cpu_##name##_avx512,
#include "shaders/kernels.def"
#undef ZM_KERNEL
                                      }};

// The builtins also ask whether the operating system saves the wide registers.
static bool has_avx2(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void)
{
    __builtin_cpu_init();
    return has_avx2() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}
#endif

const zm_cpu_isa *zm_cpu_isa_best(bool f64)
{
    if (f64)
        return &isa_f64;
#if X86
    if (has_avx512())
        return &isa_avx512;
    if (has_avx2())
        return &isa_avx2;
#endif
    return &isa_base;
}

const zm_cpu_isa *zm_cpu_isa_get(uint32_t index)
{
    const zm_cpu_isa *all[4] = {&isa_base, &isa_f64};
    uint32_t count = 2;
#if X86
    if (has_avx2())
        all[count++] = &isa_avx2;
    if (has_avx512())
        all[count++] = &isa_avx512;
#endif
    return index < count ? all[index] : NULL;
}

void zm_cpu_describe(char *name, size_t name_size, char *vendor, size_t vendor_size)
{
    snprintf(name, name_size, "CPU");
    snprintf(vendor, vendor_size, "%s", "");
#if X86
    unsigned r[4], brand[12] = {0};
    if (__get_cpuid(0, &r[0], &r[1], &r[2], &r[3])) {
        const unsigned id[3] = {r[1], r[3], r[2]};
        snprintf(vendor, vendor_size, "%.12s", (const char *)id);
    }
    for (unsigned i = 0; i < 3; i++)
        if (!__get_cpuid(0x80000002u + i, &brand[4 * i], &brand[4 * i + 1],
                         &brand[4 * i + 2], &brand[4 * i + 3]))
            return;
    const char *text = (const char *)brand;
    text += strspn(text, " ");
    if (*text)
        snprintf(name, name_size, "%.47s", text);
#endif
}
