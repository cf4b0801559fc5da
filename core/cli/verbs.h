// The verbs, in the order of their files' names.
#ifndef ZM_VERBS_H
#define ZM_VERBS_H

#include "core/cli/cli.h"

size_t zm_verb_count(void);
const zm_verb *zm_verb_at(size_t i);
const zm_verb *zm_verb_find(const char *name); // NULL = there is none

// What an exit status means: 0 <= i < zm_exit_count().
typedef struct zm_exit {
    const char *status;
    const char *meaning;
} zm_exit;
size_t zm_exit_count(void);
const zm_exit *zm_exit_at(size_t i);

#endif
