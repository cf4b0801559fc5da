// Warnings of one kind that may come by the thousand: the first few are written, the rest
// counted.
#ifndef ZM_TALLY_H
#define ZM_TALLY_H

#include "core/base.h"

enum { ZM_TALLY_SHOWN = 20 };

typedef struct zm_tally {
    const char *what; // plural: "rows without a position"
    uint64_t count;
} zm_tally;

// Counts one and warns of it while there were few.
void zm_tally_add(zm_tally *tally, const zm_log *log, const char *fmt, ...)
    ZM_PRINTF(3, 4);

// Says how many were not shown.
void zm_tally_finish(const zm_tally *tally, const zm_log *log);

#endif
