#include "core/tensor.h"

#include <stdio.h>

uint64_t zm_tensor_count(const zm_tensor *t)
{
    uint64_t n = 1;
    for (uint32_t i = 0; i < t->rank; i++)
        n *= t->dim[i];
    return n;
}

uint64_t zm_tensor_bytes(const zm_tensor *t)
{
    return zm_tensor_count(t) * zm_dtype_size(t->dtype);
}

bool zm_tensor_same_shape(const zm_tensor *a, const zm_tensor *b)
{
    if (a->dtype != b->dtype || a->rank != b->rank)
        return false;
    for (uint32_t i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

const char *zm_tensor_shape_text(const zm_tensor *t, char text[64])
{
    int used = snprintf(text, 64, "(");
    for (uint32_t i = 0; i < t->rank && used > 0 && used < 60; i++)
        used += snprintf(text + used, (size_t)(64 - used), i ? ", %u" : "%u", t->dim[i]);
    if (used > 0 && used < 63)
        snprintf(text + used, (size_t)(64 - used), ")");
    return text;
}
