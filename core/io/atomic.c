// Files that appear whole or not at all.
#define _XOPEN_SOURCE 700 // realpath

#include "core/io/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// ---- the temporary files that are open, for a signal handler
// ---------------------------
//
// A handler may neither lock nor follow pointers that others free, so names are copied
// into places that live as long as the process. A place goes EMPTY, FILLING, OPEN, EMPTY;
// a handler takes it away from whoever uses it (OPEN, TAKEN) before it reads the name.

enum { EMPTY, FILLING, OPEN, TAKEN };
enum { PLACES = 16, NAME_BYTES = 4096 }; // what does not fit is only left behind

typedef struct zm_temp {
    atomic_int state;
    char name[NAME_BYTES];
} zm_temp;

static zm_temp temps[PLACES]; // a handler can reach nothing but a global

static zm_temp *list_temp(const char *name)
{
    const size_t size = strlen(name) + 1;
    for (size_t i = 0; size <= NAME_BYTES && i < PLACES; i++) {
        int expected = EMPTY;
        if (atomic_compare_exchange_strong(&temps[i].state, &expected, FILLING)) {
            memcpy(temps[i].name, name, size);
            atomic_store(&temps[i].state, OPEN);
            return &temps[i];
        }
    }
    return NULL;
}

static void forget_temp(zm_temp *temp)
{
    int expected = OPEN;
    if (temp)
        atomic_compare_exchange_strong(&temp->state, &expected, EMPTY);
}

void zm_atomic_discard_all(void)
{
    for (size_t i = 0; i < PLACES; i++) {
        int expected = OPEN;
        if (atomic_compare_exchange_strong(&temps[i].state, &expected, TAKEN))
            (void)unlink(temps[i].name);
    }
}

// ---- one file
// --------------------------------------------------------------------------

static void atomic_clear(zm_atomic_file *file)
{
    forget_temp(file->listed);
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
        a.listed = list_temp(a.temp);
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
