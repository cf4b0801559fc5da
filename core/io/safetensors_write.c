#include "core/io/safetensors_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "core/io/bytes.h"

struct zm_st_writer {
    zm_atomic_file file;
    char *path;
    json_t *header;
    json_t *metadata;
    uint64_t declared; // bytes
    uint64_t written;  // bytes of data
    uint64_t start;    // of the data, from the start of the file
    bool header_written;
};

zm_status zm_st_writer_create(const char *path, zm_st_writer **out)
{
    zm_status st;
    zm_st_writer *w = calloc(1, sizeof *w);
    if (!w)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to write it", path);
    w->path = zm_strdup(path);
    w->header = json_object();
    w->metadata = json_object();
    if (!w->path || !w->header || !w->metadata)
        st = ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to write it", path);
    else
        st = zm_atomic_begin(path, &w->file);
    if (st != ZM_OK) {
        zm_st_writer_abort(&w);
        return st;
    }
    *out = w;
    return ZM_OK;
}

zm_status zm_st_writer_meta(zm_st_writer *w, const char *key, const char *value)
{
    if (w->header_written)
        return ZM_FAIL(ZM_ERR_INTERNAL, "%s: metadata %s after data", w->path, key);
    if (json_object_set_new(w->metadata, key, json_string(value)) != 0)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: metadata %s is not UTF-8", w->path, key);
    return ZM_OK;
}

static zm_status check_declaration(const zm_st_writer *w, const char *name,
                                   zm_st_dtype dtype, uint32_t rank)
{
    const char *wrong = NULL;
    if (w->header_written)
        wrong = "declared after data";
    else if (!zm_st_type_of(dtype))
        wrong = "of a dtype that cannot be written";
    else if (rank > ZM_ST_MAX_RANK)
        wrong = "of too high a rank";
    else if (strlen(name) > ZM_ST_MAX_NAME || strcmp(name, "__metadata__") == 0)
        wrong = "of an impossible name";
    else if (json_object_get(w->header, name))
        wrong = "declared twice";
    return wrong ? ZM_FAIL(ZM_ERR_INTERNAL, "%s: tensor %s: %s", w->path, name, wrong)
                 : ZM_OK;
}

zm_status zm_st_writer_declare(zm_st_writer *w, const char *name, zm_st_dtype dtype,
                               uint32_t rank, const uint64_t *shape)
{
    uint64_t count;
    uint64_t bytes;
    uint64_t end;
    ZM_TRY(check_declaration(w, name, dtype, rank));
    if (!zm_st_shape_size(shape, rank, zm_st_type_of(dtype)->size, &count, &bytes) ||
        !zm_add_u64(w->declared, bytes, &end) || end > INT64_MAX)
        return ZM_FAIL(ZM_ERR_SHAPE, "%s: tensor %s: its size overflows", w->path, name);
    json_t *dims = json_array();
    for (uint32_t i = 0; i < rank; i++)
        json_array_append_new(dims, json_integer((json_int_t)shape[i]));
    json_t *entry =
        json_pack("{s:s, s:o, s:[I, I]}", "dtype", zm_st_type_of(dtype)->name, "shape",
                  dims, "data_offsets", (json_int_t)w->declared, (json_int_t)end);
    if (!entry || json_object_set_new(w->header, name, entry) != 0)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: tensor %s: no memory, or name not UTF-8",
                       w->path, name);
    w->declared = end;
    return ZM_OK;
}

// Length, metadata and entries, padded with spaces so that data are aligned to 8 bytes.
static zm_status write_header(zm_st_writer *w)
{
    zm_status st = ZM_OK;
    json_t *whole = json_object();
    char *text = NULL;
    if (!whole ||
        (json_object_size(w->metadata) != 0 &&
         json_object_set(whole, "__metadata__", w->metadata) != 0) ||
        json_object_update(whole, w->header) != 0 ||
        !(text = json_dumps(whole, JSON_COMPACT | JSON_ENSURE_ASCII)))
        st = ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for its header", w->path);
    if (st == ZM_OK) {
        const uint64_t used = strlen(text);
        const uint64_t padded = (used + 7) / 8 * 8;
        uint8_t length[8];
        for (int i = 0; i < 8; i++)
            length[i] = (uint8_t)(padded >> 8 * i);
        if (padded > ZM_ST_MAX_HEADER)
            st = ZM_FAIL(ZM_ERR_SHAPE, "%s: header of %" PRIu64 " bytes is too long",
                         w->path, padded);
        if (st == ZM_OK)
            st = zm_atomic_write(&w->file, length, sizeof length);
        if (st == ZM_OK)
            st = zm_atomic_write(&w->file, text, used);
        if (st == ZM_OK)
            st = zm_atomic_write(&w->file, "        ", padded - used);
        w->start = sizeof length + padded;
    }
    free(text);
    json_decref(whole);
    w->header_written = st == ZM_OK;
    return st;
}

zm_status zm_st_writer_data(zm_st_writer *w, const void *data, uint64_t bytes)
{
    if (!w->header_written)
        ZM_TRY(write_header(w));
    if (bytes > w->declared - w->written)
        return ZM_FAIL(ZM_ERR_INTERNAL, "%s: %" PRIu64 " bytes declared, more given",
                       w->path, w->declared);
    ZM_TRY(zm_atomic_write(&w->file, data, bytes));
    w->written += bytes;
    return ZM_OK;
}

static zm_status seek_to(zm_st_writer *w, uint64_t at)
{
    errno = 0;
    return fseeko(w->file.f, (off_t)(w->start + at), SEEK_SET) == 0
               ? ZM_OK
               : ZM_FAIL(ZM_ERR_IO, "%s: cannot move in it: %s", w->path,
                         strerror(errno));
}

zm_status zm_st_writer_reserve(zm_st_writer *w, uint64_t bytes)
{
    if (!w->header_written)
        ZM_TRY(write_header(w));
    if (bytes > w->declared - w->written)
        return ZM_FAIL(ZM_ERR_INTERNAL, "%s: %" PRIu64 " bytes declared, more reserved",
                       w->path, w->declared);
    ZM_TRY(seek_to(w, w->written + bytes));
    w->written += bytes;
    return ZM_OK;
}

zm_status zm_st_writer_fill(zm_st_writer *w, uint64_t offset, const void *data,
                            uint64_t bytes)
{
    if (offset > w->written || bytes > w->written - offset)
        return ZM_FAIL(ZM_ERR_INTERNAL, "%s: %" PRIu64 " bytes reserved, more filled",
                       w->path, w->written);
    ZM_TRY(seek_to(w, offset));
    ZM_TRY(zm_atomic_write(&w->file, data, bytes));
    return seek_to(w, w->written);
}

zm_status zm_st_writer_finish(zm_st_writer **w)
{
    zm_status st = ZM_OK;
    if (!(*w)->header_written)
        st = write_header(*w);
    if (st == ZM_OK && (*w)->written != (*w)->declared)
        st = ZM_FAIL(ZM_ERR_INTERNAL, "%s: %" PRIu64 " bytes declared, %" PRIu64 " given",
                     (*w)->path, (*w)->declared, (*w)->written);
    if (st == ZM_OK)
        st = zm_atomic_commit(&(*w)->file);
    zm_st_writer_abort(w);
    return st;
}

void zm_st_writer_abort(zm_st_writer **w)
{
    if (!*w)
        return;
    zm_atomic_abort(&(*w)->file);
    json_decref((*w)->header);
    json_decref((*w)->metadata);
    free((*w)->path);
    free(*w);
    *w = NULL;
}
