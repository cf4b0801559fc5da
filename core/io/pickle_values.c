// The values of the pickle machine, and the few imports and calls that it knows.
#include <string.h>

#include "core/io/pickle_impl.h"

typedef enum global_kind {
    ORDERED_DICT,
    TENSOR,
    PARAMETER,
    SIZE,
    NAMESPACE,
    STORAGE,
    CONSTANT, // a dtype: never called
} global_kind;

static const struct global {
    const char *module, *name;
    global_kind kind;
    zm_st_dtype dtype; // of storages
} globals[] = {
    {"collections", "OrderedDict", ORDERED_DICT, 0},
    {"torch._utils", "_rebuild_tensor_v2", TENSOR, 0},
    {"torch._utils", "_rebuild_parameter", PARAMETER, 0},
    {"torch", "Size", SIZE, 0},
    {"argparse", "Namespace", NAMESPACE,
     0}, // the "args" of Meta's and timm's checkpoints
    {"torch", "FloatStorage", STORAGE, ZM_ST_F32},
    {"torch", "HalfStorage", STORAGE, ZM_ST_F16},
    {"torch", "BFloat16Storage", STORAGE, ZM_ST_BF16},
    {"torch", "DoubleStorage", STORAGE, ZM_ST_F64},
    {"torch", "LongStorage", STORAGE, ZM_ST_I64},
    {"torch", "IntStorage", STORAGE, ZM_ST_I32},
    {"torch", "ShortStorage", STORAGE, ZM_ST_OTHER},
    {"torch", "CharStorage", STORAGE, ZM_ST_U8},
    {"torch", "ByteStorage", STORAGE, ZM_ST_U8},
    {"torch", "BoolStorage", STORAGE, ZM_ST_U8},
    {"torch", "float32", CONSTANT, 0},
    {"torch", "float16", CONSTANT, 0},
    {"torch", "bfloat16", CONSTANT, 0},
    {"torch", "float64", CONSTANT, 0},
    {"torch", "int64", CONSTANT, 0},
};

static bool same(const char *text, uint32_t size, const char *word)
{
    return strlen(word) == size && memcmp(text, word, size) == 0;
}

// A name of the file for a message: short, and nothing that a terminal obeys.
static const char *printable(const char *text, uint32_t size, char out[64])
{
    uint32_t n = 0;
    for (; n < size && n < 60; n++)
        out[n] = (char)(text[n] > ' ' && text[n] < 127 ? text[n] : '?');
    out[n] = '\0';
    return out;
}

zm_status zm_pickle_import(zm_pickle *p, const char *module, uint32_t module_size,
                           const char *name, uint32_t name_size)
{
    for (size_t i = 0; i < ZM_COUNT_OF(globals); i++)
        if (same(module, module_size, globals[i].module) &&
            same(name, name_size, globals[i].name))
            return zm_pickle_push(
                p, &(zm_pickle_value){.kind = ZM_PICKLE_GLOBAL, .number = (int64_t)i});
    char a[64], b[64];
    return ZM_FAIL(ZM_ERR_FORMAT,
                   "%s: the file wants to run %s.%s; only state dicts of tensors are "
                   "read: save model.state_dict() with torch.save",
                   p->label, printable(module, module_size, a),
                   printable(name, name_size, b));
}

static zm_status bad_call(const zm_pickle *p, const struct global *g, const char *what)
{
    return ZM_FAIL(ZM_ERR_FORMAT, "%s: pickle: %s of %s%s%s", p->label, what,
                   g ? g->module : "something", g ? "." : "", g ? g->name : "");
}

static const struct global *global_at(const zm_pickle *p, zm_pickle_ref ref)
{
    const zm_pickle_value *v = &p->values[ref];
    return v->kind == ZM_PICKLE_GLOBAL ? &globals[v->number] : NULL;
}

// An item of a value if it is there and of that kind, else NULL.
static const zm_pickle_value *item(const zm_pickle *p, const zm_pickle_value *v,
                                   uint32_t i, zm_pickle_kind kind)
{
    const zm_pickle_value *found = i < v->size ? &p->values[v->items[i]] : NULL;
    return found && found->kind == kind ? found : NULL;
}

static bool whole_numbers(const zm_pickle *p, const zm_pickle_value *tuple, uint32_t rank,
                          uint64_t out[ZM_ST_MAX_RANK])
{
    for (uint32_t i = 0; i < rank; i++) {
        const zm_pickle_value *n = item(p, tuple, i, ZM_PICKLE_NUMBER);
        if (!n || n->number < 0)
            return false;
        out[i] = (uint64_t)n->number;
    }
    return true;
}

bool zm_pickle_tensor_of(const zm_pickle *p, const zm_pickle_value *v,
                         zm_pickle_tensor *out)
{
    *out = (zm_pickle_tensor){0};
    const zm_pickle_value *offset = item(p, v, 1, ZM_PICKLE_NUMBER);
    const zm_pickle_value *shape = item(p, v, 2, ZM_PICKLE_TUPLE);
    const zm_pickle_value *stride = item(p, v, 3, ZM_PICKLE_TUPLE);
    if (!item(p, v, 0, ZM_PICKLE_STORAGE) || !offset || offset->number < 0 || !shape ||
        !stride || shape->size != stride->size || shape->size > ZM_ST_MAX_RANK)
        return false;
    out->storage = v->items[0];
    out->offset = (uint64_t)offset->number;
    out->rank = shape->size;
    return whole_numbers(p, shape, out->rank, out->shape) &&
           whole_numbers(p, stride, out->rank, out->stride);
}

// (storage, offset, shape, stride, requires_grad, hooks): the tuple becomes the tensor's.
static zm_status make_tensor(zm_pickle *p, const struct global *g, zm_pickle_ref args)
{
    zm_pickle_value tensor = {.kind = ZM_PICKLE_TENSOR};
    zm_pickle_tensor unused;
    if (!zm_pickle_tensor_of(p, &p->values[args], &unused))
        return bad_call(p, g, "bad arguments");
    ZM_TRY(zm_pickle_push(p, &tensor));
    const zm_pickle_ref made = p->stack[p->depth - 1];
    for (uint32_t i = 0; i < 4; i++)
        ZM_TRY(zm_pickle_add_item(p, made, p->values[args].items[i]));
    return ZM_OK;
}

zm_status zm_pickle_reduce(zm_pickle *p)
{
    zm_pickle_ref args = 0, callee = 0;
    ZM_TRY(zm_pickle_pop(p, &args));
    ZM_TRY(zm_pickle_pop(p, &callee));
    const struct global *g = global_at(p, callee);
    const zm_pickle_value *v = &p->values[args];
    if (!g || v->kind != ZM_PICKLE_TUPLE)
        return bad_call(p, g, "a call");
    switch (g->kind) {
    case ORDERED_DICT:
        if (v->size > 0)
            return bad_call(p, g, "bad arguments");
        return zm_pickle_push(p, &(zm_pickle_value){.kind = ZM_PICKLE_DICT});
    case TENSOR:
        return make_tensor(p, g, args);
    case PARAMETER:
        return item(p, v, 0, ZM_PICKLE_TENSOR) ? zm_pickle_push_ref(p, v->items[0])
                                               : bad_call(p, g, "bad arguments");
    case SIZE:
        return item(p, v, 0, ZM_PICKLE_TUPLE) ? zm_pickle_push_ref(p, v->items[0])
                                              : bad_call(p, g, "bad arguments");
    default:
        return bad_call(p, g, "a call");
    }
}

// Only an empty argparse.Namespace, whose members BUILD then gives.
zm_status zm_pickle_newobj(zm_pickle *p)
{
    zm_pickle_ref args = 0, class = 0;
    ZM_TRY(zm_pickle_pop(p, &args));
    ZM_TRY(zm_pickle_pop(p, &class));
    const struct global *g = global_at(p, class);
    const zm_pickle_value *v = &p->values[args];
    if (!g || g->kind != NAMESPACE || v->kind != ZM_PICKLE_TUPLE || v->size > 0)
        return bad_call(p, g, "a new object");
    return zm_pickle_push(p, &(zm_pickle_value){.kind = ZM_PICKLE_DICT});
}

// The attributes of a dict (the versions that a state dict records) are dropped.
zm_status zm_pickle_build(zm_pickle *p)
{
    zm_pickle_ref state = 0, object = 0;
    ZM_TRY(zm_pickle_pop(p, &state));
    ZM_TRY(zm_pickle_pop(p, &object));
    if (p->values[object].kind != ZM_PICKLE_DICT ||
        p->values[state].kind != ZM_PICKLE_DICT)
        return bad_call(p, global_at(p, object), "a state");
    return zm_pickle_push_ref(p, object);
}

// ("storage", class, key, location, elements)
zm_status zm_pickle_storage(zm_pickle *p)
{
    zm_pickle_ref id = 0;
    ZM_TRY(zm_pickle_pop(p, &id));
    const zm_pickle_value *v = &p->values[id];
    if (v->kind != ZM_PICKLE_TUPLE || v->size != 5)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: pickle: unknown persistent object", p->label);
    const zm_pickle_value *tag = item(p, v, 0, ZM_PICKLE_STRING);
    const zm_pickle_value *class = item(p, v, 1, ZM_PICKLE_GLOBAL);
    const zm_pickle_value *key = item(p, v, 2, ZM_PICKLE_STRING);
    const zm_pickle_value *count = item(p, v, 4, ZM_PICKLE_NUMBER);
    if (!tag || !same(tag->text, tag->size, "storage") || !class ||
        globals[class->number].kind != STORAGE || !key || !count || count->number < 0)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: pickle: damaged storage", p->label);
    return zm_pickle_push(p, &(zm_pickle_value){.kind = ZM_PICKLE_STORAGE,
                                                .dtype = globals[class->number].dtype,
                                                .text = key->text,
                                                .size = key->size,
                                                .number = count->number});
}

const zm_pickle_value *zm_pickle_get(const zm_pickle *p, const zm_pickle_value *dict,
                                     const char *key)
{
    if (dict->kind != ZM_PICKLE_DICT)
        return NULL;
    for (uint32_t i = dict->size; i > 1; i -= 2) {
        const zm_pickle_value *k = &p->values[dict->items[i - 2]];
        if (k->kind == ZM_PICKLE_STRING && same(k->text, k->size, key))
            return &p->values[dict->items[i - 1]];
    }
    return NULL;
}
