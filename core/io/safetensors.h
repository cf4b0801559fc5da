// safetensors files: the native format of models and data sets.
// Source: huggingface/safetensors, format description. Everything read is untrusted.
#ifndef ZM_SAFETENSORS_H
#define ZM_SAFETENSORS_H

#include "core/base.h"

typedef enum zm_st_dtype {
    ZM_ST_F32,
    ZM_ST_F16,
    ZM_ST_BF16,
    ZM_ST_F64,
    ZM_ST_I64,
    ZM_ST_I32,
    ZM_ST_U32,
    ZM_ST_U8, // also I8, BOOL and the other 1-byte kinds: bytes as they come
    ZM_ST_OTHER
} zm_st_dtype;

enum { ZM_ST_MAX_RANK = 8 };

typedef struct zm_st_entry {
    const char *name;
    zm_st_dtype dtype;
    uint32_t rank;
    uint64_t shape[ZM_ST_MAX_RANK];
    uint64_t count;  // elements
    uint64_t offset; // of the first byte, from the start of the file
    uint64_t size;   // bytes
} zm_st_entry;

typedef struct zm_safetensors zm_safetensors;

// Opens a file and validates its whole header before anything is allocated from it.
// Errors: ZM_ERR_IO, ZM_ERR_FORMAT (offsets, overlaps, holes, lengths, duplicate keys,
// unknown dtype, rank, overflow), ZM_ERR_MEMORY.
zm_status zm_safetensors_open(const char *path, zm_safetensors **out);
void zm_safetensors_close(zm_safetensors **st);

// Validates a header held in memory: the pure function behind open, fuzzed by itself.
//   data, size   the start of a file: 8 bytes of length, then the header, maybe more
//   file_size    bytes of the whole file
zm_status zm_safetensors_parse(const char *label, const uint8_t *data, uint64_t size,
                               uint64_t file_size, zm_safetensors **out);

uint64_t zm_safetensors_count(const zm_safetensors *st);
const zm_st_entry *zm_safetensors_at(const zm_safetensors *st, uint64_t i);
const zm_st_entry *zm_safetensors_find(const zm_safetensors *st, const char *name);
const char *zm_safetensors_meta(const zm_safetensors *st, const char *key); // or NULL
const char *zm_safetensors_path(const zm_safetensors *st);

// Reads elements [first, first + count) of a tensor, converted to the type asked for.
// F16 and BF16 and F64 convert to float; integers convert to i64. ZM_ERR_FORMAT when the
// dtype does not convert, ZM_ERR_IO when the file has become shorter.
zm_status zm_safetensors_read_f32(const zm_safetensors *st, const zm_st_entry *e,
                                  uint64_t first, uint64_t count, float *out);
zm_status zm_safetensors_read_f64(const zm_safetensors *st, const zm_st_entry *e,
                                  uint64_t first, uint64_t count, double *out);
zm_status zm_safetensors_read_i64(const zm_safetensors *st, const zm_st_entry *e,
                                  uint64_t first, uint64_t count, int64_t *out);
zm_status zm_safetensors_read_raw(const zm_safetensors *st, const zm_st_entry *e,
                                  uint64_t first_byte, uint64_t bytes, void *out);

// Writing: declare every tensor, then give the data in the same order, in pieces if
// wanted. The file appears under its name only in finish (temporary file, fsync, rename);
// abort, or any failure, leaves no trace.
typedef struct zm_st_writer zm_st_writer;
zm_status zm_st_writer_create(const char *path, zm_st_writer **out);
zm_status zm_st_writer_meta(zm_st_writer *w, const char *key, const char *value);
zm_status zm_st_writer_declare(zm_st_writer *w, const char *name, zm_st_dtype dtype,
                               uint32_t rank, const uint64_t *shape);
zm_status zm_st_writer_data(zm_st_writer *w, const void *data, uint64_t bytes);

// Data that come out of order: reserve stands for zm_st_writer_data and leaves a gap of
// that many bytes, fill writes into gaps, as often as wanted. What is reserved last must
// be filled. The file must not be a pipe (ZM_ERR_IO).
//   offset   from the first byte of the first tensor
zm_status zm_st_writer_reserve(zm_st_writer *w, uint64_t bytes);
zm_status zm_st_writer_fill(zm_st_writer *w, uint64_t offset, const void *data,
                            uint64_t bytes);

zm_status zm_st_writer_finish(zm_st_writer **w); // sets *w to NULL, also on failure
void zm_st_writer_abort(zm_st_writer **w);

#endif
