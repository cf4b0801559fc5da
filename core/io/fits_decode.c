// The parent's side of decoding compressed FITS: starts the helper, limits and judges it.
#include "core/io/fits_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <xxhash.h>

extern char **environ;

uint64_t zm_fits_decoded_limit(uint64_t compressed_size)
{
    const uint64_t floor_bytes = UINT64_C(64) << 20;
    const uint64_t ceiling_bytes = UINT64_C(1) << 30;
    const uint64_t ratio = 50;
    uint64_t limit;
    if (!zm_mul_u64(compressed_size, ratio, &limit))
        limit = ceiling_bytes;
    return ZM_MIN(ZM_MAX(limit, floor_bytes), ceiling_bytes);
}

uint32_t zm_fits_cpu_limit_s(uint64_t compressed_size)
{
    return 10 + (uint32_t)ZM_MIN(compressed_size >> 20, 300);
}

typedef struct decoder {
    const char *path;
    pid_t pid;
    int fd;
    int64_t deadline_ms;
    bool timed_out;
} decoder;

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static zm_status start(const char *helper, decoder *d)
{
    int ends[2];
    if (pipe(ends) != 0)
        return ZM_FAIL(ZM_ERR_IO, "%s: no pipe to decode it: %s", d->path,
                       strerror(errno));
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    char *const argv[] = {(char *)(uintptr_t)helper, "--fits-helper",
                          (char *)(uintptr_t)d->path, NULL};
    const int error = posix_spawn(&d->pid, helper, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (error != 0) {
        close(ends[0]);
        return ZM_FAIL(ZM_ERR_IO, "%s: cannot start the decoder %s: %s", d->path, helper,
                       strerror(error));
    }
    d->fd = ends[0];
    return ZM_OK;
}

// Reads exactly size bytes; false on end, error or deadline.
static bool receive(decoder *d, void *out, uint64_t size)
{
    uint8_t *p = out;
    while (size != 0) {
        const int64_t left = d->deadline_ms - now_ms();
        struct pollfd wait = {.fd = d->fd, .events = POLLIN};
        const int ready = left <= 0 ? 0 : poll(&wait, 1, (int)ZM_MIN(left, 1000000));
        if (ready == 0 && d->deadline_ms - now_ms() <= 0) {
            d->timed_out = true;
            return false;
        }
        if (ready <= 0) {
            if (ready < 0 && errno != EINTR)
                return false;
            continue;
        }
        const ssize_t n = read(d->fd, p, (size_t)ZM_MIN(size, UINT64_C(1) << 20));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        size -= (uint64_t)n;
    }
    return true;
}

// Ends the child in any case and says how it ended.
static int stop(decoder *d, bool kill_it)
{
    int result = 0;
    close(d->fd);
    if (kill_it)
        kill(d->pid, SIGKILL);
    while (waitpid(d->pid, &result, 0) < 0)
        if (errno != EINTR)
            return -1;
    return result;
}

static zm_status receive_payload(decoder *d, uint64_t limit, zm_fits_reply *head,
                                 uint8_t **out, bool *complete)
{
    uint64_t sum = 0;
    *complete = false;
    if (!receive(d, head, sizeof *head) || head->magic != ZM_FITS_REPLY_MAGIC)
        return ZM_OK;
    if (head->size == 0 || head->size > limit)
        return ZM_OK;
    // cfitsio reads memory in whole blocks, whatever size it was told
    uint8_t *data = zm_calloc(zm_fits_blocks(head->size) + 1, ZM_FITS_BLOCK);
    if (!data)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for %" PRIu64 " decoded bytes",
                       d->path, head->size);
    if (receive(d, data, head->size) && receive(d, &sum, sizeof sum) &&
        XXH64(data, (size_t)head->size, 0) == sum)
        *complete = true;
    *out = data;
    return ZM_OK;
}

static zm_status judge(const decoder *d, int result, bool complete, const char *message,
                       uint32_t status)
{
    if (d->timed_out)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: damaged compressed FITS (decoder was too slow)", d->path);
    if (result >= 0 && WIFSIGNALED(result) && WTERMSIG(result) == SIGXCPU)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: damaged compressed FITS (decoder used too much time)",
                       d->path);
    if (result >= 0 && WIFSIGNALED(result))
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: damaged compressed FITS (decoder died with signal %d)",
                       d->path, WTERMSIG(result));
    if (complete && message)
        return ZM_FAIL(status == ZM_ERR_IO ? ZM_ERR_IO : ZM_ERR_FORMAT, "%s: %s", d->path,
                       message);
    if (!complete || result != 0)
        return ZM_FAIL(
            ZM_ERR_FORMAT, "%s: damaged compressed FITS (decoder failed with status %d)",
            d->path, result >= 0 && WIFEXITED(result) ? WEXITSTATUS(result) : -1);
    return ZM_OK;
}

zm_status zm_fits_decode(const char *path, const char *helper, uint64_t file_size,
                         uint8_t **out, uint64_t *size)
{
    decoder d = {.path = path};
    zm_fits_reply head = {0};
    uint8_t *data = NULL;
    bool complete = false;
    if (!helper)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: compressed FITS, and no decoder is given; unpack it first",
                       path);
    // Wall-clock time is for a child that sleeps: a busy machine must not be an error.
    d.deadline_ms = now_ms() + (int64_t)zm_fits_cpu_limit_s(file_size) * 6000;
    ZM_TRY(start(helper, &d));
    zm_status st =
        receive_payload(&d, zm_fits_decoded_limit(file_size), &head, &data, &complete);
    const int result = stop(&d, !complete && (st != ZM_OK || d.timed_out));
    if (complete && head.is_error)
        zm_fits_printable((char *)data);
    if (st == ZM_OK)
        st = judge(&d, result, complete, head.is_error ? (const char *)data : NULL,
                   head.status);
    if (st != ZM_OK) {
        free(data);
        return st;
    }
    *out = data;
    *size = head.size;
    return ZM_OK;
}
