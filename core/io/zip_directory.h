// Where the entries of a zip archive lie: the end record, the central directory and every
// local header, read and checked against each other. libzip does not tell offsets, and
// they are what random access and the search for overlapping entries need.
// Source: PKWARE APPNOTE.TXT 6.3, sections 4.3 to 4.5.
#ifndef ZM_ZIP_DIRECTORY_H
#define ZM_ZIP_DIRECTORY_H

#include "core/base.h"

// The bytes of an archive: of a file (fd >= 0) or of memory.
typedef struct zm_zip_bytes {
    const char *label; // in messages
    int fd;
    const uint8_t *data; // where fd < 0
    uint64_t size;
} zm_zip_bytes;

enum { ZM_ZIP_STORED = 0, ZM_ZIP_DEFLATED = 8 };

typedef struct zm_zip_record {
    const char *name;
    uint64_t size;   // unpacked
    uint64_t packed; // in the archive
    uint64_t begin;  // of the local header
    uint64_t data;   // of the packed bytes
    uint32_t crc;
    uint16_t flags;
    uint16_t method; // ZM_ZIP_STORED or ZM_ZIP_DEFLATED
} zm_zip_record;

typedef struct zm_zip_directory {
    zm_zip_record *records; // in the order of the archive
    uint64_t count;
    char *names;
} zm_zip_directory;

// Copies bytes [offset, offset + size). ZM_ERR_FORMAT where they are not all there.
zm_status zm_zip_bytes_read(const zm_zip_bytes *bytes, uint64_t offset, uint64_t size,
                            void *out);

// Reads and checks the whole directory: limits, names, methods, encryption, sizes that
// cannot be, entries outside the archive or in each other. Errors: ZM_ERR_FORMAT,
// ZM_ERR_IO, ZM_ERR_MEMORY.
zm_status zm_zip_directory_read(const zm_zip_bytes *bytes, zm_zip_directory *out);
void zm_zip_directory_free(zm_zip_directory *directory);

#endif
