#include "core/tape.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/tape_plan.h"

typedef struct block { // tensors never move: ops hold pointers to them
    struct block *next;
    uint32_t used;
    zm_tensor tensors[128];
} block;

struct zm_tape {
    zm_gpu *gpu;
    zm_status status;
    char *detail; // of the first failure
    bool grads;
    block *blocks;
    zm_value *values;
    size_t value_count, value_capacity;
    zm_node *nodes;
    size_t node_count, node_capacity;
    zm_op *ops;
    size_t op_count, op_capacity;
    zm_plan plan;
    zm_program *program;
};

zm_status zm_tape_create(zm_gpu *gpu, bool grads, zm_tape **out)
{
    zm_tape *tape = zm_calloc(1, sizeof *tape);
    if (!tape)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for a tape");
    tape->gpu = gpu;
    tape->grads = grads;
    *out = tape;
    return ZM_OK;
}

void zm_tape_destroy(zm_tape **handle)
{
    zm_tape *tape = *handle;
    if (!tape)
        return;
    zm_program_destroy(&tape->program);
    zm_plan_finish(&tape->plan);
    while (tape->blocks) {
        block *next = tape->blocks->next;
        free(tape->blocks);
        tape->blocks = next;
    }
    free(tape->values);
    free(tape->nodes);
    free(tape->ops);
    free(tape->detail);
    free(tape);
    *handle = NULL;
}

zm_dtype zm_tape_real(const zm_tape *tape)
{
    return zm_gpu_caps(tape->gpu)->real;
}

bool zm_tape_ok(const zm_tape *tape)
{
    return tape->status == ZM_OK;
}

void zm_tape_fail(zm_tape *tape, zm_status status)
{
    if (tape->status != ZM_OK || status == ZM_OK)
        return;
    tape->status = status;
    tape->detail = zm_strdup(zm_error_detail());
}

// Makes room for one more element of a growing array.
static bool reserve(zm_tape *tape, void *array, size_t size, size_t count,
                    size_t *capacity)
{
    if (count < *capacity)
        return true;
    const size_t more = *capacity ? *capacity * 2 : 64;
    void **slot = array;
    void *grown = realloc(*slot, more * size);
    if (!grown) {
        zm_tape_fail(tape,
                     ZM_FAIL(ZM_ERR_MEMORY, "no memory to record %zu kernels", more));
        return false;
    }
    *slot = grown;
    *capacity = more;
    return true;
}

static zm_tensor *new_tensor(zm_tape *tape)
{
    if (!tape->blocks || tape->blocks->used == ZM_COUNT_OF(tape->blocks->tensors)) {
        block *b = zm_calloc(1, sizeof *b);
        if (!b) {
            zm_tape_fail(tape, ZM_FAIL(ZM_ERR_MEMORY, "no memory for tensors"));
            return NULL;
        }
        b->next = tape->blocks;
        tape->blocks = b;
    }
    return &tape->blocks->tensors[tape->blocks->used++];
}

// A tensor with memory of the given kind behind it.
static zm_tensor *make(zm_tape *tape, zm_value_kind kind, zm_slice slice, zm_dtype dtype,
                       uint32_t rank, const uint32_t *dims)
{
    if (tape->status != ZM_OK)
        return NULL;
    uint64_t count = 1;
    for (uint32_t i = 0; i < rank; i++)
        if (dims[i] == 0) {
            zm_tape_fail(tape, ZM_FAIL(ZM_ERR_SHAPE, "dimension %u of a tensor is 0", i));
            return NULL;
        }
    for (uint32_t i = 0; i < rank; i++)
        if (!zm_mul_u64(count, dims[i], &count) || count > UINT32_MAX) {
            zm_tape_fail(tape, ZM_FAIL(ZM_ERR_MEMORY,
                                       "a tensor has more than 2^32 - 1 elements: use a "
                                       "smaller batch"));
            return NULL;
        }
    const uint64_t bytes = count * zm_dtype_size(dtype);
    zm_tensor *t = new_tensor(tape);
    if (!t || !reserve(tape, &tape->values, sizeof *tape->values, tape->value_count,
                       &tape->value_capacity))
        return NULL;
    t->dtype = dtype;
    t->rank = rank;
    for (uint32_t i = 0; i < ZM_MAX_DIMS; i++)
        t->dim[i] = i < rank ? dims[i] : 1;
    t->value = (uint32_t)tape->value_count;
    tape->values[tape->value_count++] =
        (zm_value){.kind = kind, .slice = slice, .size = bytes, .first = SIZE_MAX};
    return t;
}

zm_tensor *zm_tape_temp(zm_tape *tape, zm_dtype dtype, uint32_t rank,
                        const uint32_t *dims)
{
    return make(tape, ZM_VALUE_TEMP, (zm_slice){0}, dtype, rank, dims);
}

zm_tensor *zm_tape_input(zm_tape *tape, zm_dtype dtype, uint32_t rank,
                         const uint32_t *dims)
{
    return make(tape, ZM_VALUE_OWN, (zm_slice){0}, dtype, rank, dims);
}

zm_tensor *zm_tape_wrap(zm_tape *tape, zm_slice slice, const zm_slice *grad,
                        uint32_t rank, const uint32_t *dims)
{
    const zm_dtype real = zm_tape_real(tape);
    zm_tensor *t = make(tape, ZM_VALUE_WRAPPED, slice, real, rank, dims);
    if (t && grad && tape->grads) {
        t->grad = make(tape, ZM_VALUE_WRAPPED, *grad, real, rank, dims);
        t->is_param = true;
        t->needs_grad = t->grad != NULL;
    }
    return t;
}

zm_tensor *zm_tape_reshape(zm_tape *tape, zm_tensor *t, uint32_t rank,
                           const uint32_t *dims)
{
    if (tape->status != ZM_OK || !t)
        return NULL;
    zm_tensor *view = new_tensor(tape);
    if (!view)
        return NULL;
    *view = *t;
    view->rank = rank;
    for (uint32_t i = 0; i < ZM_MAX_DIMS; i++)
        view->dim[i] = i < rank ? dims[i] : 1;
    view->grad = NULL;
    if (zm_tensor_count(view) != zm_tensor_count(t)) {
        char from[64], to[64];
        zm_tape_fail(tape, ZM_FAIL(ZM_ERR_SHAPE, "cannot view %s as %s",
                                   zm_tensor_shape_text(t, from),
                                   zm_tensor_shape_text(view, to)));
        return NULL;
    }
    return view;
}

void zm_tape_keep(zm_tape *tape, zm_tensor *t)
{
    if (tape->status == ZM_OK && t && tape->values[t->value].kind == ZM_VALUE_TEMP)
        tape->values[t->value].kind = ZM_VALUE_OWN;
}

void zm_tape_want_grad(zm_tape *tape, zm_tensor *t)
{
    if (tape->status == ZM_OK && t)
        t->needs_grad = tape->grads;
}

void zm_tape_emit(zm_tape *tape, zm_kernel kernel, uint64_t extent_x, uint64_t extent_y,
                  zm_tensor *const *tensors, const void *params)
{
    if (tape->status != ZM_OK)
        return;
    const zm_kernel_info *info = zm_kernel_get(kernel);
    const uint32_t extent[2] = {(uint32_t)extent_x, (uint32_t)extent_y};
    if (extent_x != extent[0] || extent_y != extent[1] ||
        !zm_kernel_takes(kernel, extent)) {
        zm_tape_fail(tape, ZM_FAIL(ZM_ERR_MEMORY,
                                   "%s: %llu x %llu outputs are too many for one kernel: "
                                   "use a smaller batch",
                                   info->name, (unsigned long long)extent_x,
                                   (unsigned long long)extent_y));
        return;
    }
    if (!reserve(tape, &tape->nodes, sizeof *tape->nodes, tape->node_count,
                 &tape->node_capacity))
        return;
    zm_node *node = &tape->nodes[tape->node_count];
    *node = (zm_node){.dispatch = {.kernel = kernel, .extent = {extent[0], extent[1]}}};
    memcpy(node->dispatch.params, params, info->param_bytes);
    for (uint32_t i = 0; i < info->bindings; i++) {
        if (!tensors[i]) {
            zm_tape_fail(tape, ZM_FAIL(ZM_ERR_INTERNAL, "%s: binding %u has no tensor",
                                       info->name, i));
            return;
        }
        zm_value *v = &tape->values[tensors[i]->value];
        node->value[i] = tensors[i]->value;
        v->first = ZM_MIN(v->first, tape->node_count);
        v->last = tape->node_count;
    }
    tape->node_count++;
}

void zm_tape_push(zm_tape *tape, const zm_op *op, zm_tensor *out,
                  zm_tensor *const *inputs, size_t n)
{
    if (tape->status != ZM_OK || !tape->grads)
        return;
    for (size_t i = 0; i < n; i++)
        if (inputs[i] && inputs[i]->needs_grad)
            out->needs_grad = true;
    if (!out->needs_grad ||
        !reserve(tape, &tape->ops, sizeof *tape->ops, tape->op_count, &tape->op_capacity))
        return;
    tape->ops[tape->op_count++] = *op;
}

// dst (=, +=) src, element by element.
static void emit_copy(zm_tape *tape, zm_tensor *src, zm_tensor *dst, uint32_t accumulate)
{
    const uint32_t n = (uint32_t)zm_tensor_count(src);
    const struct zm_params_copy p = {
        .n0 = 1, .n1 = 1, .n2 = n, .xs2 = 1, .ys2 = 1, .accumulate = accumulate};
    zm_tensor *const bind[] = {src, dst};
    zm_tape_emit(tape, ZM_KERNEL_copy, n, 1, bind, &p);
}

zm_tensor *zm_tape_grad(zm_tape *tape, zm_tensor *t, uint32_t *accumulate)
{
    *accumulate = 0;
    if (tape->status != ZM_OK || !t || !t->needs_grad)
        return NULL;
    *accumulate = t->grad != NULL;
    if (t->grad && !t->grad_shared)
        return t->grad;
    zm_tensor *own = zm_tape_temp(tape, t->dtype, t->rank, t->dim);
    if (own && t->grad)
        emit_copy(tape, t->grad, own, 0);
    t->grad = own;
    t->grad_shared = false;
    return own;
}

void zm_tape_pass_grad(zm_tape *tape, zm_tensor *t, zm_tensor *g)
{
    if (tape->status != ZM_OK || !t || !t->needs_grad || !g)
        return;
    if (!t->grad) {
        t->grad = zm_tape_reshape(tape, g, t->rank, t->dim);
        t->grad_shared = true;
        return;
    }
    uint32_t accumulate;
    zm_tensor *dt = zm_tape_grad(tape, t, &accumulate);
    if (dt)
        emit_copy(tape, g, dt, 1);
}

void zm_tape_backward(zm_tape *tape)
{
    for (size_t i = tape->op_count; i-- > 0 && tape->status == ZM_OK;)
        tape->ops[i].backward(tape, &tape->ops[i]);
    tape->op_count = 0;
}

uint64_t zm_tape_memory(zm_tape *tape)
{
    if (tape->status != ZM_OK)
        return 0;
    if (!tape->plan.ready)
        zm_tape_fail(tape, zm_plan_make(zm_gpu_caps(tape->gpu), tape->values,
                                        tape->value_count, &tape->plan));
    return tape->plan.bytes;
}

size_t zm_tape_dispatches(const zm_tape *tape)
{
    return tape->node_count;
}

zm_kernel zm_tape_kernel_at(const zm_tape *tape, size_t i)
{
    assert(i < tape->node_count);
    return tape->nodes[i].dispatch.kernel;
}

zm_status zm_tape_compile(zm_tape *tape)
{
    zm_tape_memory(tape);
    if (tape->status != ZM_OK)
        return ZM_FAIL(tape->status, "%s", tape->detail ? tape->detail : "");
    if (tape->node_count == 0)
        return ZM_FAIL(ZM_ERR_USAGE, "a tape without kernels cannot be compiled");
    ZM_TRY(zm_plan_allocate(tape->gpu, tape->values, tape->value_count, &tape->plan));
    zm_dispatch *list = zm_calloc(tape->node_count, sizeof *list);
    if (!list)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for %zu dispatches", tape->node_count);
    for (size_t i = 0; i < tape->node_count; i++) {
        list[i] = tape->nodes[i].dispatch;
        const uint32_t bindings = zm_kernel_get(list[i].kernel)->bindings;
        for (uint32_t b = 0; b < bindings; b++)
            list[i].bind[b] = tape->values[tape->nodes[i].value[b]].slice;
    }
    const zm_status st =
        zm_gpu_compile(tape->gpu, list, tape->node_count, &tape->program);
    free(list);
    return st;
}

zm_status zm_tape_replay(zm_tape *tape)
{
    if (!tape->program)
        return ZM_FAIL(ZM_ERR_USAGE, "a tape must be compiled before it is replayed");
    return zm_gpu_replay(tape->gpu, tape->program);
}

zm_slice zm_tape_slice(const zm_tape *tape, const zm_tensor *t)
{
    return tape->values[t->value].slice;
}
