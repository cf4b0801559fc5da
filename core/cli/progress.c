#include "core/cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool line_open; // stderr has one cursor, whoever writes to it

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool can_rewrite(void)
{
    const char *term = getenv("TERM");
    const char *no_color = getenv("NO_COLOR");
    return isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0 &&
           !(no_color && *no_color);
}

static void format_time(double seconds, char *out, size_t size)
{
    const unsigned long s = seconds > 0 ? (unsigned long)(seconds + 0.5) : 0;
    if (s >= 3600)
        snprintf(out, size, "%luh%02lum", s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf(out, size, "%lum%02lus", s / 60, s % 60);
    else
        snprintf(out, size, "%lus", s);
}

zm_progress zm_progress_init(const char *what, const char *unit, uint64_t first,
                             uint64_t total, bool quiet)
{
    const double now = now_s();
    return (zm_progress){.what = what,
                         .unit = unit,
                         .first = first,
                         .done = first,
                         .total = total,
                         .start_s = now,
                         .shown_s = now,
                         .quiet = quiet,
                         .rewrite = can_rewrite()};
}

static void draw(zm_progress *p, bool last)
{
    const double elapsed = now_s() - p->start_s;
    const double rate = elapsed > 0 ? (double)(p->done - p->first) / elapsed : 0;
    char time_text[32];
    if (last)
        format_time(elapsed, time_text, sizeof time_text);
    else
        format_time(rate > 0 ? (double)(p->total - p->done) / rate : 0, time_text,
                    sizeof time_text);
    fprintf(stderr, "%s%s: %" PRIu64 "/%" PRIu64 " %s, %.*f/s, %s%s%s%s%s",
            p->rewrite ? "\r\033[K" : "", p->what, p->done, p->total, p->unit,
            rate < 10 ? 2 : 0, rate, last ? "took " : "", time_text, last ? "" : " left",
            *p->note ? ", " : "", p->note);
    if (last || !p->rewrite)
        fputc('\n', stderr);
    line_open = p->rewrite && !last;
    fflush(stderr);
    p->shown = true;
}

void zm_progress_set(zm_progress *p, uint64_t done, const char *note)
{
    p->done = ZM_MIN(done, p->total);
    snprintf(p->note, sizeof p->note, "%s", note ? note : "");
    if (p->quiet || p->done == p->total) // finish has the last word
        return;
    const double now = now_s();
    if (now - p->shown_s < (p->rewrite ? 0.2 : 10.0))
        return;
    p->shown_s = now;
    draw(p, false);
}

void zm_progress_finish(zm_progress *p)
{
    if (!p->quiet)
        draw(p, true);
}

void zm_progress_break(void)
{
    if (line_open)
        fputs("\r\033[K", stderr);
    line_open = false;
}
