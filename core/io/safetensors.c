#include "core/io/safetensors_impl.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "core/io/bytes.h"

static const zm_st_type types[] = {
    {"F32", ZM_ST_F32, 4},   {"F16", ZM_ST_F16, 2},    {"BF16", ZM_ST_BF16, 2},
    {"F64", ZM_ST_F64, 8},   {"I64", ZM_ST_I64, 8},    {"I32", ZM_ST_I32, 4},
    {"U32", ZM_ST_U32, 4},   {"U8", ZM_ST_U8, 1},      {"I8", ZM_ST_U8, 1},
    {"BOOL", ZM_ST_U8, 1},   {"F8_E4M3", ZM_ST_U8, 1}, {"F8_E5M2", ZM_ST_U8, 1},
    {"I16", ZM_ST_OTHER, 2}, {"U16", ZM_ST_OTHER, 2},  {"U64", ZM_ST_OTHER, 8},
};

struct zm_safetensors {
    char *path;
    int fd; // -1 when parsed from memory
    json_t *header;
    zm_st_entry *entries; // by offset
    uint32_t *by_name;    // indices of entries
    uint64_t count;
};

const zm_st_type *zm_st_type_find(const char *name)
{
    for (size_t i = 0; i < ZM_COUNT_OF(types); i++)
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

const zm_st_type *zm_st_type_of(zm_st_dtype dtype)
{
    for (size_t i = 0; dtype != ZM_ST_OTHER && i < ZM_COUNT_OF(types); i++)
        if (types[i].dtype == dtype)
            return &types[i];
    return NULL;
}

bool zm_st_shape_size(const uint64_t *shape, uint32_t rank, uint32_t element_size,
                      uint64_t *count, uint64_t *bytes)
{
    uint64_t n = 1;
    for (uint32_t i = 0; i < rank; i++)
        if (!zm_mul_u64(n, shape[i], &n))
            return false;
    *count = n;
    return zm_mul_u64(n, element_size, bytes);
}

// Copies a JSON array of non-negative integers; false when it is anything else.
static bool read_integers(const json_t *array, uint64_t *out, size_t max, size_t *count)
{
    if (!json_is_array(array) || json_array_size(array) > max)
        return false;
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *item = json_array_get(array, i);
        if (!json_is_integer(item) || json_integer_value(item) < 0)
            return false;
        out[i] = (uint64_t)json_integer_value(item);
    }
    *count = json_array_size(array);
    return true;
}

// One tensor of the header; entry->offset is still relative to the data section.
static zm_status parse_entry(const char *label, const char *name, const json_t *value,
                             zm_st_entry *entry)
{
    const char *dtype = json_string_value(json_object_get(value, "dtype"));
    const zm_st_type *type = dtype ? zm_st_type_find(dtype) : NULL;
    if (strlen(name) > ZM_ST_MAX_NAME)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: tensor %.40s...: name longer than %d bytes",
                       label, name, ZM_ST_MAX_NAME);
    if (!type)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: tensor %s: expected a dtype such as F32, found %.40s", label,
                       name, dtype ? dtype : "none");
    size_t rank = 0;
    size_t bounds = 0;
    uint64_t range[2];
    if (!read_integers(json_object_get(value, "shape"), entry->shape, ZM_ST_MAX_RANK,
                       &rank))
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: tensor %s: expected a shape of at most %d integers", label,
                       name, ZM_ST_MAX_RANK);
    if (!read_integers(json_object_get(value, "data_offsets"), range, 2, &bounds) ||
        bounds != 2 || range[0] > range[1])
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: tensor %s: expected data_offsets [begin, end]",
                       label, name);
    entry->name = name;
    entry->dtype = type->dtype;
    entry->rank = (uint32_t)rank;
    entry->offset = range[0];
    if (!zm_st_shape_size(entry->shape, entry->rank, type->size, &entry->count,
                          &entry->size))
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: tensor %s: its shape overflows 64 bits", label,
                       name);
    if (entry->size != range[1] - range[0])
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: tensor %s: expected %" PRIu64
                       " bytes by dtype and shape, found %" PRIu64 " by data_offsets",
                       label, name, entry->size, range[1] - range[0]);
    return ZM_OK;
}

static zm_status check_metadata(const char *label, json_t *value)
{
    if (!json_is_object(value))
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: expected __metadata__ to be an object", label);
    const char *key;
    json_t *item;
    json_object_foreach(value, key, item)
    {
        if (!json_is_string(item))
            return ZM_FAIL(ZM_ERR_FORMAT, "%s: __metadata__ key %.80s: expected a string",
                           label, key);
    }
    return ZM_OK;
}

static int compare_offsets(const void *a, const void *b)
{
    const zm_st_entry *x = a;
    const zm_st_entry *y = b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    if (x->size != y->size) // empty tensors come before the one that starts there
        return x->size < y->size ? -1 : 1;
    return strcmp(x->name, y->name);
}

// The data section must be covered exactly: no hole, no overlap, nothing behind.
static zm_status check_cover(const zm_safetensors *st, uint64_t data_size)
{
    uint64_t next = 0;
    for (uint64_t i = 0; i < st->count; i++) {
        const zm_st_entry *e = &st->entries[i];
        if (e->offset != next)
            return ZM_FAIL(ZM_ERR_FORMAT,
                           "%s: tensor %s: expected data at %" PRIu64
                           " (no hole, no overlap), found %" PRIu64,
                           st->path, e->name, next, e->offset);
        if (e->size > data_size - next)
            return ZM_FAIL(ZM_ERR_FORMAT,
                           "%s: tensor %s: ends %" PRIu64
                           " bytes into the data, the file has %" PRIu64 " (truncated?)",
                           st->path, e->name, next + e->size, data_size);
        next += e->size;
    }
    if (next != data_size)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: expected %" PRIu64 " bytes of data, found %" PRIu64, st->path,
                       next, data_size);
    return ZM_OK;
}

// qsort has no context argument, so a name travels with its index.
typedef struct name_index {
    const char *name;
    uint32_t index;
} name_index;

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const name_index *)a)->name, ((const name_index *)b)->name);
}

static zm_status index_names(zm_safetensors *st)
{
    name_index *names = zm_calloc(st->count, sizeof *names);
    st->by_name = zm_calloc(st->count, sizeof *st->by_name);
    if (!names || !st->by_name) {
        free(names);
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for its header", st->path);
    }
    for (uint32_t i = 0; i < st->count; i++)
        names[i] = (name_index){st->entries[i].name, i};
    qsort(names, (size_t)st->count, sizeof *names, compare_names);
    for (uint32_t i = 0; i < st->count; i++)
        st->by_name[i] = names[i].index;
    free(names);
    return ZM_OK;
}

static zm_status parse_header(zm_safetensors *st, uint64_t data_offset,
                              uint64_t data_size)
{
    const size_t keys = json_object_size(st->header);
    if (keys > ZM_ST_MAX_TENSORS)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: expected at most %d tensors, found %zu",
                       st->path, ZM_ST_MAX_TENSORS, keys);
    st->entries = zm_calloc(ZM_MAX(keys, 1), sizeof *st->entries);
    if (!st->entries)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for its header", st->path);
    const char *name;
    json_t *value;
    json_object_foreach(st->header, name, value)
    {
        if (strcmp(name, "__metadata__") == 0)
            ZM_TRY(check_metadata(st->path, value));
        else
            ZM_TRY(parse_entry(st->path, name, value, &st->entries[st->count++]));
    }
    qsort(st->entries, (size_t)st->count, sizeof *st->entries, compare_offsets);
    ZM_TRY(check_cover(st, data_size));
    for (uint64_t i = 0; i < st->count; i++)
        st->entries[i].offset += data_offset;
    return st->count ? index_names(st) : ZM_OK;
}

static uint64_t header_length(const uint8_t *data)
{
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--)
        n = n << 8 | data[i];
    return n;
}

// What a file is that cannot be safetensors, for people who took the wrong one.
static const char *other_format(const uint8_t *data)
{
    if (memcmp(data, "PK\3\4", 4) == 0)
        return "a zip file (npz, or a PyTorch .pt: save that as safetensors)";
    if (memcmp(data, "\x89HDF", 4) == 0)
        return "an HDF5 file";
    if (memcmp(data, "SIMPLE  ", 8) == 0)
        return "a FITS file";
    return NULL;
}

static zm_status check_length(const char *label, const uint8_t *data, uint64_t size,
                              uint64_t file_size)
{
    if (size < 8 || file_size < 8)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: expected a safetensors file, found %" PRIu64 " bytes", label,
                       file_size);
    const char *other = other_format(data);
    if (other)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: expected a safetensors file, found %s", label,
                       other);
    const uint64_t n = header_length(data);
    if (n < 2 || n > file_size - 8 || n > ZM_ST_MAX_HEADER)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: no safetensors file, or a damaged one: expected a header of "
                       "2 to %" PRIu64 " bytes, found length %" PRIu64,
                       label, ZM_MIN(file_size - 8, (uint64_t)ZM_ST_MAX_HEADER), n);
    return ZM_OK;
}

zm_status zm_safetensors_parse(const char *label, const uint8_t *data, uint64_t size,
                               uint64_t file_size, zm_safetensors **out)
{
    zm_status status = check_length(label, data, size, file_size);
    if (status != ZM_OK)
        return status;
    const uint64_t n = header_length(data);
    if (n > size - 8)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: header is truncated", label);
    if (data[8] != '{')
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: expected a header that starts with {", label);
    zm_safetensors *st = calloc(1, sizeof *st);
    if (!st || !(st->path = zm_strdup(label))) {
        free(st);
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for its header", label);
    }
    st->fd = -1;
    json_error_t error;
    st->header =
        json_loadb((const char *)data + 8, (size_t)n, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(st->header))
        status = ZM_FAIL(ZM_ERR_FORMAT, "%s: header is not a JSON object: %s", label,
                         st->header ? "another type" : error.text);
    else
        status = parse_header(st, 8 + n, file_size - 8 - n);
    if (status != ZM_OK) {
        zm_safetensors_close(&st);
        return status;
    }
    *out = st;
    return ZM_OK;
}

// pread of everything asked for; false on error (errno set) or end of file (errno 0).
static bool read_fully(int fd, void *out, uint64_t size, uint64_t offset)
{
    uint8_t *p = out;
    while (size != 0) {
        const size_t part = (size_t)ZM_MIN(size, UINT64_C(1) << 30);
        const ssize_t n = pread(fd, p, part, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n == 0 ? 0 : errno;
            return false;
        }
        p += n;
        offset += (uint64_t)n;
        size -= (uint64_t)n;
    }
    return true;
}

static zm_status read_header(const char *path, int fd, uint8_t **data, uint64_t *size,
                             uint64_t *file_size)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return ZM_FAIL(ZM_ERR_IO, "%s: not a regular file", path);
    uint8_t length[8] = {0};
    *file_size = (uint64_t)info.st_size;
    if (*file_size >= 8 && !read_fully(fd, length, sizeof length, 0))
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", path, strerror(errno ? errno : EIO));
    ZM_TRY(check_length(path, length, sizeof length, *file_size));
    *size = 8 + header_length(length);
    *data = malloc((size_t)*size);
    if (!*data)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for its header", path);
    if (!read_fully(fd, *data, *size, 0))
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", path, strerror(errno ? errno : EIO));
    return ZM_OK;
}

zm_status zm_safetensors_open(const char *path, zm_safetensors **out)
{
    uint8_t *data = NULL;
    uint64_t size = 0;
    uint64_t file_size = 0;
    zm_safetensors *st = NULL;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", path, strerror(errno));
    zm_status status = read_header(path, fd, &data, &size, &file_size);
    if (status == ZM_OK)
        status = zm_safetensors_parse(path, data, size, file_size, &st);
    free(data);
    if (status != ZM_OK) {
        close(fd);
        return status;
    }
    st->fd = fd;
    *out = st;
    return ZM_OK;
}

void zm_safetensors_close(zm_safetensors **st)
{
    if (!*st)
        return;
    if ((*st)->fd >= 0)
        close((*st)->fd);
    json_decref((*st)->header);
    free((*st)->entries);
    free((*st)->by_name);
    free((*st)->path);
    free(*st);
    *st = NULL;
}

uint64_t zm_safetensors_count(const zm_safetensors *st)
{
    return st->count;
}

const zm_st_entry *zm_safetensors_at(const zm_safetensors *st, uint64_t i)
{
    assert(i < st->count);
    return &st->entries[i];
}

const zm_st_entry *zm_safetensors_find(const zm_safetensors *st, const char *name)
{
    uint64_t low = 0;
    uint64_t high = st->count;
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        const zm_st_entry *e = &st->entries[st->by_name[middle]];
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

const char *zm_safetensors_meta(const zm_safetensors *st, const char *key)
{
    return json_string_value(
        json_object_get(json_object_get(st->header, "__metadata__"), key));
}

const char *zm_safetensors_path(const zm_safetensors *st)
{
    return st->path;
}

zm_status zm_safetensors_read_raw(const zm_safetensors *st, const zm_st_entry *e,
                                  uint64_t first_byte, uint64_t bytes, void *out)
{
    if (first_byte > e->size || bytes > e->size - first_byte)
        return ZM_FAIL(ZM_ERR_SHAPE,
                       "%s: tensor %s: bytes %" PRIu64 " + %" PRIu64 " asked of %" PRIu64,
                       st->path, e->name, first_byte, bytes, e->size);
    if (st->fd < 0)
        return ZM_FAIL(ZM_ERR_IO, "%s: tensor %s: header only, no file", st->path,
                       e->name);
    if (!read_fully(st->fd, out, bytes, e->offset + first_byte))
        return ZM_FAIL(ZM_ERR_IO, "%s: tensor %s: %s", st->path, e->name,
                       errno ? strerror(errno) : "the file has become shorter");
    return ZM_OK;
}
