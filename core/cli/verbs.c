#include "core/cli/verbs.h"

#include <string.h>

// verbs.def has a line ZM_VERB(NAME) for every cmd_NAME.c; CMake writes it.
#define ZM_VERB(name) extern const zm_verb zm_verb_##name;
#include "verbs.def"
#undef ZM_VERB

static const zm_verb *const verbs[] = {
#define ZM_VERB(name) &zm_verb_##name,
#include "verbs.def"
#undef ZM_VERB
};

static const zm_exit exits[] = {
    {"0", "ok"},
    {"1", "a check failed"},
    {"2", "usage"},
    {"3", "bad input data (the output is complete for the rest)"},
    {"4", "I/O, disk full included"},
    {"5", "out of memory, of host or device"},
    {"6", "no usable device"},
    {"7", "device lost; the checkpoint is valid"},
    {"8", "internal error"},
    {"130, 143", "stopped by SIGINT or SIGTERM; training has written a checkpoint"},
};

size_t zm_verb_count(void)
{
    return ZM_COUNT_OF(verbs);
}

const zm_verb *zm_verb_at(size_t i)
{
    return verbs[i];
}

const zm_verb *zm_verb_find(const char *name)
{
    for (size_t i = 0; i < ZM_COUNT_OF(verbs); i++)
        if (strcmp(name, verbs[i]->name) == 0)
            return verbs[i];
    return NULL;
}

size_t zm_exit_count(void)
{
    return ZM_COUNT_OF(exits);
}

const zm_exit *zm_exit_at(size_t i)
{
    return &exits[i];
}
