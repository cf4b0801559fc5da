// Zip archives through libzip: what npz and PyTorch files are. Everything read is
// untrusted: names that leave the archive, encrypted entries, entries that overlap or
// claim more than they can hold, and archives beyond the limits are refused.
#ifndef ZM_ZIP_H
#define ZM_ZIP_H

#include "core/base.h"

typedef struct zm_zip zm_zip;

typedef struct zm_zip_entry {
    const char *name;
    uint64_t size;  // bytes, unpacked
    bool stored;    // not compressed: can be read at random
    uint64_t index; // in the archive
    uint32_t crc;   // CRC-32 of what is unpacked
} zm_zip_entry;

// True where a file begins as zip archives do (4 bytes are enough).
bool zm_zip_is_zip(const uint8_t *data, uint64_t size);

// Errors: ZM_ERR_IO, ZM_ERR_FORMAT, ZM_ERR_MEMORY. More than 100,000 entries, names of
// more than 512 bytes, with "..", absolute or twice, and encryption are ZM_ERR_FORMAT.
zm_status zm_zip_open(const char *path, zm_zip **out);

// The same for an archive in memory, which must stay where it is; label stands in
// messages.
zm_status zm_zip_open_memory(const char *label, const uint8_t *data, uint64_t size,
                             zm_zip **out);
void zm_zip_close(zm_zip **zip);

uint64_t zm_zip_count(const zm_zip *zip);
const zm_zip_entry *zm_zip_at(const zm_zip *zip, uint64_t i);
const zm_zip_entry *zm_zip_find(const zm_zip *zip, const char *name); // or NULL

// A small entry whole, in fresh memory with a NUL behind it; ZM_ERR_FORMAT where it is
// larger than max_size or damaged (CRC).
zm_status zm_zip_read(zm_zip *zip, const zm_zip_entry *entry, uint64_t max_size,
                      uint8_t **out);

// A large entry, piece by piece. Stored entries may be read at any offset, deflated ones
// only forwards (ZM_ERR_USAGE else). Memory does not grow with the entry.
typedef struct zm_zip_stream zm_zip_stream;
zm_status zm_zip_stream_open(zm_zip *zip, const zm_zip_entry *entry, zm_zip_stream **out);
zm_status zm_zip_stream_read(zm_zip_stream *stream, uint64_t offset, uint64_t size,
                             void *out);
void zm_zip_stream_close(zm_zip_stream **stream);

#endif
