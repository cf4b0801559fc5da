#include "core/io/npz.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

// Reads bytes of the entry; what is read without a gap from the begin is summed up.
static zm_status read_bytes(zm_npz_array *a, uint64_t offset, uint64_t size, uint8_t *out)
{
    ZM_TRY(zm_zip_stream_read(a->stream, offset, size, out));
    if (!a->stored || offset != a->checked)
        return ZM_OK;
    a->checked += size;
    for (uint64_t done = 0; done < size;) {
        const uInt part = (uInt)ZM_MIN(size - done, (uint64_t)1 << 30);
        a->crc = (uint32_t)crc32(a->crc, out + done, part);
        done += part;
    }
    return ZM_OK;
}

static zm_status read_header(zm_npz_array *a, const zm_zip_entry *entry)
{
    uint8_t start[ZM_NPY_START];
    uint64_t size = 0;
    if (entry->size < sizeof start)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: expected a numpy array, found %" PRIu64 " bytes", a->label,
                       entry->size);
    ZM_TRY(read_bytes(a, 0, sizeof start, start));
    ZM_TRY(zm_npy_header_size(a->label, start, &size));
    if (size < sizeof start || size > entry->size)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: expected an npy header of %" PRIu64
                       " bytes, found an entry of %" PRIu64,
                       a->label, size, entry->size);
    uint8_t *data = malloc((size_t)size);
    if (!data)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for its header", a->label);
    memcpy(data, start, sizeof start);
    zm_status st = read_bytes(a, sizeof start, size - sizeof start, data + sizeof start);
    if (st == ZM_OK)
        st = zm_npy_parse(a->label, data, size, entry->size, &a->npy);
    free(data);
    if (st == ZM_OK && a->npy.fortran_order && a->npy.rank > 1)
        st = ZM_FAIL(ZM_ERR_FORMAT,
                     "%s: expected an array in C order, found Fortran order", a->label);
    return st;
}

zm_status zm_npz_array_open(zm_zip *zip, const char *path, const char *name,
                            zm_npz_array **out)
{
    char file[ZM_NPY_NAME + 4];
    const int length = snprintf(file, sizeof file, "%s.npy", name);
    assert(length > 0 && (size_t)length < sizeof file);
    const zm_zip_entry *entry = zm_zip_find(zip, file);
    *out = NULL;
    if (!entry)
        return ZM_OK;
    zm_npz_array *a = calloc(1, sizeof *a);
    const size_t room = strlen(path) + (size_t)length + sizeof ": ";
    if (!a || !(a->label = malloc(room))) {
        free(a);
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to open %s", path, file);
    }
    snprintf(a->label, room, "%s: %s", path, file);
    a->stored = entry->stored;
    a->size = entry->size;
    a->expected_crc = entry->crc;
    zm_status st = zm_zip_stream_open(zip, entry, &a->stream);
    if (st == ZM_OK)
        st = read_header(a, entry);
    if (st != ZM_OK) {
        zm_npz_array_close(&a);
        return st;
    }
    *out = a;
    return ZM_OK;
}

void zm_npz_array_close(zm_npz_array **array)
{
    if (!*array)
        return;
    zm_zip_stream_close(&(*array)->stream);
    zm_npy_finish(&(*array)->npy);
    free((*array)->label);
    free(*array);
    *array = NULL;
}

zm_status zm_npz_array_read(zm_npz_array *a, uint64_t first, uint64_t count, uint8_t *out)
{
    const zm_npy *npy = &a->npy;
    if (first > npy->count || count > npy->count - first)
        return ZM_FAIL(ZM_ERR_SHAPE,
                       "%s: elements %" PRIu64 " + %" PRIu64 " asked of %" PRIu64,
                       a->label, first, count, npy->count);
    return read_bytes(a, npy->data_offset + first * npy->item_size,
                      count * npy->item_size, out);
}

zm_status zm_npz_array_verify(const zm_npz_array *a)
{
    if (!a->stored || a->checked != a->size || a->crc == a->expected_crc)
        return ZM_OK;
    return ZM_FAIL(ZM_ERR_FORMAT, "%s: damaged: its checksum differs", a->label);
}
