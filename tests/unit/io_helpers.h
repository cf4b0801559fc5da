// Temporary directories, small files and the places of data and of the decoder: shared
// by the tests of core/io and core/data.
#ifndef ZM_IO_HELPERS_H
#define ZM_IO_HELPERS_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base.h"

enum { TEST_PATH = 1024 };

#ifdef ZM_HELPER_EXE
static const char *const test_helper = ZM_HELPER_EXE;
#else
static const char *const test_helper = NULL;
#endif

// A fresh directory, removed by test_dir_remove.
static inline void test_dir_create(char out[TEST_PATH])
{
    snprintf(out, TEST_PATH, "/tmp/zmae-test-XXXXXX");
    cr_assert(mkdtemp(out), "no temporary directory");
}

static inline int test_dir_count(const char *dir)
{
    int n = 0;
    DIR *d = opendir(dir);
    cr_assert(d);
    for (const struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static inline void test_dir_remove(const char *dir)
{
    char path[2 * TEST_PATH];
    DIR *d = opendir(dir);
    cr_assert(d);
    for (const struct dirent *e; (e = readdir(d));) {
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            cr_assert_eq(remove(path), 0, "%s is left", path);
    }
    closedir(d);
    cr_assert_eq(rmdir(dir), 0);
}

static inline const char *test_join(const char *dir, const char *name,
                                    char out[TEST_PATH])
{
    const int n = snprintf(out, TEST_PATH, "%s/%s", dir, name);
    cr_assert(n > 0 && n < TEST_PATH);
    return out;
}

static inline void test_write_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    cr_assert(f);
    cr_assert_eq(fwrite(data, 1, size, f), size);
    cr_assert_eq(fclose(f), 0);
}

// A file or folder of the development data; skips the test where they are absent.
static inline const char *test_data(const char *name, char out[TEST_PATH])
{
    const char *root = getenv("ZMAE_DATA");
    char beside[TEST_PATH];
    struct stat info;
    snprintf(beside, sizeof beside, "%s/../shared/data", ZM_SOURCE_DIR);
    test_join(root ? root : beside, name, out);
    if (stat(out, &info) != 0)
        cr_skip_test("no development data: %s (set ZMAE_DATA)", out);
    return out;
}

static inline void test_need_helper(void)
{
    if (!test_helper || access(test_helper, X_OK) != 0)
        cr_skip_test("no zmae executable to decode compressed FITS with");
}

// A repeatable stream of numbers.
static inline uint32_t test_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

#define expect_ok(expr)                                                                  \
    do {                                                                                 \
        const zm_status found_ = (expr);                                                 \
        cr_assert_eq(found_, ZM_OK, "%s: %s", zm_status_name(found_),                    \
                     zm_error_detail());                                                 \
    } while (0)

#define expect_status(expr, status)                                                      \
    do {                                                                                 \
        const zm_status found_ = (expr);                                                 \
        cr_expect_eq(found_, (status), "expected %s, found %s: %s",                      \
                     zm_status_name(status), zm_status_name(found_), zm_error_detail()); \
    } while (0)

#define expect_detail(text)                                                              \
    cr_expect(strstr(zm_error_detail(), (text)), "expected \"%s\" in \"%s\"", (text),    \
              zm_error_detail())

#endif
