// Small FITS files of every kind of compression, for tests and for the damage program.
#ifndef ZM_FITS_HELPERS_H
#define ZM_FITS_HELPERS_H

#include <assert.h>
#include <bzlib.h>
#include <fitsio.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { SAMPLE_SIDE = 32, SAMPLE_PIXELS = 5 * SAMPLE_SIDE * SAMPLE_SIDE };

// Noise: smooth pixels would not be quantised, and stored as gzip whatever was asked for.
static inline float sample_pixel(int i)
{
    const uint32_t hash = (uint32_t)i * UINT32_C(2654435761);
    return (float)((hash >> 12 ^ hash >> 19) % 997) * 0.25f - 20.0f;
}

// A cube of 32 x 32 x 5 pixels; compression is a cfitsio constant or 0. Integers where
// the method stores nothing else.
static inline int sample_cube(const char *path, int compression, int bitpix,
                              bool checksum)
{
    int status = 0;
    fitsfile *f = NULL;
    long axes[3] = {SAMPLE_SIDE, SAMPLE_SIDE, 5};
    static float pixels[SAMPLE_PIXELS];
    static short integers[SAMPLE_PIXELS];
    for (int i = 0; i < SAMPLE_PIXELS; i++) {
        pixels[i] = sample_pixel(i);
        integers[i] = (short)(sample_pixel(i) + 20.0f);
    }
    remove(path);
    fits_create_diskfile(&f, path, &status);
    if (compression) {
        long tile[3] = {SAMPLE_SIDE, SAMPLE_SIDE, 1};
        fits_set_compression_type(f, compression, &status);
        fits_set_tile_dim(f, 3, tile, &status);
    }
    fits_create_img(f, bitpix, 3, axes, &status);
    fits_write_key_str(f, "BUNIT", "nanomaggy", NULL, &status);
    fits_write_img(f, bitpix < 0 ? TFLOAT : TSHORT, 1, SAMPLE_PIXELS,
                   bitpix < 0 ? (void *)pixels : (void *)integers, &status);
    if (checksum)
        fits_write_chksum(f, &status);
    fits_close_file(f, &status);
    return status;
}

static inline uint8_t *sample_load(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    assert(f);
    fseek(f, 0, SEEK_END);
    const long n = ftell(f);
    rewind(f);
    uint8_t *data = malloc((size_t)n + 1);
    assert(data);
    *size = fread(data, 1, (size_t)n, f);
    fclose(f);
    return data;
}

static inline void sample_gzip(const char *path, const uint8_t *data, size_t size)
{
    gzFile f = gzopen(path, "wb9");
    assert(f);
    for (size_t at = 0; at < size; at += 1 << 20)
        gzwrite(f, data + at, (unsigned)(size - at < 1 << 20 ? size - at : 1 << 20));
    gzclose(f);
}

static inline void sample_bzip2(const char *path, const uint8_t *data, size_t size)
{
    unsigned packed = (unsigned)(size + size / 100 + 600);
    char *out = malloc(packed);
    assert(out);
    BZ2_bzBuffToBuffCompress(out, &packed, (char *)(uintptr_t)data, (unsigned)size, 9, 0,
                             0);
    FILE *f = fopen(path, "wb");
    assert(f);
    fwrite(out, 1, packed, f);
    fclose(f);
    free(out);
}

// The format of compress(1) with literal codes only: 247 of them, then a clear code, are
// 31 groups of 8 codes of 9 bits.
static inline void sample_compress(const char *path, const uint8_t *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert(f);
    fwrite("\x1f\x9d\x90", 1, 3, f);
    unsigned bits = 0;
    int used = 0;
    size_t in_table = 0;
    for (size_t i = 0; i < size;) {
        const unsigned code = in_table == 247 ? 256 : data[i++];
        in_table = code == 256 ? 0 : in_table + 1;
        bits |= code << used;
        for (used += 9; used >= 8; used -= 8, bits >>= 8)
            fputc((int)(bits & 255), f);
    }
    if (used)
        fputc((int)(bits & 255), f);
    fclose(f);
}

#endif
