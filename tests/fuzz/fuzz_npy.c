// libFuzzer entry point: any bytes as a numpy array.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/io/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    zm_npy npy = {0};
    if (zm_npy_parse("fuzz", data, size, size, &npy) != ZM_OK)
        return 0;
    if (npy.data_offset + npy.data_size != size || npy.item_size > ZM_NPY_MAX_ITEM)
        abort();
    uint64_t end = 0;
    for (uint32_t i = 0; i < npy.field_count; i++) {
        const zm_npy_field *f = &npy.fields[i];
        if (f->offset != end || strlen(f->name) >= ZM_NPY_NAME ||
            (f->name[0] && zm_npy_find(&npy, f->name) != f))
            abort();
        end += f->size * f->count;
    }
    if (end != npy.item_size)
        abort();
    for (uint64_t row = 0; row < npy.count && npy.item_size > 0; row++) {
        const uint8_t *item = data + npy.data_offset + row * npy.item_size;
        double real;
        int64_t integer;
        for (uint32_t i = 0; i < npy.field_count; i++) {
            (void)zm_npy_f64(&npy.fields[i], item, &real);
            (void)zm_npy_i64(&npy.fields[i], item, &integer);
        }
    }
    zm_npy_finish(&npy);
    return 0;
}
