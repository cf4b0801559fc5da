#define _XOPEN_SOURCE 700 // realpath

#include "core/io/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nettle/sha2.h>

enum { COPY_BYTES = 64 * 1024 };

static void atomic_clear(zm_atomic_file *file)
{
    free(file->path);
    free(file->temp);
    *file = (zm_atomic_file){0};
}

// The name that rename must hit: a symbolic link stays a link to the replaced file.
static char *resolve_target(const char *path)
{
    char *resolved = realpath(path, NULL);
    return resolved ? resolved : zm_strdup(path);
}

static char *temp_name(const char *path)
{
    const size_t size = strlen(path) + 32;
    char *temp = malloc(size);
    if (temp)
        snprintf(temp, size, "%s.tmp-%ld", path, (long)getpid());
    return temp;
}

zm_status zm_atomic_begin(const char *path, zm_atomic_file *file)
{
    zm_status st = ZM_OK;
    zm_atomic_file a = {0};
    struct stat info;
    const bool exists = stat(path, &info) == 0;
    if (exists && S_ISDIR(info.st_mode))
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", path, strerror(EISDIR));
    a.path = resolve_target(path);
    if (!a.path)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for its name", path);
    int fd = -1;
    if (exists && !S_ISREG(info.st_mode)) { // a device or pipe cannot be replaced
        fd = open(a.path, O_WRONLY | O_CLOEXEC);
    } else {
        a.temp = temp_name(a.path);
        if (!a.temp) {
            st = ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for its name", path);
            goto fail;
        }
        unlink(a.temp); // left by a process that had this number and was killed
        fd = open(a.temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    }
    a.f = fd < 0 ? NULL : fdopen(fd, "wb");
    if (!a.f) {
        st = ZM_FAIL(ZM_ERR_IO, "%s: cannot create: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        goto fail;
    }
    *file = a;
    return ZM_OK;
fail:
    atomic_clear(&a);
    return st;
}

// Makes the new name itself durable; a file system that cannot sync a directory is not
// an error, the data are safe by then.
static void sync_directory_of(const char *path)
{
    char *dir = zm_strdup(path);
    if (!dir)
        return;
    char *slash = strrchr(dir, '/');
    if (slash)
        slash[slash == dir ? 1 : 0] = '\0';
    const int fd = open(slash ? dir : ".", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(dir);
}

static bool sync_failed(int fd)
{
    // Pipes and devices cannot be synced, which POSIX reports as EINVAL or ENOTSUP.
    return fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP && errno != EROFS;
}

zm_status zm_atomic_commit(zm_atomic_file *file)
{
    zm_status st = ZM_OK;
    if (!file->f)
        return ZM_FAIL(ZM_ERR_INTERNAL, "commit of a file that is not open");
    if (ferror(file->f) || fflush(file->f) != 0 || sync_failed(fileno(file->f)))
        st = ZM_FAIL(ZM_ERR_IO, "%s: %s", file->path, strerror(errno ? errno : EIO));
    if (fclose(file->f) != 0 && st == ZM_OK)
        st = ZM_FAIL(ZM_ERR_IO, "%s: %s", file->path, strerror(errno));
    file->f = NULL;
    if (st == ZM_OK && file->temp) {
        if (rename(file->temp, file->path) != 0)
            st = ZM_FAIL(ZM_ERR_IO, "%s: cannot rename %s: %s", file->path, file->temp,
                         strerror(errno));
        else
            sync_directory_of(file->path);
    }
    if (st != ZM_OK && file->temp)
        unlink(file->temp);
    atomic_clear(file);
    return st;
}

void zm_atomic_abort(zm_atomic_file *file)
{
    if (file->f)
        fclose(file->f);
    if (file->temp)
        unlink(file->temp);
    atomic_clear(file);
}

zm_status zm_atomic_write(zm_atomic_file *file, const void *data, uint64_t size)
{
    if (size > SIZE_MAX)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: write of %llu bytes", file->path,
                       (unsigned long long)size);
    if (size != 0 && fwrite(data, 1, (size_t)size, file->f) != (size_t)size)
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", file->path, strerror(errno ? errno : EIO));
    return ZM_OK;
}

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
