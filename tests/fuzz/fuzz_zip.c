// Zip archives of any bytes: opened, every entry read whole and in pieces.
#include <assert.h>
#include <stdlib.h>

#include "core/io/zip.h"

enum { MAX_ENTRY = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_pieces(zm_zip *zip, const zm_zip_entry *e)
{
    uint8_t piece[64];
    zm_zip_stream *s = NULL;
    if (zm_zip_stream_open(zip, e, &s) != ZM_OK)
        return;
    for (uint64_t at = 0; at < ZM_MIN(e->size, (uint64_t)MAX_ENTRY); at += 200)
        if (zm_zip_stream_read(s, at, ZM_MIN(e->size - at, sizeof piece), piece) != ZM_OK)
            break;
    const zm_status back = zm_zip_stream_read(s, 0, ZM_MIN(e->size, 1u), piece);
    assert(!e->stored || back == ZM_OK);
    zm_zip_stream_close(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    zm_zip *zip = NULL;
    if (zm_zip_open_memory("input", data, size, &zip) != ZM_OK)
        return 0;
    for (uint64_t i = 0; i < zm_zip_count(zip); i++) {
        const zm_zip_entry *e = zm_zip_at(zip, i);
        uint8_t *whole = NULL;
        assert(zm_zip_find(zip, e->name) == e);
        if (zm_zip_read(zip, e, MAX_ENTRY, &whole) == ZM_OK)
            free(whole);
        read_pieces(zip, e);
    }
    zm_zip_close(&zip);
    return 0;
}
