// Pickles of any bytes: run, and every tensor taken apart.
#include "core/io/pickle.h"

enum { MAX_DEPTH = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A dict may contain itself: only so deep, and only the first members.
static void visit(const zm_pickle *p, const zm_pickle_value *v, int depth)
{
    zm_pickle_tensor tensor;
    if (v->kind == ZM_PICKLE_TENSOR)
        zm_pickle_tensor_of(p, v, &tensor);
    if (v->kind == ZM_PICKLE_DICT)
        zm_pickle_get(p, v, "model");
    for (uint32_t i = 0; depth < MAX_DEPTH && i < ZM_MIN(v->size, 4u) && v->items; i++)
        visit(p, zm_pickle_at(p, v->items[i]), depth + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    zm_pickle *p = NULL;
    if (zm_pickle_parse("input", data, size, &p) == ZM_OK)
        visit(p, zm_pickle_at(p, zm_pickle_root(p)), 0);
    zm_pickle_close(&p);
    return 0;
}
