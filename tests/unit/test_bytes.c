#include "io_helpers.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>

#include "core/io/bytes.h"

Test(bytes, half_floats_survive_a_round_trip_through_float)
{
    for (uint32_t h = 0; h < 65536; h++) {
        const float f = zm_f16_to_f32((uint16_t)h);
        const uint16_t back = zm_f32_to_f16(f);
        if (isnan(f))
            cr_assert((back & 0x7c00) == 0x7c00 && (back & 0x3ff), "%04x -> %04x",
                      (unsigned)h, (unsigned)back);
        else
            cr_assert_eq(back, h, "%04x -> %04x", (unsigned)h, (unsigned)back);
    }
}

Test(bytes, half_floats_have_the_values_of_ieee_754)
{
    for (uint32_t h = 0; h < 0x7c00; h++) {
        const double mantissa = (double)(h & 0x3ff) / 1024.0;
        const int exponent = (int)(h >> 10);
        const double value =
            exponent ? ldexp(1.0 + mantissa, exponent - 15) : ldexp(mantissa, -14);
        cr_assert_eq((double)zm_f16_to_f32((uint16_t)h), value);
        cr_assert_eq((double)zm_f16_to_f32((uint16_t)(h | 0x8000)), -value);
    }
    cr_expect(isinf(zm_f16_to_f32(0x7c00)));
}

Test(bytes, float_to_half_rounds_to_nearest_even)
{
    for (uint32_t h = 0; h < 0x7bff; h++) {
        const double low = (double)zm_f16_to_f32((uint16_t)h);
        const double high = (double)zm_f16_to_f32((uint16_t)(h + 1));
        const float middle = (float)((low + high) / 2); // exact: one bit more than a half
        const uint16_t even = (uint16_t)(h & 1 ? h + 1 : h);
        cr_assert_eq(zm_f32_to_f16(middle), even, "%04x", (unsigned)h);
        cr_assert_eq(zm_f32_to_f16(nextafterf(middle, 0.0f)), h);
        cr_assert_eq(zm_f32_to_f16(nextafterf(middle, INFINITY)), h + 1);
    }
    cr_expect_eq(zm_f32_to_f16(65519.99f), 0x7bff);
    cr_expect_eq(zm_f32_to_f16(65520.0f), 0x7c00);
}

Test(bytes, commit_replaces_the_file_and_leaves_nothing_else)
{
    char dir[TEST_PATH], path[TEST_PATH];
    zm_atomic_file a = {0};
    uint8_t *data = NULL;
    uint64_t size = 0;
    test_dir_create(dir);
    test_write_file(test_join(dir, "out", path), "old", 3);
    expect_ok(zm_atomic_begin(path, &a));
    expect_ok(zm_atomic_write(&a, "newer", 5));
    expect_ok(zm_atomic_commit(&a));
    zm_atomic_abort(&a);
    expect_ok(zm_file_read(path, 100, &data, &size));
    cr_expect_str_eq((const char *)data, "newer");
    cr_expect_eq(test_dir_count(dir), 1);
    free(data);
    test_dir_remove(dir);
}

Test(bytes, abort_keeps_the_old_file_and_leaves_nothing_else)
{
    char dir[TEST_PATH], path[TEST_PATH];
    zm_atomic_file a = {0};
    uint8_t *data = NULL;
    uint64_t size = 0;
    test_dir_create(dir);
    test_write_file(test_join(dir, "out", path), "old", 3);
    expect_ok(zm_atomic_begin(path, &a));
    expect_ok(zm_atomic_write(&a, "newer", 5));
    zm_atomic_abort(&a);
    expect_ok(zm_file_read(path, 100, &data, &size));
    cr_expect_str_eq((const char *)data, "old");
    cr_expect_eq(test_dir_count(dir), 1);
    free(data);
    test_dir_remove(dir);
}

Test(bytes, discarding_removes_what_is_open_and_nothing_else)
{
    char dir[TEST_PATH], path[TEST_PATH];
    zm_atomic_file open[2] = {{0}};
    test_dir_create(dir);
    for (int i = 0; i < 100; i++) { // finished files make room for later ones
        zm_atomic_file done = {0};
        expect_ok(
            zm_atomic_begin(test_join(dir, i % 2 ? "kept" : "given-up", path), &done));
        if (i % 2)
            expect_ok(zm_atomic_commit(&done));
        else
            zm_atomic_abort(&done);
    }
    expect_ok(zm_atomic_begin(test_join(dir, "a", path), &open[0]));
    expect_ok(zm_atomic_begin(test_join(dir, "b", path), &open[1]));
    cr_assert_eq(test_dir_count(dir), 3);
    zm_atomic_discard_all();
    cr_assert_eq(test_dir_count(dir), 1);
    cr_expect_eq(zm_atomic_commit(&open[0]), ZM_ERR_IO);
    zm_atomic_abort(&open[1]);
    cr_assert_eq(test_dir_count(dir), 1);
    test_dir_remove(dir);
}

Test(bytes, a_symbolic_link_stays_a_link)
{
    char dir[TEST_PATH], path[TEST_PATH], link[TEST_PATH];
    zm_atomic_file a = {0};
    struct stat info;
    test_dir_create(dir);
    test_write_file(test_join(dir, "file", path), "old", 3);
    cr_assert_eq(symlink("file", test_join(dir, "link", link)), 0);
    expect_ok(zm_atomic_begin(link, &a));
    expect_ok(zm_atomic_write(&a, "newer", 5));
    expect_ok(zm_atomic_commit(&a));
    cr_expect(lstat(link, &info) == 0 && S_ISLNK(info.st_mode));
    cr_expect(stat(path, &info) == 0 && info.st_size == 5);
    test_dir_remove(dir);
}

Test(bytes, a_full_disk_is_an_io_error_and_leaves_nothing)
{
    char dir[TEST_PATH], path[TEST_PATH];
    zm_atomic_file a = {0};
    static char block[65536];
    test_dir_create(dir);
    signal(SIGXFSZ, SIG_IGN);
    const struct rlimit small = {100000, 100000};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    expect_ok(zm_atomic_begin(test_join(dir, "out", path), &a));
    zm_status st = ZM_OK;
    for (int i = 0; i < 4 && st == ZM_OK; i++)
        st = zm_atomic_write(&a, block, sizeof block);
    if (st == ZM_OK)
        st = zm_atomic_commit(&a);
    cr_expect_eq(st, ZM_ERR_IO);
    expect_detail(path);
    zm_atomic_abort(&a);
    cr_expect_eq(test_dir_count(dir), 0);
    test_dir_remove(dir);
}

Test(bytes, a_device_is_written_to_and_never_replaced)
{
    zm_atomic_file a = {0};
    struct stat info;
    if (stat("/dev/full", &info) != 0 || !S_ISCHR(info.st_mode))
        cr_skip_test("no /dev/full here");
    expect_ok(zm_atomic_begin("/dev/full", &a));
    expect_ok(zm_atomic_write(&a, "text", 4));
    expect_status(zm_atomic_commit(&a), ZM_ERR_IO);
    cr_expect(stat("/dev/full", &info) == 0 && S_ISCHR(info.st_mode));
}

Test(bytes, missing_directories_and_large_files_are_errors)
{
    zm_atomic_file a = {0};
    uint8_t *data = NULL;
    uint64_t size = 0;
    char dir[TEST_PATH], path[TEST_PATH];
    test_dir_create(dir);
    expect_status(zm_atomic_begin(test_join(dir, "none/out", path), &a), ZM_ERR_IO);
    expect_status(zm_atomic_begin(dir, &a), ZM_ERR_IO);
    expect_status(zm_file_read(path, 10, &data, &size), ZM_ERR_IO);
    expect_status(zm_file_read(dir, 10, &data, &size), ZM_ERR_IO);
    test_write_file(test_join(dir, "f", path), "12345678901", 11);
    expect_status(zm_file_read(path, 10, &data, &size), ZM_ERR_FORMAT);
    test_dir_remove(dir);
}

Test(bytes, directories_are_made_with_their_parents)
{
    char dir[TEST_PATH], path[TEST_PATH];
    struct stat info;
    test_dir_create(dir);
    expect_ok(zm_make_dirs(test_join(dir, "a/b//c/", path)));
    cr_expect(stat(test_join(dir, "a/b/c", path), &info) == 0 && S_ISDIR(info.st_mode));
    expect_ok(zm_make_dirs(path));
    test_write_file(test_join(dir, "a/b/c/f", path), "", 0);
    expect_status(zm_make_dirs(test_join(dir, "a/b/c/f/g", path)), ZM_ERR_IO);
    remove(test_join(dir, "a/b/c/f", path));
    remove(test_join(dir, "a/b/c", path));
    remove(test_join(dir, "a/b", path));
    test_dir_remove(dir);
}

Test(bytes, sha256_is_that_of_fips_180)
{
    char dir[TEST_PATH], path[TEST_PATH], hex[65];
    test_dir_create(dir);
    test_write_file(test_join(dir, "abc", path), "abc", 3);
    expect_ok(zm_file_sha256(path, hex));
    cr_expect_str_eq(hex,
                     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    test_dir_remove(dir);
}
