#include "core/tape_plan.h"

#include <stdlib.h>

typedef struct candidate {
    uint64_t size;
    size_t index;
} candidate;

static int larger_first(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->size != y->size)
        return x->size < y->size ? 1 : -1;
    return x->index < y->index ? -1 : 1;
}

static uint64_t round_up(uint64_t n, uint64_t align)
{
    return (n + align - 1) / align * align;
}

// Lowest offset in one buffer where size bytes are free for as long as v lives. taken
// holds the values already placed, in order of offset.
static uint64_t lowest_gap(const zm_value *values, const size_t *taken, size_t n,
                           uint32_t buffer, const zm_value *v, uint64_t size,
                           uint64_t align)
{
    uint64_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const zm_value *t = &values[taken[i]];
        if (t->buffer != buffer || t->last < v->first || v->last < t->first)
            continue;
        if (at + size <= t->offset)
            return at;
        at = ZM_MAX(at, t->offset + round_up(t->size, align));
    }
    return at;
}

// Finds a place for one value; opens another buffer when the present ones are full.
static zm_status place(const zm_caps *caps, zm_value *values, const size_t *taken,
                       size_t n, zm_value *v, zm_plan *plan)
{
    const uint64_t size = round_up(v->size, caps->align);
    const uint64_t limit = ZM_MIN(caps->max_binding, caps->max_buffer);
    if (v->size > limit)
        return ZM_FAIL(ZM_ERR_MEMORY,
                       "a tensor of %.1f MiB exceeds what %s binds at once (%.1f MiB): "
                       "use a smaller batch",
                       (double)v->size / 1048576.0, caps->name,
                       (double)limit / 1048576.0);
    for (uint32_t b = 0; b < ZM_PLAN_BUFFERS; b++) {
        const uint64_t at = b < plan->buffer_count
                                ? lowest_gap(values, taken, n, b, v, size, caps->align)
                                : 0;
        if (at + size > caps->max_buffer)
            continue;
        v->buffer = b;
        v->offset = at;
        plan->buffer_count = ZM_MAX(plan->buffer_count, b + 1);
        plan->buffer_bytes[b] = ZM_MAX(plan->buffer_bytes[b], at + size);
        return ZM_OK;
    }
    return ZM_FAIL(ZM_ERR_MEMORY, "a step needs more than %d buffers of %.0f MiB",
                   ZM_PLAN_BUFFERS, (double)caps->max_buffer / 1048576.0);
}

zm_status zm_plan_make(const zm_caps *caps, zm_value *values, size_t count, zm_plan *plan)
{
    candidate *order = zm_calloc(count + 1, sizeof *order);
    size_t *taken = zm_calloc(count + 1, sizeof *taken);
    zm_status st = ZM_OK;
    size_t n = 0, placed = 0;
    if (!order || !taken) {
        st = ZM_FAIL(ZM_ERR_MEMORY, "no memory to plan %zu tensors", count);
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        zm_value *v = &values[i];
        if (v->kind == ZM_VALUE_WRAPPED ||
            (v->kind == ZM_VALUE_TEMP && v->first == SIZE_MAX))
            continue;
        if (v->kind == ZM_VALUE_OWN) { // alive before the first and after the last kernel
            v->first = 0;
            v->last = SIZE_MAX;
        }
        order[n++] = (candidate){.size = v->size, .index = i};
    }
    qsort(order, n, sizeof *order, larger_first);
    for (size_t i = 0; i < n && st == ZM_OK; i++) {
        zm_value *v = &values[order[i].index];
        st = place(caps, values, taken, placed, v, plan);
        size_t at = placed++;
        for (; at > 0 && values[taken[at - 1]].offset > v->offset; at--)
            taken[at] = taken[at - 1];
        taken[at] = order[i].index;
    }
    for (uint32_t b = 0; b < plan->buffer_count; b++)
        plan->bytes += plan->buffer_bytes[b];
    plan->ready = st == ZM_OK;
done:
    free(order);
    free(taken);
    return st;
}

zm_status zm_plan_allocate(zm_gpu *gpu, zm_value *values, size_t count, zm_plan *plan)
{
    for (uint32_t b = 0; b < plan->buffer_count; b++)
        if (!plan->buffers[b])
            ZM_TRY(zm_buf_create(gpu, plan->buffer_bytes[b], &plan->buffers[b]));
    for (size_t i = 0; i < count; i++) {
        zm_value *v = &values[i];
        if (v->kind != ZM_VALUE_WRAPPED && v->first != SIZE_MAX)
            v->slice = (zm_slice){plan->buffers[v->buffer], v->offset, v->size};
    }
    return ZM_OK;
}

void zm_plan_finish(zm_plan *plan)
{
    for (uint32_t b = 0; b < plan->buffer_count; b++)
        zm_buf_destroy(&plan->buffers[b]);
}
