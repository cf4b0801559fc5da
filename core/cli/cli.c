#include "core/cli/cli.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cli/progress.h"
#include "core/io/bytes.h"
#include "core/io/path.h"

static volatile sig_atomic_t caught; // a handler can reach nothing but a global

static void end_by_signal(int number)
{
    zm_atomic_discard_all();
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigaction(number, &action, NULL);
    raise(number); // is blocked until this handler returns, and then ends the process
}

static void ask_to_stop(int number)
{
    if (caught)
        end_by_signal(number);
    caught = number;
}

static void handle(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

void zm_cli_clean_on_signals(void)
{
    static const int ending[] = {SIGHUP, SIGINT, SIGTERM};
    for (size_t i = 0; i < ZM_COUNT_OF(ending); i++) {
        struct sigaction before;
        if (sigaction(ending[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            handle(ending[i], end_by_signal);
    }
    handle(SIGXFSZ, SIG_IGN); // the write fails with EFBIG, which is reported
}

void zm_cli_catch_signals(void)
{
    handle(SIGINT, ask_to_stop);
    handle(SIGTERM, ask_to_stop);
}

bool zm_cli_stop_requested(void)
{
    return caught != 0;
}

int zm_cli_exit(zm_status status)
{
    if (status == ZM_OK || status == ZM_PENDING)
        return 0;
    zm_progress_break();
    const char *detail = zm_error_detail();
    fprintf(stderr, "zmae: %s: %s\n", status == ZM_ERR_INTERRUPTED ? "stopped" : "error",
            *detail ? detail : zm_status_name(status));
    if (status == ZM_ERR_INTERRUPTED && caught == SIGTERM)
        return 143;
    return zm_status_exit(status);
}

// user: the highest level that is written
static void write_log(void *user, zm_log_level level, const char *message)
{
    const zm_log_level *highest = user;
    if (level > *highest)
        return;
    zm_progress_break();
    fprintf(stderr, "zmae: %s%s\n", level == ZM_LOG_WARN ? "warning: " : "", message);
}

void zm_cli_check_name(const zm_log *log, const char *path, const char *const *extensions,
                       const char *format)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (strncmp(path, "/dev/", 5) == 0 || !strchr(name, '.'))
        return;
    for (size_t i = 0; extensions[i]; i++)
        if (zm_has_extension(name, extensions[i]))
            return;
    zm_log_write(log, ZM_LOG_WARN, "%s: is written as %s, whatever its name says", path,
                 format);
}

void zm_cli_check_dataset_name(const zm_log *log, const char *path)
{
    static const char *const names[] = {".fits", ".safetensors", NULL};
    zm_cli_check_name(log, path, names, "safetensors");
}

zm_log zm_cli_log(const zm_common *common)
{
    static zm_log_level info = ZM_LOG_INFO, debug = ZM_LOG_DEBUG; // only read
    if (common->quiet)
        return (zm_log){0};
    return (zm_log){write_log, common->verbose ? &debug : &info};
}

static const char *cache_dir(char *out, size_t size)
{
    const char *base = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    int n = -1;
    if (base && base[0] == '/')
        n = snprintf(out, size, "%s/zmae", base);
    else if (home && home[0] == '/')
        n = snprintf(out, size, "%s/.cache/zmae", home);
    return n > 0 && (size_t)n < size ? out : NULL;
}

zm_status zm_cli_open_gpu(const zm_common *common, zm_gpu **out)
{
    if (strcmp(common->precision, "f32") != 0)
        return ZM_FAIL(ZM_ERR_USAGE, "--precision %s: there is only f32 yet",
                       common->precision);
    char cache[4096];
    const zm_gpu_params params = {.threads = common->threads,
                                  .cache_dir = cache_dir(cache, sizeof cache),
                                  .log = zm_cli_log(common)};
    ZM_TRY(zm_gpu_open(common->device, &params, out));
    const zm_caps *caps = zm_gpu_caps(*out);
    if (caps->threads > 0)
        zm_log_write(&params.log, ZM_LOG_DEBUG, "%s: %u threads", caps->name,
                     (unsigned)caps->threads);
    return ZM_OK;
}

const char *zm_cli_helper(void)
{
    static char path[4096]; // filled once, the same for the whole process
    if (!path[0]) {
        const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
        path[n > 0 ? n : 0] = '\0';
    }
    return path[0] ? path : NULL;
}
