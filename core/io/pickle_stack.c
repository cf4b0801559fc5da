// The stack and the memo of the pickle machine, and containers made of what lies there.
#include <stdlib.h>
#include <string.h>

#include "core/io/pickle_impl.h"

// Grows an array of `size`-byte elements so that element `index` exists; new bytes are
// all ones, which in the memo is ZM_PICKLE_NOWHERE.
static zm_status grow(const zm_pickle *p, void **array, uint32_t *room, uint32_t index,
                      size_t size)
{
    if (index < *room)
        return ZM_OK;
    if (index >= ZM_PICKLE_MAX)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: pickle: more than %d values", p->label,
                       ZM_PICKLE_MAX);
    uint32_t larger = ZM_MAX(*room, 4u);
    while (larger <= index)
        larger *= 2;
    uint8_t *grown = realloc(*array, larger * size);
    if (!grown)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: pickle: out of memory", p->label);
    memset(grown + *room * size, 0xFF, (larger - *room) * size);
    *array = grown;
    *room = larger;
    return ZM_OK;
}

zm_status zm_pickle_push_ref(zm_pickle *p, zm_pickle_ref ref)
{
    void *stack = p->stack;
    const zm_status st = grow(p, &stack, &p->stack_room, p->depth, sizeof *p->stack);
    p->stack = stack;
    if (st == ZM_OK)
        p->stack[p->depth++] = ref;
    return st;
}

zm_status zm_pickle_push(zm_pickle *p, const zm_pickle_value *value)
{
    void *values = p->values;
    const zm_status st =
        grow(p, &values, &p->value_room, p->value_count, sizeof *p->values);
    p->values = values;
    ZM_TRY(st);
    p->values[p->value_count] = *value;
    return zm_pickle_push_ref(p, p->value_count++);
}

zm_status zm_pickle_pop(zm_pickle *p, zm_pickle_ref *out)
{
    if (p->depth == 0 || p->stack[p->depth - 1] == ZM_PICKLE_NOWHERE)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: pickle: a value is missing", p->label);
    *out = p->stack[--p->depth];
    return ZM_OK;
}

zm_status zm_pickle_add_item(zm_pickle *p, zm_pickle_ref container, zm_pickle_ref item)
{
    zm_pickle_value *v = &p->values[container];
    void *items = v->items;
    const zm_status st = grow(p, &items, &v->room, v->size, sizeof *v->items);
    v->items = items;
    if (st == ZM_OK)
        v->items[v->size++] = item;
    return st;
}

zm_status zm_pickle_find_mark(const zm_pickle *p, uint32_t *out)
{
    for (uint32_t i = p->depth; i-- > 0;) {
        if (p->stack[i] == ZM_PICKLE_NOWHERE) {
            *out = i + 1;
            return ZM_OK;
        }
    }
    return ZM_FAIL(ZM_ERR_FORMAT, "%s: pickle: a mark is missing", p->label);
}

// From first on; drops also so many marks below it.
static zm_status collect(zm_pickle *p, zm_pickle_kind kind, uint32_t first,
                         uint32_t marks)
{
    const uint32_t n = p->depth - first;
    if (kind == ZM_PICKLE_DICT && n % 2 != 0)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: pickle: a key without a value", p->label);
    ZM_TRY(zm_pickle_push(p, &(zm_pickle_value){.kind = kind}));
    const zm_pickle_ref made = p->stack[--p->depth];
    for (uint32_t i = 0; i < n; i++)
        ZM_TRY(zm_pickle_add_item(p, made, p->stack[first + i]));
    p->depth = first - marks;
    return zm_pickle_push_ref(p, made);
}

zm_status zm_pickle_collect_marked(zm_pickle *p, zm_pickle_kind kind)
{
    uint32_t first = 0;
    ZM_TRY(zm_pickle_find_mark(p, &first));
    return collect(p, kind, first, 1);
}

zm_status zm_pickle_collect_few(zm_pickle *p, uint32_t n)
{
    bool there = p->depth >= n;
    for (uint32_t i = 1; there && i <= n; i++)
        there = p->stack[p->depth - i] != ZM_PICKLE_NOWHERE;
    if (!there)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: pickle: a value is missing", p->label);
    return collect(p, ZM_PICKLE_TUPLE, p->depth - n, 0);
}

// Moves what lies on the stack from first on into the container below it.
static zm_status extend(zm_pickle *p, zm_pickle_kind kind, uint32_t first, uint32_t marks)
{
    const bool there = first > marks && p->stack[first - marks - 1] != ZM_PICKLE_NOWHERE;
    if (!there || p->values[p->stack[first - marks - 1]].kind != kind ||
        (kind == ZM_PICKLE_DICT && (p->depth - first) % 2 != 0))
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: pickle: items for something that is no %s",
                       p->label, kind == ZM_PICKLE_DICT ? "dict" : "list");
    const zm_pickle_ref to = p->stack[first - marks - 1];
    for (uint32_t i = first; i < p->depth; i++) {
        if (p->stack[i] == ZM_PICKLE_NOWHERE)
            return ZM_FAIL(ZM_ERR_FORMAT, "%s: pickle: a mark among items", p->label);
        ZM_TRY(zm_pickle_add_item(p, to, p->stack[i]));
    }
    p->depth = first - marks;
    return ZM_OK;
}

zm_status zm_pickle_extend_marked(zm_pickle *p, zm_pickle_kind kind)
{
    uint32_t first = 0;
    ZM_TRY(zm_pickle_find_mark(p, &first));
    return extend(p, kind, first, 1);
}

zm_status zm_pickle_extend_few(zm_pickle *p, zm_pickle_kind kind, uint32_t n)
{
    if (p->depth < n)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: pickle: a value is missing", p->label);
    return extend(p, kind, p->depth - n, 0);
}

zm_status zm_pickle_memo_put(zm_pickle *p, uint64_t index)
{
    if (p->depth == 0 || p->stack[p->depth - 1] == ZM_PICKLE_NOWHERE)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: pickle: nothing to remember", p->label);
    void *memo = p->memo;
    const zm_status st =
        grow(p, &memo, &p->memo_room, (uint32_t)ZM_MIN(index, (uint64_t)UINT32_MAX),
             sizeof *p->memo);
    p->memo = memo;
    ZM_TRY(st);
    p->memo_count += p->memo[index] == ZM_PICKLE_NOWHERE;
    p->memo[index] = p->stack[p->depth - 1];
    return ZM_OK;
}
