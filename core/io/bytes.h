// Files as bytes: atomic replacement, positioned reads, checksums, half floats.
#ifndef ZM_BYTES_H
#define ZM_BYTES_H

#include <stdio.h>

#include "core/base.h"

// A file that appears under its name only when everything was written, synced and closed.
// begin opens "PATH.tmp-PID" beside the target; commit: flush, fsync, close, rename,
// fsync of the directory; abort removes it. All errors are ZM_ERR_IO and name the path.
typedef struct zm_atomic_file {
    FILE *f;
    char *path;
    char *temp;
    struct zm_temp *listed; // NULL = not known to zm_atomic_discard_all
} zm_atomic_file;
zm_status zm_atomic_begin(const char *path, zm_atomic_file *file);
zm_status zm_atomic_commit(zm_atomic_file *file); // frees also on failure
void zm_atomic_abort(zm_atomic_file *file);       // accepts a committed or empty one
zm_status zm_atomic_write(zm_atomic_file *file, const void *data, uint64_t size);

// Removes the temporary files of all files that are open. Only for a handler of a signal
// that ends the process (it is async-signal-safe): a later commit fails.
void zm_atomic_discard_all(void);

// The whole file, at most max_size bytes, into fresh memory with a NUL behind it.
zm_status zm_file_read(const char *path, uint64_t max_size, uint8_t **out,
                       uint64_t *size);

// mkdir -p. ZM_ERR_IO names the part that failed.
zm_status zm_make_dirs(const char *path);

// SHA-256 of a file as 64 hex digits and a NUL.
zm_status zm_file_sha256(const char *path, char out[65]);

float zm_f16_to_f32(uint16_t h);
uint16_t zm_f32_to_f16(float f); // round to nearest even

#endif
