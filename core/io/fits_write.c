// Binary tables: cfitsio writes beside the target, a rename publishes.
#include "core/io/fits_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/io/bytes.h"

enum { MAX_FIELDS = 999 };

struct zm_fits_writer {
    zm_atomic_file file;
    char *path;
    fitsfile *f;
    void *memory; // where the target cannot be replaced (a device or pipe)
    size_t memory_size;
    uint64_t rows;
    uint32_t field_count;
};

static zm_status write_failure(const zm_fits_writer *w, int status)
{
    char text[FLEN_ERRMSG];
    const int error = errno;
    const zm_status st = status == MEMORY_ALLOCATION ? ZM_ERR_MEMORY : ZM_ERR_IO;
    return ZM_FAIL(st, "%s: cannot write: %s%s%s", w->path, zm_fits_message(status, text),
                   status == WRITE_ERROR && error ? ": " : "",
                   status == WRITE_ERROR && error ? strerror(error) : "");
}

static zm_status create_file(zm_fits_writer *w)
{
    int status = 0;
    errno = 0;
    if (!w->file.temp) {
        w->memory_size = ZM_FITS_BLOCK;
        w->memory = malloc(w->memory_size);
        if (!w->memory)
            return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to write it", w->path);
        fits_create_memfile(&w->f, &w->memory, &w->memory_size, 1 << 20, realloc,
                            &status);
    } else if (strlen(w->file.temp) >= FLEN_FILENAME - 1 || w->file.temp[0] != '/') {
        return ZM_FAIL(ZM_ERR_IO, "%s: name is too long", w->path);
    } else {
        unlink(w->file.temp); // cfitsio wants to create it itself
        fits_create_diskfile(&w->f, w->file.temp, &status);
    }
    return status ? write_failure(w, status) : ZM_OK;
}

static zm_status create_primary(zm_fits_writer *w)
{
    int status = 0;
    LONGLONG no_axes = 0;
    fits_create_imgll(w->f, BYTE_IMG, 0, &no_axes, &status);
    return status ? write_failure(w, status) : ZM_OK;
}

static zm_status create_table(zm_fits_writer *w, const char *extname, uint64_t rows,
                              const zm_fits_field *fields, uint32_t field_count)
{
    int status = 0;
    if (field_count > MAX_FIELDS || rows > INT64_MAX)
        return ZM_FAIL(ZM_ERR_USAGE, "%s: expected at most %d columns", w->path,
                       MAX_FIELDS);
    w->rows = rows;
    w->field_count = field_count;
    fits_create_tbl(w->f, BINARY_TBL, 0, 0, NULL, NULL, NULL, extname, &status);
    for (uint32_t i = 0; i < w->field_count; i++) {
        const int column = (int)i + 1;
        char key[FLEN_KEYWORD];
        fits_insert_col(w->f, column, (char *)(uintptr_t)fields[i].name,
                        (char *)(uintptr_t)fields[i].form, &status);
        if (fields[i].unit) {
            snprintf(key, sizeof key, "TUNIT%d", column);
            fits_write_key_str(w->f, key, fields[i].unit, NULL, &status);
        }
        if (fields[i].dim) {
            snprintf(key, sizeof key, "TDIM%d", column);
            fits_write_key_str(w->f, key, fields[i].dim, NULL, &status);
        }
    }
    return status ? write_failure(w, status) : ZM_OK;
}

// The temporary name must be absolute, see fits.c; this makes the path so.
static zm_status begin_absolute(const char *path, zm_atomic_file *file)
{
    if (path[0] == '/')
        return zm_atomic_begin(path, file);
    char directory[FLEN_FILENAME];
    char absolute[2 * FLEN_FILENAME];
    if (strlen(path) >= FLEN_FILENAME || !getcwd(directory, sizeof directory))
        return ZM_FAIL(ZM_ERR_IO, "%s: name is too long", path);
    snprintf(absolute, sizeof absolute, "%s/%s", directory, path);
    return zm_atomic_begin(absolute, file);
}

zm_status zm_fits_writer_create(const char *path, const char *extname, uint64_t rows,
                                const zm_fits_field *fields, uint32_t field_count,
                                zm_fits_writer **out)
{
    zm_fits_writer *w = calloc(1, sizeof *w);
    if (!w || !(w->path = zm_strdup(path))) {
        free(w);
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to write it", path);
    }
    zm_status st = begin_absolute(path, &w->file);
    if (st == ZM_OK)
        st = create_file(w);
    if (st == ZM_OK)
        st = create_primary(w);
    if (st == ZM_OK)
        st = create_table(w, extname, rows, fields, field_count);
    if (st != ZM_OK) {
        zm_fits_writer_abort(&w);
        return st;
    }
    *out = w;
    return ZM_OK;
}

zm_status zm_fits_writer_string(zm_fits_writer *w, const char *key, const char *value,
                                const char *comment)
{
    int status = 0;
    fits_update_key_longstr(w->f, key, value, comment, &status);
    return status ? write_failure(w, status) : ZM_OK;
}

zm_status zm_fits_writer_f64(zm_fits_writer *w, const char *key, double value,
                             const char *comment)
{
    int status = 0;
    fits_update_key_dbl(w->f, key, value, -15, comment, &status);
    return status ? write_failure(w, status) : ZM_OK;
}

zm_status zm_fits_writer_u64(zm_fits_writer *w, const char *key, uint64_t value,
                             const char *comment)
{
    int status = 0;
    if (value > INT64_MAX)
        return ZM_FAIL(ZM_ERR_SHAPE, "%s: %s is too large", w->path, key);
    fits_update_key_lng(w->f, key, (LONGLONG)value, comment, &status);
    return status ? write_failure(w, status) : ZM_OK;
}

zm_status zm_fits_writer_bool(zm_fits_writer *w, const char *key, bool value,
                              const char *comment)
{
    int status = 0;
    fits_update_key_log(w->f, key, value, comment, &status);
    return status ? write_failure(w, status) : ZM_OK;
}

zm_status zm_fits_writer_history(zm_fits_writer *w, const char *text)
{
    int status = 0;
    fits_write_history(w->f, text, &status);
    return status ? write_failure(w, status) : ZM_OK;
}

zm_status zm_fits_writer_cells(zm_fits_writer *w, uint32_t field, uint64_t first,
                               uint64_t rows, const void *data)
{
    int status = 0;
    int type = 0;
    uint64_t elements;
    LONGLONG repeat = 0;
    LONGLONG width = 0;
    if (field >= w->field_count || first > w->rows || rows > w->rows - first)
        return ZM_FAIL(ZM_ERR_INTERNAL, "%s: no such column or row", w->path);
    fits_get_coltypell(w->f, (int)field + 1, &type, &repeat, &width, &status);
    if (type == TSTRING)
        repeat = 1;
    if (!zm_mul_u64(rows, (uint64_t)repeat, &elements) || elements > INT64_MAX)
        return ZM_FAIL(ZM_ERR_SHAPE, "%s: too many rows", w->path);
    if (type == TLONG) // cfitsio's name of a 32-bit column is a 64-bit type here
        type = TINT;
    errno = 0;
    fits_write_col(w->f, type, (int)field + 1, (LONGLONG)first + 1, 1, (LONGLONG)elements,
                   (void *)(uintptr_t)data, &status);
    return status ? write_failure(w, status) : ZM_OK;
}

// fits_write_chksum puts the time into a comment; the same data must give the same bytes.
static void write_checksum(fitsfile *f, int *status)
{
    unsigned long data_sum = 0;
    unsigned long hdu_sum = 0;
    char text[FLEN_VALUE];
    fits_update_key_str(f, "CHECKSUM", "0000000000000000", "HDU checksum", status);
    fits_update_key_str(f, "DATASUM", "0", "data unit checksum", status);
    fits_set_hdustruc(f, status);
    fits_get_chksum(f, &data_sum, &hdu_sum, status);
    snprintf(text, sizeof text, "%lu", data_sum);
    fits_update_key_str(f, "DATASUM", text, "&", status);
    fits_get_chksum(f, &data_sum, &hdu_sum, status);
    fits_encode_chksum(hdu_sum, 1, text);
    fits_update_key_str(f, "CHECKSUM", text, "&", status);
}

static zm_status finish_table(zm_fits_writer *w)
{
    int status = 0;
    LONGLONG rows = 0;
    errno = 0;
    fits_get_num_rowsll(w->f, &rows, &status);
    if (status == 0 && (uint64_t)rows != w->rows)
        return ZM_FAIL(ZM_ERR_INTERNAL,
                       "%s: %" PRIu64 " rows declared, %" PRIu64 " given", w->path,
                       w->rows, (uint64_t)rows);
    write_checksum(w->f, &status);
    return status ? write_failure(w, status) : ZM_OK;
}

zm_status zm_fits_writer_table(zm_fits_writer *w, const char *extname, uint64_t rows,
                               const zm_fits_field *fields, uint32_t field_count)
{
    ZM_TRY(finish_table(w));
    return create_table(w, extname, rows, fields, field_count);
}

static zm_status finish_file(zm_fits_writer *w)
{
    int status = 0;
    LONGLONG end = 0;
    ZM_TRY(finish_table(w));
    errno = 0;
    fits_get_hduaddrll(w->f, NULL, NULL, &end, &status);
    fits_movabs_hdu(w->f, 1, NULL, &status);
    write_checksum(w->f, &status);
    if (status != 0)
        return write_failure(w, status);
    fits_close_file(w->f, &status);
    w->f = NULL;
    if (status != 0)
        return write_failure(w, status);
    if (!w->file.temp)
        return zm_atomic_write(&w->file, w->memory, (uint64_t)end);
    // cfitsio made a new file of that name: sync that one
    fclose(w->file.f);
    w->file.f = fopen(w->file.temp, "r+b");
    return w->file.f ? ZM_OK
                     : ZM_FAIL(ZM_ERR_IO, "%s: %s", w->file.temp, strerror(errno));
}

zm_status zm_fits_writer_finish(zm_fits_writer **w)
{
    zm_status st = finish_file(*w);
    if (st == ZM_OK)
        st = zm_atomic_commit(&(*w)->file);
    zm_fits_writer_abort(w);
    return st;
}

void zm_fits_writer_abort(zm_fits_writer **w)
{
    if (!*w)
        return;
    int status = 0;
    if ((*w)->f)
        fits_close_file((*w)->f, &status);
    if (status != 0)
        fits_clear_errmsg();
    zm_atomic_abort(&(*w)->file);
    free((*w)->memory);
    free((*w)->path);
    free(*w);
    *w = NULL;
}
