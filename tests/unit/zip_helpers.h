// Zip archives built byte by byte, so that tests can lie in every field.
#ifndef ZM_ZIP_HELPERS_H
#define ZM_ZIP_HELPERS_H

#include "io_helpers.h"

#include <zlib.h>

enum { ZIP_TEST_SIZE = 1 << 16 };

typedef struct zip_item {
    const char *name;
    const void *data; // packed
    uint32_t packed;
    uint32_t size; // unpacked; 0: packed
    uint32_t crc;  // of what is unpacked; 0: of data
    uint16_t method, flags;
    uint16_t local_flags;   // where unlike flags
    const char *local_name; // where unlike name
    uint32_t local_crc;     // where unlike crc
    uint32_t name_size;     // where not that of name
    bool shares_header;     // points at the local header of the item before it
    uint32_t shift;         // added to the offset of the local header
} zip_item;

typedef struct zip_image {
    uint8_t data[ZIP_TEST_SIZE];
    uint32_t size;
    uint32_t central; // where the directory begins
    uint32_t end;     // where the end record begins
} zip_image;

static inline void zip_put(zip_image *z, uint64_t value, uint32_t bytes)
{
    cr_assert(z->size + bytes <= ZIP_TEST_SIZE);
    for (uint32_t i = 0; i < bytes; i++)
        z->data[z->size++] = (uint8_t)(value >> 8 * i);
}

static inline void zip_put_bytes(zip_image *z, const void *data, uint32_t bytes)
{
    cr_assert(z->size + bytes <= ZIP_TEST_SIZE);
    if (bytes)
        memcpy(z->data + z->size, data, bytes);
    z->size += bytes;
}

// What the local and the central header share: flags to sizes.
static inline void zip_put_common(zip_image *z, const zip_item *item, uint16_t flags)
{
    const uint32_t crc =
        item->crc ? item->crc : (uint32_t)crc32(0, item->data, item->packed);
    zip_put(z, 20, 2);
    zip_put(z, flags, 2);
    zip_put(z, item->method, 2);
    zip_put(z, 0x21 << 16, 4); // 1 January 1980
    zip_put(z, crc, 4);
    zip_put(z, item->packed, 4);
    zip_put(z, item->size ? item->size : item->packed, 4);
}

static inline uint32_t zip_name_size(const zip_item *item)
{
    return item->name_size ? item->name_size : (uint32_t)strlen(item->name);
}

static inline void zip_build(zip_image *z, const zip_item *items, uint32_t count)
{
    uint32_t at[16] = {0};
    cr_assert(count <= ZM_COUNT_OF(at));
    z->size = 0;
    for (uint32_t i = 0; i < count; i++) {
        const zip_item *e = &items[i];
        cr_assert(i > 0 || !e->shares_header);
        const char *name = e->local_name ? e->local_name : e->name;
        at[i] = i > 0 && e->shares_header ? at[i - 1] : z->size;
        if (e->shares_header)
            continue;
        zip_put(z, 0x04034b50, 4);
        zip_item local = *e;
        local.crc = e->local_crc ? e->local_crc : e->crc;
        zip_put_common(z, &local, e->local_flags ? e->local_flags : e->flags);
        zip_put(z, zip_name_size(e), 2);
        zip_put(z, 0, 2);
        zip_put_bytes(z, name, zip_name_size(e));
        zip_put_bytes(z, e->data, e->packed);
    }
    z->central = z->size;
    for (uint32_t i = 0; i < count; i++) {
        zip_put(z, 0x02014b50, 4);
        zip_put(z, 20, 2);
        zip_put_common(z, &items[i], items[i].flags);
        zip_put(z, zip_name_size(&items[i]), 2);
        zip_put(z, 0, 8); // extra, comment, disk, internal attributes
        zip_put(z, 0, 4); // external attributes
        zip_put(z, at[i] + items[i].shift, 4);
        zip_put_bytes(z, items[i].name, zip_name_size(&items[i]));
    }
    z->end = z->size;
    zip_put(z, 0x06054b50, 4);
    zip_put(z, 0, 4);
    zip_put(z, count, 2);
    zip_put(z, count, 2);
    zip_put(z, z->end - z->central, 4);
    zip_put(z, z->central, 4);
    zip_put(z, 0, 2);
}

// Raw deflate of data into out; returns its size.
static inline uint32_t zip_deflate(const void *data, uint32_t size, uint8_t *out,
                                   uint32_t room)
{
    z_stream s = {.next_in = (z_const Bytef *)data,
                  .avail_in = size,
                  .next_out = out,
                  .avail_out = room};
    cr_assert_eq(deflateInit2(&s, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    cr_assert_eq(deflate(&s, Z_FINISH), Z_STREAM_END);
    deflateEnd(&s);
    return (uint32_t)s.total_out;
}

#endif
