#include "core/nn/params.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/nn/param_init.h"

void zm_params_init(zm_params *params)
{
    *params = (zm_params){0};
}

void zm_params_finish_device(zm_params *params)
{
    zm_buf_destroy(&params->weight_buf);
    zm_buf_destroy(&params->grad_buf);
    zm_buf_destroy(&params->statistic_buf);
}

void zm_params_finish(zm_params *params)
{
    zm_params_finish_device(params);
    free(params->slots);
    free(params->names);
    *params = (zm_params){0};
}

static bool grow(zm_params *params, void *array, size_t size, uint32_t count,
                 uint32_t *capacity)
{
    if (count < *capacity)
        return true;
    void **slot = array;
    const uint32_t more = *capacity ? *capacity * 2 : 64;
    void *grown = realloc(*slot, (size_t)more * size);
    if (!grown) {
        params->status = ZM_FAIL(ZM_ERR_MEMORY, "no memory for %u parameters", more);
        return false;
    }
    *slot = grown;
    *capacity = more;
    return true;
}

zm_slot zm_params_slot(zm_params *params, zm_param_kind kind, uint32_t rank,
                       const uint32_t *dims)
{
    if (params->status != ZM_OK || !grow(params, &params->slots, sizeof *params->slots,
                                         params->slot_count, &params->slot_capacity))
        return 0;
    zm_param_slot *s = &params->slots[params->slot_count];
    *s = (zm_param_slot){.kind = kind, .count = 1, .lr_scale = 1.0f, .rank = rank};
    for (uint32_t i = 0; i < ZM_MAX_DIMS; i++) {
        s->dim[i] = i < rank ? dims[i] : 1;
        if (!zm_mul_u64(s->count, s->dim[i], &s->count) || s->count > UINT32_MAX)
            params->status =
                ZM_FAIL(ZM_ERR_SHAPE, "a parameter has more than 2^32 values");
    }
    s->decay = kind == ZM_PARAM_WEIGHT && rank >= 2;
    s->frozen = kind != ZM_PARAM_WEIGHT;
    uint64_t *arena = kind == ZM_PARAM_STATISTIC ? &params->statistics : &params->weights;
    s->offset = *arena;
    *arena += (s->count + ZM_PARAM_ALIGN - 1) / ZM_PARAM_ALIGN * ZM_PARAM_ALIGN;
    return params->slot_count++;
}

static void add_name(zm_params *params, const zm_param_name *properties,
                     const uint32_t *dims, const char *format, va_list args)
{
    if (params->status != ZM_OK || !grow(params, &params->names, sizeof *params->names,
                                         params->name_count, &params->name_capacity))
        return;
    zm_param_name *n = &params->names[params->name_count++];
    *n = *properties;
    vsnprintf(n->name, sizeof n->name, format, args);
    n->count = 1;
    for (uint32_t i = 0; i < ZM_MAX_DIMS; i++) {
        n->dim[i] = i < n->rank ? dims[i] : 1;
        n->count *= n->dim[i];
    }
}

void zm_params_name(zm_params *params, zm_slot slot, uint64_t offset, zm_init init,
                    uint32_t fan_in, uint32_t rank, const uint32_t *dims, bool alias,
                    const char *name_format, ...)
{
    const zm_param_name properties = {.slot = slot,
                                      .offset = offset,
                                      .init = init,
                                      .fan_in = fan_in,
                                      .rank = rank,
                                      .alias = alias};
    va_list args;
    va_start(args, name_format);
    add_name(params, &properties, dims, name_format, args);
    va_end(args);
}

zm_slot zm_params_add(zm_params *params, zm_param_kind kind, zm_init init, uint32_t rank,
                      const uint32_t *dims, const char *name_format, ...)
{
    const zm_slot slot = zm_params_slot(params, kind, rank, dims);
    const zm_param_name properties = {.slot = slot, .init = init, .rank = rank};
    va_list args;
    va_start(args, name_format);
    add_name(params, &properties, dims, name_format, args);
    va_end(args);
    return slot;
}

void zm_params_fan_in(zm_params *params, zm_slot slot, uint32_t fan_in)
{
    for (uint32_t i = 0; i < params->name_count; i++)
        if (params->names[i].slot == slot)
            params->names[i].fan_in = fan_in;
}

zm_status zm_params_allocate(zm_params *params, zm_gpu *gpu, bool grads)
{
    ZM_TRY(params->status);
    params->gpu = gpu;
    const uint64_t size = zm_dtype_size(zm_gpu_caps(gpu)->real);
    ZM_TRY(zm_buf_create(gpu, params->weights * size, &params->weight_buf));
    if (params->statistics > 0)
        ZM_TRY(zm_buf_create(gpu, params->statistics * size, &params->statistic_buf));
    if (grads)
        ZM_TRY(zm_buf_create(gpu, params->weights * size, &params->grad_buf));
    return ZM_OK;
}

uint64_t zm_params_host_count(const zm_params *params)
{
    return params->weights + params->statistics;
}

// Copies count reals between a host f32 array and a device buffer, in pieces that every
// device binds at once. Exactly one of up and down is not NULL.
static zm_status transfer(zm_gpu *gpu, zm_buf *buf, uint64_t count, const float *up,
                          float *down)
{
    enum { PIECE = 1 << 20 };
    const bool wide = zm_gpu_caps(gpu)->real == ZM_F64;
    const uint64_t size = wide ? sizeof(double) : sizeof(float);
    double *doubles = wide ? zm_calloc(PIECE, sizeof *doubles) : NULL;
    zm_status st = ZM_OK;
    if (wide && !doubles)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory to convert parameters");
    for (uint64_t at = 0; at < count && st == ZM_OK; at += PIECE) {
        const uint64_t n = ZM_MIN((uint64_t)PIECE, count - at);
        const zm_slice slice = {buf, at * size, n * size};
        if (up) {
            for (uint64_t i = 0; wide && i < n; i++)
                doubles[i] = up[at + i];
            st = zm_gpu_upload(gpu, slice, wide ? (const void *)doubles : up + at);
        } else {
            st = zm_gpu_fetch(gpu, slice, wide ? (void *)doubles : down + at);
            for (uint64_t i = 0; wide && i < n; i++)
                down[at + i] = (float)doubles[i];
        }
    }
    free(doubles);
    return st;
}

zm_status zm_arena_upload(zm_gpu *gpu, zm_buf *buf, uint64_t count, const float *host)
{
    return transfer(gpu, buf, count, host, NULL);
}

zm_status zm_arena_download(zm_gpu *gpu, zm_buf *buf, uint64_t count, float *host)
{
    return transfer(gpu, buf, count, NULL, host);
}

zm_status zm_params_upload(zm_params *params, const float *host)
{
    ZM_TRY(zm_arena_upload(params->gpu, params->weight_buf, params->weights, host));
    return zm_arena_upload(params->gpu, params->statistic_buf, params->statistics,
                           host + params->weights);
}

zm_status zm_params_download(zm_params *params, float *host)
{
    ZM_TRY(zm_arena_download(params->gpu, params->weight_buf, params->weights, host));
    return zm_arena_download(params->gpu, params->statistic_buf, params->statistics,
                             host + params->weights);
}

float *zm_params_host_at(const zm_params *params, const zm_param_name *name, float *host)
{
    const zm_param_slot *s = &params->slots[name->slot];
    const uint64_t base = s->kind == ZM_PARAM_STATISTIC ? params->weights : 0;
    return host + base + s->offset + name->offset;
}

void zm_params_draw(const zm_params *params, uint64_t seed, float *host)
{
    memset(host, 0, (size_t)zm_params_host_count(params) * sizeof *host);
    for (uint32_t i = 0; i < params->name_count; i++) {
        const zm_param_name *n = &params->names[i];
        if (!n->alias)
            zm_param_draw(n, seed, zm_params_host_at(params, n, host));
    }
}

const zm_param_name *zm_params_find(const zm_params *params, const char *name)
{
    for (uint32_t i = 0; i < params->name_count; i++)
        if (strcmp(params->names[i].name, name) == 0)
            return &params->names[i];
    return NULL;
}

zm_tensor *zm_params_tensor(zm_tape *tape, const zm_params *params, zm_slot slot)
{
    const zm_param_slot *s = &params->slots[slot];
    const bool statistic = s->kind == ZM_PARAM_STATISTIC;
    const uint64_t size = zm_dtype_size(zm_tape_real(tape));
    const zm_slice value = {statistic ? params->statistic_buf : params->weight_buf,
                            s->offset * size, s->count * size};
    const zm_slice grad = {params->grad_buf, s->offset * size, s->count * size};
    const bool train = !s->frozen && params->grad_buf && !statistic;
    return zm_tape_wrap(tape, value, train ? &grad : NULL, s->rank, s->dim);
}

void zm_params_freeze(zm_params *params, const char *prefix)
{
    for (uint32_t i = 0; i < params->name_count; i++)
        if (strncmp(params->names[i].name, prefix, strlen(prefix)) == 0)
            params->slots[params->names[i].slot].frozen = true;
}

uint64_t zm_params_count(const zm_params *params, bool trainable)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < params->name_count; i++) {
        const zm_param_name *n = &params->names[i];
        const zm_param_slot *s = &params->slots[n->slot];
        if (!n->alias && s->kind != ZM_PARAM_STATISTIC && !(trainable && s->frozen))
            count += n->count;
    }
    return count;
}
