// One array of an npz archive, read piece by piece: what numpy.savez writes.
#ifndef ZM_NPZ_H
#define ZM_NPZ_H

#include "core/io/npy.h"
#include "core/io/zip.h"

typedef struct zm_npz_array {
    char *label; // "archive: entry", for messages
    zm_npy npy;
    bool stored; // elements can be read in any order, else only forwards
    zm_zip_stream *stream;
    uint64_t size, checked; // bytes of the entry, and of its begin that went into crc
    uint32_t crc, expected_crc;
} zm_npz_array;

// Opens the array called name ("labels" is the entry labels.npy). An absent one is no
// error: *out is NULL.
//   path   of the archive, for messages
// Errors: those of zm_npy_parse; Fortran order is ZM_ERR_FORMAT.
zm_status zm_npz_array_open(zm_zip *zip, const char *path, const char *name,
                            zm_npz_array **out);
void zm_npz_array_close(zm_npz_array **array);

// Reads elements [first, first + count) as they are stored: count * npy.item_size bytes.
zm_status zm_npz_array_read(zm_npz_array *array, uint64_t first, uint64_t count,
                            uint8_t *out);

// ZM_ERR_FORMAT where all of a stored array was read, in order, and its checksum is not
// that of the archive. (A compressed one is checked by its stream.)
zm_status zm_npz_array_verify(const zm_npz_array *array);

#endif
