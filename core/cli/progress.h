// A progress line on stderr with rate and time left: rewritten in place on a terminal, a
// line every ten seconds elsewhere (also with TERM=dumb or NO_COLOR), nothing when quiet.
#ifndef ZM_PROGRESS_H
#define ZM_PROGRESS_H

#include "core/base.h"

typedef struct zm_progress {
    const char *what; // "simulate"
    const char *unit; // "cutouts"
    uint64_t first, total, done;
    double start_s, shown_s;
    bool quiet, rewrite, shown;
    char note[64]; // the last one
} zm_progress;

// Starts the clock. first is what was done before (a resumed run), for the rate.
zm_progress zm_progress_init(const char *what, const char *unit, uint64_t first,
                             uint64_t total, bool quiet);

// Says how far it is; draws at most a few times a second. note ("loss 0.123") may be
// NULL.
void zm_progress_set(zm_progress *progress, uint64_t done, const char *note);

// Draws the last state and note, with the time taken, and ends the line.
void zm_progress_finish(zm_progress *progress);

// Clears a line being rewritten so that something else can be printed.
void zm_progress_break(void);

#endif
