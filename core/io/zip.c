#include "core/io/zip.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zip.h>

#include "core/io/zip_directory.h"

enum { SKIP_BYTES = 16 * 1024 };
// What zm_zip_read unpacks of one archive in all: small entries read over and over.
#define MAX_TOTAL ((uint64_t)64 << 30)

struct zm_zip {
    char *path;
    zm_zip_bytes bytes;
    zm_zip_directory directory;
    zm_zip_entry *entries; // in the order of the archive
    uint32_t *by_name;
    zip_t *archive;
    uint64_t total;
};

struct zm_zip_stream {
    zm_zip *zip;
    const zm_zip_entry *entry;
    zip_file_t *file;  // deflated entries
    uint64_t position; // of file
};

bool zm_zip_is_zip(const uint8_t *data, uint64_t size)
{
    return size >= 4 &&
           (memcmp(data, "PK\3\4", 4) == 0 || memcmp(data, "PK\5\6", 4) == 0);
}

static const zm_zip_record *record_of(const zm_zip *zip, const zm_zip_entry *entry)
{
    return &zip->directory.records[entry->index];
}

// Where libzip sees another archive than zip_directory.c, one of the two is deceived.
static zm_status compare_views(zm_zip *zip)
{
    bool same = zip_get_num_entries(zip->archive, 0) == (zip_int64_t)zip->directory.count;
    for (uint64_t i = 0; same && i < zip->directory.count; i++) {
        const zm_zip_record *r = &zip->directory.records[i];
        zip_stat_t info;
        same = zip_stat_index(zip->archive, i, ZIP_FL_ENC_RAW, &info) == 0 &&
               strcmp(info.name, r->name) == 0 && info.size == r->size &&
               info.comp_size == r->packed && info.crc == r->crc &&
               info.comp_method == r->method && info.encryption_method == ZIP_EM_NONE;
    }
    return same ? ZM_OK
                : ZM_FAIL(ZM_ERR_FORMAT, "%s: zip archive with contradicting directories",
                          zip->path);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const zm_zip_entry *)a)->name, ((const zm_zip_entry *)b)->name);
}

static zm_status list_entries(zm_zip *zip)
{
    const uint64_t n = zip->directory.count;
    zm_zip_entry *sorted = zm_calloc(n + 1, sizeof *sorted);
    zip->entries = zm_calloc(n + 1, sizeof *zip->entries);
    zip->by_name = zm_calloc(n + 1, sizeof *zip->by_name);
    if (!sorted || !zip->entries || !zip->by_name) {
        free(sorted);
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: out of memory", zip->path);
    }
    for (uint64_t i = 0; i < n; i++) {
        const zm_zip_record *r = &zip->directory.records[i];
        zip->entries[i] =
            (zm_zip_entry){r->name, r->size, r->method == ZM_ZIP_STORED, i, r->crc};
        sorted[i] = zip->entries[i];
    }
    qsort(sorted, n, sizeof *sorted, by_name);
    for (uint64_t i = 0; i < n; i++)
        zip->by_name[i] = (uint32_t)sorted[i].index;
    free(sorted);
    return ZM_OK;
}

// libzip on a descriptor of its own, of the same open file: nothing can be swapped.
static zip_t *open_archive(const zm_zip *zip, int *code)
{
    if (zip->bytes.fd >= 0) {
        const int copy = fcntl(zip->bytes.fd, F_DUPFD_CLOEXEC, 0);
        zip_t *archive = copy < 0 ? NULL : zip_fdopen(copy, 0, code);
        if (!archive && copy >= 0)
            close(copy);
        return archive;
    }
    zip_error_t error;
    zip_error_init(&error);
    zip_t *archive = NULL;
    zip_source_t *source =
        zip_source_buffer_create(zip->bytes.data, zip->bytes.size, 0, &error);
    if (source) {
        archive = zip_open_from_source(source, ZIP_RDONLY, &error);
        if (!archive)
            zip_source_free(source);
    }
    *code = zip_error_code_zip(&error);
    zip_error_fini(&error);
    return archive;
}

static zm_status open_bytes(const char *label, zm_zip_bytes bytes, zm_zip **out)
{
    zm_zip *zip = zm_calloc(1, sizeof *zip);
    if (!zip || !(zip->path = zm_strdup(label))) {
        free(zip);
        if (bytes.fd >= 0)
            close(bytes.fd);
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: out of memory", label);
    }
    zip->bytes = bytes;
    zip->bytes.label = zip->path;
    zm_status st = zm_zip_directory_read(&zip->bytes, &zip->directory);
    int code = ZIP_ER_MEMORY;
    if (st == ZM_OK && !(zip->archive = open_archive(zip, &code)))
        st = code == ZIP_ER_MEMORY
                 ? ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for its directory", label)
                 : ZM_FAIL(ZM_ERR_FORMAT, "%s: damaged zip archive", label);
    if (st == ZM_OK)
        st = compare_views(zip);
    if (st == ZM_OK)
        st = list_entries(zip);
    if (st != ZM_OK)
        zm_zip_close(&zip);
    *out = zip;
    return st;
}

zm_status zm_zip_open(const char *path, zm_zip **out)
{
    struct stat info;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", path, strerror(errno));
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(fd);
        return ZM_FAIL(ZM_ERR_IO, "%s: not a regular file", path);
    }
    return open_bytes(path, (zm_zip_bytes){.fd = fd, .size = (uint64_t)info.st_size},
                      out);
}

zm_status zm_zip_open_memory(const char *label, const uint8_t *data, uint64_t size,
                             zm_zip **out)
{
    return open_bytes(label, (zm_zip_bytes){.fd = -1, .data = data, .size = size}, out);
}

void zm_zip_close(zm_zip **zip)
{
    if (!*zip)
        return;
    if ((*zip)->archive)
        zip_discard((*zip)->archive);
    if ((*zip)->bytes.fd >= 0)
        close((*zip)->bytes.fd);
    zm_zip_directory_free(&(*zip)->directory);
    free((*zip)->entries);
    free((*zip)->by_name);
    free((*zip)->path);
    free(*zip);
    *zip = NULL;
}

uint64_t zm_zip_count(const zm_zip *zip)
{
    return zip->directory.count;
}

const zm_zip_entry *zm_zip_at(const zm_zip *zip, uint64_t i)
{
    return &zip->entries[i];
}

const zm_zip_entry *zm_zip_find(const zm_zip *zip, const char *name)
{
    uint64_t low = 0;
    uint64_t high = zip->directory.count;
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        const zm_zip_entry *e = &zip->entries[zip->by_name[middle]];
        const int order = strcmp(name, e->name);
        if (order == 0)
            return e;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static zm_status damaged(const zm_zip *zip, const zm_zip_entry *entry, const char *how)
{
    return ZM_FAIL(ZM_ERR_FORMAT, "%s: entry %s: damaged: %s", zip->path, entry->name,
                   how);
}

// Unpacks the next size bytes; at the end of the entry also checks length and CRC.
static zm_status unpack(const zm_zip *zip, const zm_zip_entry *entry, zip_file_t *file,
                        uint64_t *position, uint8_t *out, uint64_t size)
{
    for (uint64_t done = 0; done < size;) {
        const zip_int64_t n = zip_fread(file, out + done, size - done);
        if (n < 0)
            return damaged(zip, entry, zip_error_strerror(zip_file_get_error(file)));
        if (n == 0)
            return damaged(zip, entry, "it ends early");
        done += (uint64_t)n;
        *position += (uint64_t)n;
    }
    uint8_t beyond;
    const zip_int64_t n =
        *position == entry->size ? zip_fread(file, &beyond, 1) : 0; // compares the CRC
    if (n < 0)
        return damaged(zip, entry, zip_error_strerror(zip_file_get_error(file)));
    return n ? damaged(zip, entry, "longer than the directory says") : ZM_OK;
}

static zm_status open_entry(zm_zip *zip, const zm_zip_entry *entry, zip_file_t **out)
{
    *out = zip_fopen_index(zip->archive, entry->index, 0);
    return *out ? ZM_OK : damaged(zip, entry, zip_strerror(zip->archive));
}

zm_status zm_zip_read(zm_zip *zip, const zm_zip_entry *entry, uint64_t max_size,
                      uint8_t **out)
{
    if (entry->size > max_size)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: entry %s: expected at most %" PRIu64 " bytes, found %" PRIu64,
                       zip->path, entry->name, max_size, entry->size);
    if (entry->size > MAX_TOTAL - zip->total)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: more than %" PRIu64 " bytes were unpacked",
                       zip->path, MAX_TOTAL);
    zip->total += entry->size;
    uint8_t *data = entry->size < SIZE_MAX ? malloc((size_t)entry->size + 1) : NULL;
    if (!data)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: entry %s: no memory for %" PRIu64 " bytes",
                       zip->path, entry->name, entry->size);
    zip_file_t *file = NULL;
    uint64_t position = 0;
    zm_status st = open_entry(zip, entry, &file);
    if (st == ZM_OK) {
        st = unpack(zip, entry, file, &position, data, entry->size);
        zip_fclose(file);
    }
    if (st != ZM_OK) {
        free(data);
        return st;
    }
    data[entry->size] = '\0';
    *out = data;
    return ZM_OK;
}

zm_status zm_zip_stream_open(zm_zip *zip, const zm_zip_entry *entry, zm_zip_stream **out)
{
    zm_zip_stream *s = zm_calloc(1, sizeof *s);
    if (!s)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: out of memory", zip->path);
    s->zip = zip;
    s->entry = entry;
    const zm_status st = entry->stored ? ZM_OK : open_entry(zip, entry, &s->file);
    if (st != ZM_OK)
        zm_zip_stream_close(&s);
    *out = s;
    return st;
}

zm_status zm_zip_stream_read(zm_zip_stream *stream, uint64_t offset, uint64_t size,
                             void *out)
{
    const zm_zip *zip = stream->zip;
    const zm_zip_entry *e = stream->entry;
    if (offset > e->size || size > e->size - offset)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: entry %s: bytes %" PRIu64 " + %" PRIu64 " asked of %" PRIu64,
                       zip->path, e->name, offset, size, e->size);
    if (e->stored)
        return zm_zip_bytes_read(&zip->bytes, record_of(zip, e)->data + offset, size,
                                 out);
    if (offset < stream->position)
        return ZM_FAIL(ZM_ERR_USAGE,
                       "%s: entry %s is compressed and can only be read forwards",
                       zip->path, e->name);
    while (stream->position < offset) {
        uint8_t skipped[SKIP_BYTES];
        const uint64_t n = ZM_MIN(offset - stream->position, (uint64_t)SKIP_BYTES);
        ZM_TRY(unpack(zip, e, stream->file, &stream->position, skipped, n));
    }
    return unpack(zip, e, stream->file, &stream->position, out, size);
}

void zm_zip_stream_close(zm_zip_stream **stream)
{
    if (!*stream)
        return;
    if ((*stream)->file)
        zip_fclose((*stream)->file);
    free(*stream);
    *stream = NULL;
}
