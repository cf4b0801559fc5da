#include "core/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DETAIL_BYTES = 1024 };
static _Thread_local char detail[DETAIL_BYTES];

zm_status zm_fail(zm_status status, const char *file, int line, const char *fmt, ...)
{
    (void)file; // kept in the signature for debuggers: break on zm_fail shows the origin
    (void)line;
    char message[DETAIL_BYTES]; // an argument may be the present detail itself
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    memcpy(detail, message, sizeof detail);
    return status;
}

const char *zm_error_detail(void)
{
    return detail;
}

zm_status zm_error_context(zm_status status, const char *fmt, ...)
{
    if (status == ZM_OK || status == ZM_PENDING)
        return status;
    char prefix[DETAIL_BYTES / 2];
    char old[DETAIL_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(prefix, sizeof prefix, fmt, args);
    va_end(args);
    const size_t length = strlen(prefix); // the message may name the file already
    if (strncmp(detail, prefix, length) == 0 && detail[length] == ':')
        return status;
    memcpy(old, detail, sizeof old);
    const int written = snprintf(detail, sizeof detail, "%s: ", prefix);
    const size_t used = written < 0 ? 0 : ZM_MIN((size_t)written, sizeof detail - 1);
    snprintf(detail + used, sizeof detail - used, "%.*s", (int)(DETAIL_BYTES - used - 1),
             old);
    return status;
}

const char *zm_status_name(zm_status status)
{
    switch (status) {
    case ZM_OK:
        return "ok";
    case ZM_PENDING:
        return "pending";
    case ZM_ERR_USAGE:
        return "usage error";
    case ZM_ERR_FORMAT:
        return "bad input data";
    case ZM_ERR_SHAPE:
        return "shapes do not fit";
    case ZM_ERR_IO:
        return "input/output error";
    case ZM_ERR_MEMORY:
        return "out of memory";
    case ZM_ERR_DEVICE:
        return "no usable device";
    case ZM_ERR_LOST:
        return "device lost";
    case ZM_ERR_INTERNAL:
        return "internal error";
    case ZM_ERR_INTERRUPTED:
        return "interrupted";
    }
    return "unknown status";
}

int zm_status_exit(zm_status status)
{
    switch (status) {
    case ZM_OK:
    case ZM_PENDING:
        return 0;
    case ZM_ERR_USAGE:
        return 2;
    case ZM_ERR_FORMAT:
    case ZM_ERR_SHAPE:
        return 3;
    case ZM_ERR_IO:
        return 4;
    case ZM_ERR_MEMORY:
        return 5;
    case ZM_ERR_DEVICE:
        return 6;
    case ZM_ERR_LOST:
        return 7;
    case ZM_ERR_INTERNAL:
        return 8;
    case ZM_ERR_INTERRUPTED:
        return 130;
    }
    return 8;
}

void zm_log_write(const zm_log *log, zm_log_level level, const char *fmt, ...)
{
    if (!log || !log->write)
        return;
    char message[DETAIL_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    log->write(log->user, level, message);
}

bool zm_mul_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    if (a != 0 && b > UINT64_MAX / a)
        return false;
    *out = a * b;
    return true;
}

bool zm_add_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    if (b > UINT64_MAX - a)
        return false;
    *out = a + b;
    return true;
}

void *zm_calloc(uint64_t count, uint64_t size)
{
    uint64_t bytes;
    if (!zm_mul_u64(count, size, &bytes) || bytes == 0 || bytes > SIZE_MAX / 2)
        return NULL;
    return calloc(1, (size_t)bytes);
}

char *zm_strdup(const char *s)
{
    const size_t n = strlen(s) + 1;
    char *copy = malloc(n);
    if (copy)
        memcpy(copy, s, n);
    return copy;
}
