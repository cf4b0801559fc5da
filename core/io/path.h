// Names of files as text.
#ifndef ZM_PATH_H
#define ZM_PATH_H

#include "core/base.h"

// Whether the text ends so, byte by byte (names of tensors).
bool zm_has_suffix(const char *text, const char *suffix);

// Whether the file name ends so, whatever the case of ASCII letters: "A.FITS", ".fits".
bool zm_has_extension(const char *path, const char *extension);

// "DIRECTORY/NAME" in fresh memory, or NULL. One slash, also where the directory ends in
// one.
char *zm_path_join(const char *directory, const char *name);

#endif
