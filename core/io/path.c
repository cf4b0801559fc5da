#include "core/io/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// The end of text that is as long as suffix, or NULL.
static const char *end_of(const char *text, const char *suffix)
{
    const size_t n = strlen(text), m = strlen(suffix);
    return n >= m ? text + n - m : NULL;
}

bool zm_has_suffix(const char *text, const char *suffix)
{
    const char *end = end_of(text, suffix);
    return end && strcmp(end, suffix) == 0;
}

bool zm_has_extension(const char *path, const char *extension)
{
    const char *end = end_of(path, extension);
    return end && strcasecmp(end, extension) == 0;
}

char *zm_path_join(const char *directory, const char *name)
{
    const size_t n = strlen(directory);
    const char *slash = n > 0 && directory[n - 1] == '/' ? "" : "/";
    const size_t size = n + strlen(slash) + strlen(name) + 1;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s%s%s", directory, slash, name);
    return path;
}
