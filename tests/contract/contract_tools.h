// Buffers of reals, and dispatches of the simplest kernels.
#ifndef ZM_TESTS_CONTRACT_TOOLS_H
#define ZM_TESTS_CONTRACT_TOOLS_H

#include <stdlib.h>
#include <string.h>

#include "core/gpu.h"
#include "core/kernel_structs.h"

#define EXPECT(condition, ...)                                                           \
    do {                                                                                 \
        if (!(condition))                                                                \
            return ZM_FAIL(ZM_ERR_INTERNAL, __VA_ARGS__);                                \
    } while (0)

// Buffers hold caps.real, the tests doubles.
static inline zm_status make_reals(zm_gpu *gpu, size_t count, zm_buf **out)
{
    return zm_buf_create(gpu, count * zm_dtype_size(zm_gpu_caps(gpu)->real), out);
}

static inline zm_status put_reals(zm_gpu *gpu, zm_buf *buf, size_t count,
                                  const double *values)
{
    const zm_slice dst = {buf, 0, count * zm_dtype_size(zm_gpu_caps(gpu)->real)};
    if (zm_gpu_caps(gpu)->real == ZM_F64)
        return zm_gpu_upload(gpu, dst, values);
    float *floats = zm_calloc(count, sizeof *floats);
    EXPECT(floats, "memory");
    for (size_t i = 0; i < count; i++)
        floats[i] = (float)values[i];
    const zm_status st = zm_gpu_upload(gpu, dst, floats);
    free(floats); // the upload has taken what it needs
    return st;
}

static inline zm_status get_reals(zm_gpu *gpu, zm_buf *buf, size_t count, double *values)
{
    const zm_slice src = {buf, 0, count * zm_dtype_size(zm_gpu_caps(gpu)->real)};
    if (zm_gpu_caps(gpu)->real == ZM_F64)
        return zm_gpu_fetch(gpu, src, values);
    float *floats = zm_calloc(count, sizeof *floats);
    EXPECT(floats, "memory");
    const zm_status st = zm_gpu_fetch(gpu, src, floats);
    for (size_t i = 0; i < count; i++)
        values[i] = (double)floats[i];
    free(floats);
    return st;
}

// z = x + y
static inline zm_dispatch add(zm_slice x, zm_slice y, zm_slice z, uint32_t n)
{
    zm_dispatch d = {.kernel = ZM_KERNEL_add, .extent = {n, 1}, .bind = {x, y, z}};
    const struct zm_params_add p = {.n = n};
    memcpy(d.params, &p, sizeof p);
    return d;
}

// y = x
static inline zm_dispatch copy(zm_slice x, zm_slice y, uint32_t n)
{
    zm_dispatch d = {.kernel = ZM_KERNEL_copy, .extent = {n, 1}, .bind = {x, y}};
    const struct zm_params_copy p = {.n0 = 1, .n1 = 1, .n2 = n, .xs2 = 1, .ys2 = 1};
    memcpy(d.params, &p, sizeof p);
    return d;
}

// An upload, a run and a read: what must go on working after every refusal.
static inline zm_status still_works(zm_gpu *gpu)
{
    enum { N = 100 };
    zm_buf *x = NULL, *y = NULL;
    ZM_TRY(make_reals(gpu, N, &x));
    ZM_TRY(make_reals(gpu, N, &y));
    double values[N];
    for (int i = 0; i < N; i++)
        values[i] = i;
    ZM_TRY(put_reals(gpu, x, N, values));
    const zm_dispatch d = add(zm_buf_whole(x), zm_buf_whole(x), zm_buf_whole(y), N);
    ZM_TRY(zm_gpu_run(gpu, &d));
    ZM_TRY(get_reals(gpu, y, N, values));
    for (int i = 0; i < N; i++)
        EXPECT(values[i] == 2 * i, "afterwards element %d is %g", i, values[i]);
    zm_buf_destroy(&x);
    zm_buf_destroy(&y);
    return ZM_OK;
}

#endif
