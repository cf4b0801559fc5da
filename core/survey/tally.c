#include "core/survey/tally.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

void zm_tally_add(zm_tally *tally, const zm_log *log, const char *fmt, ...)
{
    char message[512];
    va_list args;
    if (tally->count++ >= ZM_TALLY_SHOWN)
        return;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    zm_log_write(log, ZM_LOG_WARN, "%s", message);
}

void zm_tally_finish(const zm_tally *tally, const zm_log *log)
{
    if (tally->count > ZM_TALLY_SHOWN)
        zm_log_write(log, ZM_LOG_WARN, "... %" PRIu64 " %s in all", tally->count,
                     tally->what);
}
