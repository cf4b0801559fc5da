#include "core/io/zip_directory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_ENTRIES = 100000,
    MAX_NAME = 512,
    END_SIZE = 22,
    END64_SIZE = 56,
    LOCATOR_SIZE = 20,
    CENTRAL_SIZE = 46,
    LOCAL_SIZE = 30,
    MAX_COMMENT = 0xFFFF,
    FLAG_ENCRYPTED = 1 | 1 << 6 | 1 << 13,
    FLAG_SIZES_BEHIND = 1 << 3, // the local header leaves CRC and sizes at zero
    DEFLATE_LIMIT = 1032,       // no deflated byte becomes more than this many
};
#define MAX_DIRECTORY ((uint64_t)64 << 20)
#define FULL16        UINT16_MAX // "see the zip64 field"
#define FULL32        UINT32_MAX

static const uint32_t end_magic = 0x06054b50, end64_magic = 0x06064b50,
                      locator_magic = 0x07064b50, central_magic = 0x02014b50,
                      local_magic = 0x04034b50;

static uint16_t le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t le32(const uint8_t *p)
{
    return le16(p) | (uint32_t)le16(p + 2) << 16;
}

static uint64_t le64(const uint8_t *p)
{
    return le32(p) | (uint64_t)le32(p + 4) << 32;
}

zm_status zm_zip_bytes_read(const zm_zip_bytes *bytes, uint64_t offset, uint64_t size,
                            void *out)
{
    if (offset > bytes->size || size > bytes->size - offset)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: zip archive: bytes %" PRIu64 " + %" PRIu64 " of %" PRIu64,
                       bytes->label, offset, size, bytes->size);
    if (bytes->fd < 0) {
        if (size)
            memcpy(out, bytes->data + offset, size);
        return ZM_OK;
    }
    for (uint64_t done = 0; done < size;) {
        const ssize_t n =
            pread(bytes->fd, (uint8_t *)out + done,
                  (size_t)ZM_MIN(size - done, (uint64_t)1 << 30), (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ZM_FAIL(ZM_ERR_IO, "%s: %s", bytes->label,
                           n ? strerror(errno) : "the file has become shorter");
        done += (uint64_t)n;
    }
    return ZM_OK;
}

typedef struct end_record {
    uint64_t entries, size, offset; // of the central directory
    uint64_t at;                    // where the record, or its zip64 form, begins
} end_record;

// The zip64 form in front of the end record, where there is one. What the end record
// gives in 16 or 32 bits must be full or the same.
static zm_status read_end64(const zm_zip_bytes *bytes, end_record *end)
{
    uint8_t locator[LOCATOR_SIZE], wide[END64_SIZE];
    if (end->at < LOCATOR_SIZE)
        return ZM_OK;
    ZM_TRY(zm_zip_bytes_read(bytes, end->at - LOCATOR_SIZE, LOCATOR_SIZE, locator));
    if (le32(locator) != locator_magic)
        return ZM_OK;
    const uint64_t at = le64(locator + 8);
    ZM_TRY(zm_zip_bytes_read(bytes, at, END64_SIZE, wide));
    const end_record w = {le64(wide + 32), le64(wide + 40), le64(wide + 48), at};
    if (le32(wide) != end64_magic || le64(wide + 4) != end->at - LOCATOR_SIZE - at - 12 ||
        le32(locator + 4) || le32(locator + 16) > 1 || le32(wide + 16) ||
        le32(wide + 20) || le64(wide + 24) != w.entries)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: zip archive: damaged zip64 end record",
                       bytes->label);
    if ((end->entries != FULL16 && end->entries != w.entries) ||
        (end->size != FULL32 && end->size != w.size) ||
        (end->offset != FULL32 && end->offset != w.offset))
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: zip archive: two unlike end records",
                       bytes->label);
    *end = w;
    return ZM_OK;
}

static zm_status find_end(const zm_zip_bytes *bytes, end_record *end)
{
    const uint64_t tail = ZM_MIN(bytes->size, (uint64_t)END_SIZE + MAX_COMMENT);
    const uint64_t base = bytes->size - tail;
    uint8_t *last = zm_calloc(ZM_MAX(tail, 1u), 1);
    if (!last)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: out of memory", bytes->label);
    zm_status st = zm_zip_bytes_read(bytes, base, tail, last);
    bool found = false;
    for (uint64_t back = END_SIZE; st == ZM_OK && !found && back <= tail; back++) {
        const uint8_t *p = last + (tail - back);
        found = le32(p) == end_magic && le16(p + 20) == back - END_SIZE;
        if (found && (le32(p + 4) || le16(p + 8) != le16(p + 10)))
            st = ZM_FAIL(ZM_ERR_FORMAT, "%s: zip archive of several parts", bytes->label);
        *end =
            (end_record){le16(p + 10), le32(p + 12), le32(p + 16), base + (tail - back)};
    }
    free(last);
    if (st == ZM_OK && !found)
        st = ZM_FAIL(ZM_ERR_FORMAT, "%s: zip archive without an end: truncated?",
                     bytes->label);
    if (st == ZM_OK)
        st = read_end64(bytes, end);
    if (st != ZM_OK)
        return st;
    if (end->entries > MAX_ENTRIES || end->size > MAX_DIRECTORY)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: zip archive: at most %d entries and %" PRIu64
                       " bytes of directory, found %" PRIu64 " and %" PRIu64,
                       bytes->label, MAX_ENTRIES, MAX_DIRECTORY, end->entries, end->size);
    if (end->offset > end->at || end->size != end->at - end->offset)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: zip archive: its directory is not where the end record says",
                       bytes->label);
    return ZM_OK;
}

// The zip64 extra field holds, in this order, those values that are full in the header.
static bool read_extra64(const uint8_t *extra, uint32_t size, uint64_t *values[],
                         uint32_t count)
{
    bool wanted = false;
    for (uint32_t i = 0; i < count; i++)
        wanted = wanted || *values[i] == FULL32;
    for (uint32_t at = 0; wanted && size - at >= 4;) {
        const uint32_t n = le16(extra + at + 2);
        if (n > size - at - 4)
            return false;
        if (le16(extra + at) == 1) {
            const uint8_t *p = extra + at + 4;
            const uint8_t *const end = p + n;
            for (uint32_t i = 0; i < count; i++) {
                if (*values[i] != FULL32)
                    continue;
                if (end - p < 8)
                    return false;
                *values[i] = le64(p);
                p += 8;
            }
            return true;
        }
        at += 4 + n;
    }
    return true; // without the field, full means the largest 32-bit number
}

static const char *name_fault(const char *name, uint32_t length)
{
    if (length == 0 || length > MAX_NAME)
        return "a name of 0 or more than 512 bytes";
    if (memchr(name, 0, length))
        return "a name with a NUL";
    if (name[0] == '/' || name[0] == '\\' || (length > 1 && name[1] == ':'))
        return "an absolute name";
    for (const char *part = name; part;) {
        const size_t n = strcspn(part, "/\\");
        if (n == 2 && part[0] == '.' && part[1] == '.')
            return "a name with \"..\"";
        part = part[n] ? part + n + 1 : NULL;
    }
    return NULL;
}

static zm_status check_record(const zm_zip_bytes *bytes, const zm_zip_record *r)
{
    const char *fault = NULL;
    if (r->flags & FLAG_ENCRYPTED)
        fault = "it is encrypted";
    else if (r->method != ZM_ZIP_STORED && r->method != ZM_ZIP_DEFLATED)
        fault = "expected it stored or deflated, found another compression";
    else if (r->method == ZM_ZIP_STORED && r->size != r->packed)
        fault = "stored, but of two unlike sizes";
    else if (r->size / DEFLATE_LIMIT > r->packed)
        fault = "it claims more bytes than it can hold";
    return fault
               ? ZM_FAIL(ZM_ERR_FORMAT, "%s: entry %s: %s", bytes->label, r->name, fault)
               : ZM_OK;
}

// One record of the central directory at *at, which moves behind it.
static zm_status parse_central(const zm_zip_bytes *bytes, const uint8_t *central,
                               uint64_t size, uint64_t *at, char *name, zm_zip_record *r)
{
    const uint8_t *p = central + *at;
    const uint64_t left = size - *at;
    const uint64_t name_size = left < CENTRAL_SIZE ? 0 : le16(p + 28);
    const uint64_t extra_size = left < CENTRAL_SIZE ? 0 : le16(p + 30);
    const uint64_t total =
        CENTRAL_SIZE + name_size + extra_size + (left < CENTRAL_SIZE ? 0 : le16(p + 32));
    if (left < total || le32(p) != central_magic || le16(p + 34) != 0)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: zip archive: damaged directory at its byte %" PRIu64,
                       bytes->label, *at);
    memcpy(name, p + CENTRAL_SIZE, name_size);
    name[name_size] = '\0';
    const char *fault = name_fault(name, (uint32_t)name_size);
    if (fault)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: zip archive: an entry has %s", bytes->label,
                       fault);
    *r = (zm_zip_record){.name = name,
                         .size = le32(p + 24),
                         .packed = le32(p + 20),
                         .begin = le32(p + 42),
                         .crc = le32(p + 16),
                         .flags = le16(p + 8),
                         .method = le16(p + 10)};
    uint64_t *values[] = {&r->size, &r->packed, &r->begin};
    if (!read_extra64(p + CENTRAL_SIZE + name_size, (uint32_t)extra_size, values, 3))
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: entry %s: damaged extra field", bytes->label,
                       name);
    *at += total;
    return check_record(bytes, r);
}

// The local header says the same as the directory; the data begin behind it.
static zm_status check_local(const zm_zip_bytes *bytes, uint64_t limit, zm_zip_record *r)
{
    uint8_t head[LOCAL_SIZE + MAX_NAME];
    uint8_t extra[UINT16_MAX];
    const uint64_t n = strlen(r->name);
    if (r->begin > limit || limit - r->begin < LOCAL_SIZE + n)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: entry %s: it lies outside the archive",
                       bytes->label, r->name);
    ZM_TRY(zm_zip_bytes_read(bytes, r->begin, LOCAL_SIZE + n, head));
    const uint16_t extra_size = le16(head + 28);
    r->data = r->begin + LOCAL_SIZE + n + extra_size;
    if (r->data > limit || r->packed > limit - r->data)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: entry %s: it lies outside the archive",
                       bytes->label, r->name);
    ZM_TRY(zm_zip_bytes_read(bytes, r->data - extra_size, extra_size, extra));
    uint64_t size = le32(head + 22), packed = le32(head + 18);
    uint64_t *values[] = {&size, &packed};
    bool same = le32(head) == local_magic && le16(head + 26) == n &&
                memcmp(head + LOCAL_SIZE, r->name, n) == 0 &&
                le16(head + 8) == r->method && !(le16(head + 6) & FLAG_ENCRYPTED) &&
                read_extra64(extra, extra_size, values, 2);
    if (!(le16(head + 6) & FLAG_SIZES_BEHIND))
        same =
            same && size == r->size && packed == r->packed && le32(head + 14) == r->crc;
    if (!same)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: entry %s: the header in front of it and the directory differ",
                       bytes->label, r->name);
    return ZM_OK;
}

static int by_begin(const void *a, const void *b)
{
    const zm_zip_record *x = *(const zm_zip_record *const *)a;
    const zm_zip_record *y = *(const zm_zip_record *const *)b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

static int by_name(const void *a, const void *b)
{
    const zm_zip_record *x = *(const zm_zip_record *const *)a;
    const zm_zip_record *y = *(const zm_zip_record *const *)b;
    return strcmp(x->name, y->name);
}

// No two entries share a name or a byte.
static zm_status check_apart(const zm_zip_bytes *bytes, const zm_zip_directory *d)
{
    const zm_zip_record **sorted = zm_calloc(ZM_MAX(d->count, 1u), sizeof *sorted);
    if (!sorted)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: out of memory", bytes->label);
    zm_status st = ZM_OK;
    for (uint64_t i = 0; i < d->count; i++)
        sorted[i] = &d->records[i];
    qsort(sorted, d->count, sizeof *sorted, by_name);
    for (uint64_t i = 1; i < d->count && st == ZM_OK; i++)
        if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0)
            st = ZM_FAIL(ZM_ERR_FORMAT, "%s: two entries of the name %s", bytes->label,
                         sorted[i]->name);
    qsort(sorted, d->count, sizeof *sorted, by_begin);
    for (uint64_t i = 1; i < d->count && st == ZM_OK; i++)
        if (sorted[i]->begin < sorted[i - 1]->data + sorted[i - 1]->packed)
            st = ZM_FAIL(ZM_ERR_FORMAT, "%s: entries %s and %s overlap", bytes->label,
                         sorted[i - 1]->name, sorted[i]->name);
    free(sorted);
    return st;
}

static zm_status read_records(const zm_zip_bytes *bytes, const end_record *end,
                              const uint8_t *central, zm_zip_directory *d)
{
    uint64_t at = 0;
    char *name = d->names;
    for (uint64_t i = 0; i < end->entries; i++) {
        ZM_TRY(parse_central(bytes, central, end->size, &at, name, &d->records[i]));
        ZM_TRY(check_local(bytes, end->offset, &d->records[i]));
        name += strlen(name) + 1;
        d->count++;
    }
    if (at != end->size)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: zip archive: more in its directory than said",
                       bytes->label);
    return check_apart(bytes, d);
}

zm_status zm_zip_directory_read(const zm_zip_bytes *bytes, zm_zip_directory *out)
{
    end_record end = {0};
    ZM_TRY(find_end(bytes, &end));
    zm_zip_directory d = {0};
    uint8_t *central = zm_calloc(end.size + 1, 1);
    d.records = zm_calloc(end.entries + 1, sizeof *d.records);
    d.names = zm_calloc(end.size + 1, 1); // a record is longer than its name and a NUL
    zm_status st =
        central && d.records && d.names
            ? zm_zip_bytes_read(bytes, end.offset, end.size, central)
            : ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for its directory", bytes->label);
    if (st == ZM_OK)
        st = read_records(bytes, &end, central, &d);
    free(central);
    if (st != ZM_OK)
        zm_zip_directory_free(&d);
    *out = d;
    return st;
}

void zm_zip_directory_free(zm_zip_directory *directory)
{
    free(directory->records);
    free(directory->names);
    *directory = (zm_zip_directory){0};
}
