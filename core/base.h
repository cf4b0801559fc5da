// Status codes, error detail, checked sizes and allocation: what every other file
// includes.
#ifndef ZM_BASE_H
#define ZM_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZM_VERSION "0.1.0"
#define ZM_BANDS   5 // u g r i z, in this order everywhere

// What a call can end in. The command line maps these to exit statuses (zm_status_exit).
typedef enum zm_status {
    ZM_OK = 0,
    ZM_PENDING,    // not an error: the answer is not there yet (zm_gpu_ready)
    ZM_ERR_USAGE,  // the caller asked for something contradictory
    ZM_ERR_FORMAT, // a file's contents are wrong
    ZM_ERR_SHAPE,  // two things do not fit each other (model and data, tensor and tensor)
    ZM_ERR_IO,     // the operating system refused: missing, unreadable, disk full
    ZM_ERR_MEMORY, // out of host or device memory
    ZM_ERR_DEVICE, // no usable device
    ZM_ERR_LOST,   // the device was lost; final for that zm_gpu
    ZM_ERR_INTERNAL,    // a bug in zmae
    ZM_ERR_INTERRUPTED, // a signal asked to stop; state was saved
} zm_status;

#if defined(__GNUC__) || defined(__clang__)
#define ZM_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define ZM_PRINTF(fmt, args)
#endif

// Remembers the message as this thread's error detail and returns status:
//   return ZM_FAIL(ZM_ERR_IO, "%s: %s", path, strerror(errno));
// A message names the file (HDU, tensor, row), what was expected and what was found.
#define ZM_FAIL(status, ...) zm_fail((status), __FILE__, __LINE__, __VA_ARGS__)

// Returns from the calling function when the expression is not ZM_OK.
#define ZM_TRY(expr)                                                                     \
    do {                                                                                 \
        const zm_status zm_try_status_ = (expr);                                         \
        if (zm_try_status_ != ZM_OK)                                                     \
            return zm_try_status_;                                                       \
    } while (0)

zm_status zm_fail(zm_status status, const char *file, int line, const char *fmt, ...)
    ZM_PRINTF(4, 5);

// The last message of this thread, "" when there was none; valid until the next failure.
const char *zm_error_detail(void);

// Puts "context: " in front of this thread's detail (once per level, as it travels up;
// not again where the detail begins with it)
// and returns status unchanged. Does nothing for ZM_OK.
zm_status zm_error_context(zm_status status, const char *fmt, ...) ZM_PRINTF(2, 3);

// A short English name of the status ("bad file format").
const char *zm_status_name(zm_status status);

// The process exit status that docs and scripts rely on: 0 ok, 2 usage, 3 bad input,
// 4 I/O, 5 memory, 6 no device, 7 device lost, 8 internal, 130 interrupted.
int zm_status_exit(zm_status status);

// Receives progress and warnings; user is passed through. A NULL function drops them.
typedef enum zm_log_level { ZM_LOG_WARN, ZM_LOG_INFO, ZM_LOG_DEBUG } zm_log_level;
typedef struct zm_log {
    void (*write)(void *user, zm_log_level level, const char *message);
    void *user;
} zm_log;
void zm_log_write(const zm_log *log, zm_log_level level, const char *fmt, ...)
    ZM_PRINTF(3, 4);

// a * b and a + b with overflow check; false (and *out untouched) on overflow.
bool zm_mul_u64(uint64_t a, uint64_t b, uint64_t *out);
bool zm_add_u64(uint64_t a, uint64_t b, uint64_t *out);

// count * size zeroed bytes, or NULL when that overflows, is zero, or memory is out.
void *zm_calloc(uint64_t count, uint64_t size);

// A heap copy of a string, or NULL.
char *zm_strdup(const char *s);

#define ZM_MIN(a, b)   ((a) < (b) ? (a) : (b))
#define ZM_MAX(a, b)   ((a) > (b) ? (a) : (b))
#define ZM_COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

#endif
