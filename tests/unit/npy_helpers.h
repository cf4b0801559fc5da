// Numpy arrays built byte by byte, so that tests can lie in every field.
#ifndef ZM_NPY_HELPERS_H
#define ZM_NPY_HELPERS_H

#include "io_helpers.h"

enum { NPY_TEST_SIZE = 1 << 14 };

typedef struct npy_image {
    uint8_t data[NPY_TEST_SIZE];
    uint32_t size;
} npy_image;

static inline void npy_put(npy_image *n, const void *data, size_t size)
{
    cr_assert(n->size + size <= NPY_TEST_SIZE);
    memcpy(n->data + n->size, data, size);
    n->size += (uint32_t)size;
}

static inline void npy_put_number(npy_image *n, uint64_t value, uint32_t bytes,
                                  bool big_endian)
{
    for (uint32_t i = 0; i < bytes; i++) {
        const uint32_t shift = 8 * (big_endian ? bytes - 1 - i : i);
        const uint8_t byte = (uint8_t)(value >> shift);
        npy_put(n, &byte, 1);
    }
}

static inline void npy_put_f32(npy_image *n, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    npy_put_number(n, bits, 4, false);
}

static inline void npy_put_f64(npy_image *n, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    npy_put_number(n, bits, 8, false);
}

// Everything before the data.
static inline void npy_begin(npy_image *n, int version, const char *header)
{
    n->size = 0;
    npy_put(n, "\x93NUMPY", 6);
    npy_put_number(n, (uint64_t)version, 2, false);
    npy_put_number(n, strlen(header), version == 1 ? 2 : 4, false);
    npy_put(n, header, strlen(header));
}

#endif
