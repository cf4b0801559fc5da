// What reading and writing of safetensors share: the list of dtypes and the limits.
#ifndef ZM_SAFETENSORS_IMPL_H
#define ZM_SAFETENSORS_IMPL_H

#include "core/io/safetensors.h"

enum {
    ZM_ST_MAX_HEADER = 16 << 20, // bytes; models of this kind need kilobytes
    ZM_ST_MAX_TENSORS = 100000,
    ZM_ST_MAX_NAME = 512, // bytes
};

typedef struct zm_st_type {
    const char *name; // in the file
    zm_st_dtype dtype;
    uint32_t size; // bytes of one element
} zm_st_type;

// NULL for a name that the format does not know.
const zm_st_type *zm_st_type_find(const char *name);

// The type that a dtype is written as; NULL for ZM_ST_OTHER.
const zm_st_type *zm_st_type_of(zm_st_dtype dtype);

// F32, F16, BF16 or F64, and one little-endian element of them as a float.
bool zm_st_is_real(zm_st_dtype dtype);
float zm_st_load_f32(zm_st_dtype dtype, const uint8_t *p);

// Product of a shape and of the element size, checked.
bool zm_st_shape_size(const uint64_t *shape, uint32_t rank, uint32_t element_size,
                      uint64_t *count, uint64_t *bytes);

#endif
