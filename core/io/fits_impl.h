// What the FITS files share: the scan of a file and the way to the decoding child.
#ifndef ZM_FITS_IMPL_H
#define ZM_FITS_IMPL_H

#include <fitsio.h>

#include "core/io/fits.h"

enum { ZM_FITS_BLOCK = 2880, ZM_FITS_CARD = 80 };

struct zm_fits {
    char *path; // as the caller named it
    fitsfile *f;
    void *memory; // the decoded file, or NULL
    size_t memory_size;
    zm_fits_list list;
};

// Blocks of 2880 bytes that hold size bytes.
uint64_t zm_fits_blocks(uint64_t size);

// Lists the HDUs of an open file descriptor.
zm_status zm_fits_scan_fd(const char *label, int fd, uint64_t size, zm_fits_list *out);

// Largest decoded size that is accepted for a compressed file of that size: 50 times as
// much, at least 64 MiB and at most 1 GiB.
uint64_t zm_fits_decoded_limit(uint64_t compressed_size);

// Runs the helper on a file and returns the plain FITS file that it makes of it. The
// child is limited in memory, processor time and wall-clock time; its death is an error.
// Zeros follow the data up to the end of the block, and one block more.
zm_status zm_fits_decode(const char *path, const char *helper, uint64_t file_size,
                         uint8_t **out, uint64_t *size);

// Unpacks a file that is packed as a whole into fresh memory; any other leaves *out NULL.
// Errors: damaged, truncated, larger than limit bytes.
// Zeros follow the data up to the end of the block, and one block more.
zm_status zm_fits_unpack(const char *path, uint64_t limit, uint8_t **out, uint64_t *size);

// What the helper sends: this head, the payload, then its XXH64.
#define ZM_FITS_REPLY_MAGIC UINT64_C(0x31535449465a4d5a)
typedef struct zm_fits_reply {
    uint64_t magic;
    uint32_t is_error; // payload is a message, not a file
    uint32_t status;   // zm_status of the error
    uint64_t size;
} zm_fits_reply;

// Seconds of processor time that the child may use for a file of that size.
uint32_t zm_fits_cpu_limit_s(uint64_t compressed_size);

// A string value, 'it''s', without its quotes and trailing blanks; any other value leaves
// out untouched.
void zm_fits_unquote(const char *value, char out[ZM_FITS_TEXT]);

// Replaces what is not printable ASCII: messages quote hostile files.
void zm_fits_printable(char *text);

// cfitsio's message for a status; clears its stack of messages.
const char *zm_fits_message(int status, char out[FLEN_ERRMSG]);

#endif
