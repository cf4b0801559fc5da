// libFuzzer entry point: any bytes as a safetensors header.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/io/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    zm_safetensors *st = NULL;
    if (zm_safetensors_parse("fuzz", data, size, size, &st) != ZM_OK)
        return 0;
    for (uint64_t i = 0; i < zm_safetensors_count(st); i++) {
        const zm_st_entry *e = zm_safetensors_at(st, i);
        if (e->offset > size || e->size > size - e->offset ||
            zm_safetensors_find(st, e->name) != e)
            abort();
    }
    zm_safetensors_meta(st, "zmae");
    zm_safetensors_close(&st);
    return 0;
}
