#include "core/io/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <nettle/sha2.h>

enum { COPY_BYTES = 64 * 1024 };

zm_status zm_file_read(const char *path, uint64_t max_size, uint8_t **out, uint64_t *size)
{
    zm_status st = ZM_OK;
    uint8_t *data = NULL;
    struct stat info;
    FILE *f = fopen(path, "rb");
    if (!f)
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", path, strerror(errno));
    if (fstat(fileno(f), &info) != 0 || !S_ISREG(info.st_mode)) {
        st = ZM_FAIL(ZM_ERR_IO, "%s: not a regular file", path);
        goto fail;
    }
    const uint64_t n = (uint64_t)info.st_size;
    if (n > max_size || n >= SIZE_MAX) {
        st = ZM_FAIL(ZM_ERR_FORMAT, "%s: expected at most %llu bytes, found %llu", path,
                     (unsigned long long)max_size, (unsigned long long)n);
        goto fail;
    }
    data = malloc((size_t)n + 1);
    if (!data) {
        st = ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for %llu bytes", path,
                     (unsigned long long)n);
        goto fail;
    }
    if (fread(data, 1, (size_t)n, f) != (size_t)n) {
        st = ZM_FAIL(ZM_ERR_IO, "%s: %s", path,
                     ferror(f) ? strerror(errno) : "became shorter while it was read");
        goto fail;
    }
    data[n] = 0;
    fclose(f);
    *out = data;
    *size = n;
    return ZM_OK;
fail:
    free(data);
    fclose(f);
    return st;
}

zm_status zm_make_dirs(const char *path)
{
    zm_status st = ZM_OK;
    char *part = zm_strdup(path);
    if (!part)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for its name", path);
    const size_t n = strlen(part);
    for (size_t i = 1; i <= n && st == ZM_OK; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        part[i] = '\0';
        struct stat info;
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            st = ZM_FAIL(ZM_ERR_IO, "%s: cannot create: %s", part, strerror(errno));
        else if (stat(part, &info) != 0 || !S_ISDIR(info.st_mode))
            st = ZM_FAIL(ZM_ERR_IO, "%s: not a directory", part);
        if (i < n)
            part[i] = '/';
    }
    free(part);
    return st;
}

zm_status zm_file_sha256(const char *path, char out[65])
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", path, strerror(errno));
    uint8_t *buffer = malloc(COPY_BYTES);
    if (!buffer) {
        fclose(f);
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to read it", path);
    }
    struct sha256_ctx sha;
    sha256_init(&sha);
    for (size_t n; (n = fread(buffer, 1, COPY_BYTES, f)) != 0;)
        sha256_update(&sha, n, buffer);
    const bool failed = ferror(f) != 0;
    const int error = errno;
    free(buffer);
    fclose(f);
    if (failed)
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", path, strerror(error));
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_digest(&sha, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(out + 2 * i, 3, "%02x", (unsigned)digest[i]);
    return ZM_OK;
}

float zm_f16_to_f32(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    uint32_t exponent = (h >> 10) & 0x1fu;
    uint32_t mantissa = h & 0x3ffu;
    uint32_t bits;
    if (exponent == 0x1f) {
        bits = sign | 0x7f800000u | mantissa << 13;
    } else if (exponent != 0) {
        bits = sign | (exponent + 112) << 23 | mantissa << 13;
    } else if (mantissa == 0) {
        bits = sign;
    } else { // subnormal halves are normal floats
        exponent = 113;
        while (!(mantissa & 0x400u)) {
            mantissa <<= 1;
            exponent--;
        }
        bits = sign | exponent << 23 | (mantissa & 0x3ffu) << 13;
    }
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

uint16_t zm_f32_to_f16(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    const uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) // keep the top payload bits, but never make it infinite
        return (uint16_t)(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
    if (magnitude >= 0x477ff000u) // 65520 and more round to infinity
        return (uint16_t)(sign | 0x7c00u);
    if (magnitude <= 0x33000000u) // 2^-25 and less round to zero
        return sign;
    const uint32_t exponent = magnitude >> 23;
    uint32_t value = magnitude & 0x7fffffu;
    uint32_t shift = 13;
    if (exponent < 113) { // result is subnormal: the hidden bit becomes visible
        value |= 0x800000u;
        shift = 126 - exponent;
    } else {
        value |= (exponent - 112) << 23;
    }
    const uint32_t half = 1u << (shift - 1);
    const uint32_t rest = value & ((1u << shift) - 1);
    uint32_t rounded = value >> shift;
    if (rest > half || (rest == half && (rounded & 1u)))
        rounded++;
    return (uint16_t)(sign | rounded);
}
