// Files that are packed as a whole: gzip, bzip2 and compress. Runs in the helper.
#include "core/io/fits_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bzlib.h>
#include <zlib.h>

enum { PIECE_BYTES = 1 << 18 };

typedef struct unpacked {
    const char *path;
    uint64_t limit;
    uint8_t *data;
    uint64_t size;
    uint64_t capacity;
} unpacked;

static zm_status too_large(const char *path, uint64_t limit)
{
    return ZM_FAIL(ZM_ERR_FORMAT, "%s: expands beyond %" PRIu64 " MiB, refused", path,
                   limit >> 20);
}

// Room for one more piece, doubling up to the limit and one byte beyond it.
static zm_status make_room(unpacked *u)
{
    if (u->size > u->limit)
        return too_large(u->path, u->limit);
    if (u->capacity - u->size >= PIECE_BYTES)
        return ZM_OK;
    const uint64_t capacity = ZM_MIN(ZM_MAX(u->capacity * 2, UINT64_C(4) * PIECE_BYTES),
                                     u->limit + 2 * PIECE_BYTES);
    uint8_t *data = realloc(u->data, (size_t)capacity);
    if (!data)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to unpack it", u->path);
    u->data = data;
    u->capacity = capacity;
    return ZM_OK;
}

static zm_status unpack_gzip(unpacked *u)
{
    zm_status st = ZM_OK;
    gzFile f = gzopen(u->path, "rb");
    if (!f)
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", u->path, strerror(errno));
    int n = 1;
    while (n > 0 && (st = make_room(u)) == ZM_OK) {
        n = gzread(f, u->data + u->size, PIECE_BYTES);
        u->size += n > 0 ? (uint64_t)n : 0;
    }
    const int end = gzclose(f);
    if (st == ZM_OK && (n < 0 || end != Z_OK))
        st = ZM_FAIL(ZM_ERR_FORMAT, "%s: damaged or truncated gzip data", u->path);
    return st;
}

// One stream of a bzip2 file; *more says whether another follows.
static zm_status unpack_bzip2_stream(unpacked *u, FILE *f, uint8_t *rest, int *rest_size,
                                     bool *more)
{
    zm_status st = ZM_OK;
    int error = BZ_OK;
    uint8_t unused[BZ_MAX_UNUSED];
    memcpy(unused, rest, (size_t)*rest_size);
    BZFILE *b = BZ2_bzReadOpen(&error, f, 0, 0, unused, *rest_size);
    while (error == BZ_OK && (st = make_room(u)) == ZM_OK) {
        const int n = BZ2_bzRead(&error, b, u->data + u->size, PIECE_BYTES);
        u->size += n > 0 ? (uint64_t)n : 0;
    }
    if (st == ZM_OK && error != BZ_STREAM_END)
        st = ZM_FAIL(ZM_ERR_FORMAT, "%s: damaged or truncated bzip2 data", u->path);
    if (st == ZM_OK) {
        void *left = NULL;
        BZ2_bzReadGetUnused(&error, b, &left, rest_size);
        memcpy(rest, left, (size_t)*rest_size);
        const int next = *rest_size ? 0 : getc(f);
        if (*rest_size == 0 && next != EOF)
            ungetc(next, f);
        *more = *rest_size != 0 || next != EOF;
    }
    BZ2_bzReadClose(&error, b);
    return st;
}

static zm_status unpack_bzip2(unpacked *u)
{
    uint8_t rest[BZ_MAX_UNUSED];
    int rest_size = 0;
    bool more = true;
    zm_status st = ZM_OK;
    FILE *f = fopen(u->path, "rb");
    if (!f)
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", u->path, strerror(errno));
    while (st == ZM_OK && more)
        st = unpack_bzip2_stream(u, f, rest, &rest_size, &more);
    fclose(f);
    return st;
}

// Codes of compress(1), lowest bit first; a change of width, or a clear code, skips to
// the end of a group of 8 codes.
typedef struct code_reader {
    FILE *f;
    uint32_t bits;
    uint32_t used;     // of bits
    uint32_t in_group; // codes read of this width, modulo 8
} code_reader;

static int32_t read_code(code_reader *r, uint32_t width)
{
    while (r->used < width) {
        const int byte = getc(r->f);
        if (byte == EOF)
            return -1;
        r->bits |= (uint32_t)byte << r->used;
        r->used += 8;
    }
    const uint32_t code = r->bits & ((1u << width) - 1);
    r->bits >>= width;
    r->used -= width;
    r->in_group = (r->in_group + 1) % 8;
    return (int32_t)code;
}

static void skip_group(code_reader *r, uint32_t width)
{
    while (r->in_group != 0 && read_code(r, width) >= 0)
        continue;
    r->in_group = 0;
    r->bits = r->used = 0;
}

enum { LZW_MAX_WIDTH = 16, LZW_CLEAR = 256 };
typedef struct lzw_table {
    uint16_t prefix[1 << LZW_MAX_WIDTH];
    uint8_t last[1 << LZW_MAX_WIDTH];
    uint8_t stack[1 << LZW_MAX_WIDTH];
    uint32_t next; // entry to be made
} lzw_table;

// Writes the string of a code; *first is its first byte. Prefixes are smaller than their
// codes, so this ends.
static zm_status put_string(lzw_table *t, uint32_t code, unpacked *u, uint8_t *first)
{
    uint32_t n = 0;
    ZM_TRY(make_room(u)); // a piece is longer than any string
    for (; code >= LZW_CLEAR; code = t->prefix[code])
        t->stack[n++] = t->last[code];
    t->stack[n++] = *first = (uint8_t)code;
    while (n != 0)
        u->data[u->size++] = t->stack[--n];
    return ZM_OK;
}

static zm_status unpack_codes(code_reader *r, lzw_table *t, uint32_t max_width,
                              bool has_clear, unpacked *u)
{
    uint32_t width = 9;
    int32_t previous = -1;
    uint8_t first = 0;
    t->next = LZW_CLEAR + has_clear;
    for (;;) {
        if (t->next >= 1u << width && width < max_width) {
            skip_group(r, width);
            width++;
        }
        const int32_t code = read_code(r, width);
        if (code < 0)
            return ZM_OK;
        if (code == LZW_CLEAR && has_clear) {
            skip_group(r, width);
            width = 9;
            previous = -1;
            t->next = LZW_CLEAR + 1;
            continue;
        }
        const bool is_new = previous >= 0 && (uint32_t)code == t->next;
        if ((uint32_t)code >= t->next && !is_new)
            return ZM_FAIL(ZM_ERR_FORMAT, "%s: damaged compress data", u->path);
        ZM_TRY(put_string(t, (uint32_t)(is_new ? previous : code), u, &first));
        if (is_new)
            u->data[u->size++] = first;
        if (previous >= 0 && t->next < 1u << max_width) {
            t->prefix[t->next] = (uint16_t)previous;
            t->last[t->next++] = first;
        }
        previous = code;
    }
}

static zm_status unpack_compress(unpacked *u)
{
    zm_status st = ZM_OK;
    uint8_t head[3] = {0};
    FILE *f = fopen(u->path, "rb");
    if (!f)
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", u->path, strerror(errno));
    lzw_table *table = calloc(1, sizeof *table);
    const size_t n = fread(head, 1, sizeof head, f);
    const uint32_t max_width = head[2] & 0x1fu;
    code_reader reader = {.f = f};
    if (!table)
        st = ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to unpack it", u->path);
    else if (n != sizeof head || max_width < 9 || max_width > LZW_MAX_WIDTH)
        st = ZM_FAIL(ZM_ERR_FORMAT, "%s: damaged compress data", u->path);
    else
        st = unpack_codes(&reader, table, max_width, (head[2] & 0x80) != 0, u);
    free(table);
    fclose(f);
    return st;
}

zm_status zm_fits_unpack(const char *path, uint64_t limit, uint8_t **out, uint64_t *size)
{
    uint8_t start[8] = {0};
    unpacked u = {.path = path, .limit = limit};
    FILE *f = fopen(path, "rb");
    if (!f)
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", path, strerror(errno));
    const size_t n = fread(start, 1, sizeof start, f);
    fclose(f);
    const char *pack = zm_fits_packing(start, n);
    zm_status st = ZM_OK;
    if (pack && strcmp(pack, "gzip") == 0)
        st = unpack_gzip(&u);
    else if (pack && strcmp(pack, "bzip2") == 0)
        st = unpack_bzip2(&u);
    else if (pack)
        st = unpack_compress(&u);
    if (st == ZM_OK && u.size > limit)
        st = too_large(path, limit);
    if (st == ZM_OK && u.data) {
        const uint64_t padded = (zm_fits_blocks(u.size) + 1) * ZM_FITS_BLOCK;
        uint8_t *data = realloc(u.data, (size_t)padded);
        if (data) {
            memset(data + u.size, 0, (size_t)(padded - u.size));
            u.data = data;
        } else {
            st = ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to unpack it", path);
        }
    }
    if (st != ZM_OK) {
        free(u.data);
        return st;
    }
    *out = u.data;
    *size = u.size;
    return ZM_OK;
}
