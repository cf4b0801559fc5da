// Arrays of numpy's .npy format, versions 1 to 3: the header, and the values of one
// element. The header is a Python literal, which is read by a strict parser and never
// evaluated; arrays of Python objects (pickles) are refused. Everything is untrusted.
// Source: numpy.lib.format, "Format Version" 1.0 to 3.0.
#ifndef ZM_NPY_H
#define ZM_NPY_H

#include "core/base.h"

enum {
    ZM_NPY_START = 12,           // bytes that tell how long the header is
    ZM_NPY_MAX_HEADER = 1 << 20, // bytes
    ZM_NPY_MAX_AXES = 8,
    ZM_NPY_MAX_FIELDS = 1024,
    ZM_NPY_MAX_ITEM = 1 << 20, // bytes of one element
    ZM_NPY_NAME = 128,         // bytes of a field name with its NUL
    ZM_NPY_TYPE = 32,
};

typedef enum zm_npy_kind {
    ZM_NPY_FLOAT,   // 2, 4 or 8 bytes
    ZM_NPY_INT,     // 1, 2, 4 or 8 bytes
    ZM_NPY_UINT,    // the same, and booleans
    ZM_NPY_TEXT,    // bytes, filled up with NUL
    ZM_NPY_UNICODE, // 4 bytes a character
    ZM_NPY_OTHER,   // complex, dates, raw bytes: known size, not read
} zm_npy_kind;

typedef struct zm_npy_field {
    char name[ZM_NPY_NAME]; // "" of a plain array; what is not printable ASCII is '?'
    char type[ZM_NPY_TYPE]; // as the file writes it, "<f4"
    zm_npy_kind kind;
    bool big_endian;
    uint32_t size;   // bytes of one value
    uint64_t count;  // values in an element: 1, more in a sub-array
    uint64_t offset; // bytes from the begin of an element
} zm_npy_field;

typedef struct zm_npy {
    uint32_t rank;
    uint64_t shape[ZM_NPY_MAX_AXES];
    uint64_t count; // product of the shape
    bool fortran_order;
    bool record;          // elements have named fields
    uint64_t item_size;   // bytes of an element
    uint64_t data_offset; // bytes of the header and what is before it
    uint64_t data_size;   // count * item_size
    zm_npy_field *fields; // (field_count), one where the array is plain
    uint32_t field_count;
} zm_npy;

// Length of everything before the data, from the first bytes of a file.
zm_status zm_npy_header_size(const char *label, const uint8_t start[ZM_NPY_START],
                             uint64_t *out);

// Reads a header; a pure function of bytes, fuzzed by itself.
//   data    (size) the begin of the file, at least to the end of the header
//   total   bytes of the whole file: header and data must make exactly that
// Errors: ZM_ERR_FORMAT names label and the place in the header; ZM_ERR_MEMORY. What was
// parsed is freed by zm_npy_finish.
zm_status zm_npy_parse(const char *label, const uint8_t *data, uint64_t size,
                       uint64_t total, zm_npy *out);
void zm_npy_finish(zm_npy *npy);

// "(3, 64, 64, 5)" into fresh text of at most size bytes.
void zm_npy_format_shape(const zm_npy *npy, char *out, size_t size);

// Field of that name, or of that name in another case; NULL where there is none.
const zm_npy_field *zm_npy_find(const zm_npy *npy, const char *name);

// First value of a field as a number.
//   item   (item_size) bytes of one element
// false where the field holds no numbers; of integers also where the value is not a whole
// number of 64 bits with sign. Text is read as an integer where it is a decimal number.
bool zm_npy_f64(const zm_npy_field *field, const uint8_t *item, double *out);
bool zm_npy_i64(const zm_npy_field *field, const uint8_t *item, int64_t *out);

// count values of a plain array of ZM_NPY_FLOAT.
//   data   count * field->size bytes
void zm_npy_f32s(const zm_npy_field *field, const uint8_t *data, uint64_t count,
                 float *out);

#endif
