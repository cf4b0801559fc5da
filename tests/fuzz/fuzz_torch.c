// PyTorch files whose pickle is any bytes, in an archive that is right: every tensor that
// the pickle describes is read from two small storages.
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/io/torch_file.h"

enum { ROOM = 1 << 16, OVERHEAD = 1024, FIRST = 96, SECOND = 16, MAX_READ = FIRST };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct entry {
    const char *name;
    const uint8_t *data;
    uint32_t size;
} entry;

static uint8_t *put(uint8_t *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *at++ = (uint8_t)(value >> 8 * i);
    return at;
}

static uint8_t *put_bytes(uint8_t *at, const void *data, size_t size)
{
    if (size)
        memcpy(at, data, size);
    return at + size;
}

// From the version to the length of the extra field; stored, 1 January 1980.
static uint8_t *put_common(uint8_t *at, const entry *e)
{
    at = put(at, 20, 8);
    at = put(at, 0x21, 2);
    at = put(at, crc32(0, e->data, e->size), 4);
    at = put(at, e->size, 4);
    at = put(at, e->size, 4);
    return put(at, strlen(e->name), 4);
}

static size_t build(const entry *entries, uint32_t count, uint8_t *out)
{
    uint64_t begin[4];
    uint8_t *at = out;
    for (uint32_t i = 0; i < count; i++) {
        begin[i] = (uint64_t)(at - out);
        at = put_common(put(at, 0x04034b50, 4), &entries[i]);
        at = put_bytes(at, entries[i].name, strlen(entries[i].name));
        at = put_bytes(at, entries[i].data, entries[i].size);
    }
    const uint64_t central = (uint64_t)(at - out);
    for (uint32_t i = 0; i < count; i++) {
        at = put_common(put(put(at, 0x02014b50, 4), 20, 2), &entries[i]);
        at = put(at, 0, 8);
        at = put(at, 0, 2);
        at = put(at, begin[i], 4);
        at = put_bytes(at, entries[i].name, strlen(entries[i].name));
    }
    const uint64_t end = (uint64_t)(at - out);
    at = put(put(at, 0x06054b50, 4), 0, 4);
    at = put(put(at, count, 2), count, 2);
    at = put(put(put(at, end - central, 4), central, 4), 0, 2);
    return (size_t)(at - out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t numbers[FIRST];
    if (size > ROOM - OVERHEAD)
        return 0;
    const entry entries[] = {{"a/data.pkl", data, (uint32_t)size},
                             {"a/data/0", numbers, FIRST},
                             {"a/data/1", numbers, SECOND}};
    uint8_t *archive = malloc(size + OVERHEAD);
    zm_torch_file *file = NULL;
    if (!archive)
        return 0;
    const size_t n = build(entries, 3, archive);
    if (zm_torch_file_open_memory("input", archive, n, &file) == ZM_OK) {
        for (uint64_t i = 0; i < zm_torch_file_count(file); i++) {
            const zm_st_entry *e = zm_torch_file_at(file, i);
            float out[MAX_READ];
            if (e->count > FIRST) // more elements than the largest storage has bytes
                abort();
            (void)zm_torch_file_read_f32(file, e, out);
        }
        zm_torch_file_close(&file);
    }
    free(archive);
    return 0;
}
