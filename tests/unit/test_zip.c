#include "zip_helpers.h"

#include <fcntl.h>

#include "core/io/zip.h"

static const uint8_t hello[] = "hello, archive";

static zip_item item(const char *name)
{
    return (zip_item){.name = name, .data = hello, .packed = sizeof hello};
}

static zm_status open_items(zip_image *z, const zip_item *items, uint32_t count,
                            zm_zip **out)
{
    zip_build(z, items, count);
    return zm_zip_open_memory("file", z->data, z->size, out);
}

static void expect_refused(const zip_item *items, uint32_t count, const char *detail)
{
    static zip_image z;
    zm_zip *zip = NULL;
    expect_status(open_items(&z, items, count, &zip), ZM_ERR_FORMAT);
    expect_detail(detail);
    cr_expect(!zip);
}

Test(zip, entries_are_found_and_read)
{
    static zip_image z;
    zm_zip *zip = NULL;
    const zip_item items[] = {item("b/data.pkl"), item("a"), item("b/")};
    expect_ok(open_items(&z, items, 3, &zip));
    cr_expect_eq(zm_zip_count(zip), 3);
    for (uint64_t i = 0; i < 3; i++) {
        const zm_zip_entry *e = zm_zip_at(zip, i);
        uint8_t *data = NULL;
        cr_expect_str_eq(e->name, items[i].name);
        cr_expect_eq(zm_zip_find(zip, items[i].name), e);
        cr_expect(e->stored);
        expect_ok(zm_zip_read(zip, e, sizeof hello, &data));
        cr_expect_arr_eq(data, hello, sizeof hello);
        cr_expect_eq(data[sizeof hello], 0);
        free(data);
    }
    cr_expect(!zm_zip_find(zip, "b"));
    zm_zip_close(&zip);
    cr_expect(!zip);
}

Test(zip, stored_entries_are_read_at_random)
{
    static zip_image z;
    zm_zip *zip = NULL;
    zm_zip_stream *s = NULL;
    char piece[8] = "";
    const zip_item items[] = {item("a"), item("b")};
    expect_ok(open_items(&z, items, 2, &zip));
    expect_ok(zm_zip_stream_open(zip, zm_zip_at(zip, 1), &s));
    expect_ok(zm_zip_stream_read(s, 7, 7, piece));
    cr_expect_str_eq(piece, "archive");
    expect_ok(zm_zip_stream_read(s, 0, 5, piece));
    cr_expect_eq(memcmp(piece, "hello", 5), 0);
    expect_status(zm_zip_stream_read(s, 10, 6, piece), ZM_ERR_FORMAT);
    expect_status(zm_zip_stream_read(s, UINT64_MAX, 2, piece), ZM_ERR_FORMAT);
    zm_zip_stream_close(&s);
    zm_zip_close(&zip);
}

// 60,000 bytes that a deflater makes small, but not as small as it can.
static uint32_t deflated(uint8_t *plain, uint32_t size, uint8_t *packed, uint32_t room)
{
    uint64_t state = 3;
    for (uint32_t i = 0; i < size; i++)
        plain[i] = (uint8_t)(test_random(&state) & 3);
    return zip_deflate(plain, size, packed, room);
}

Test(zip, deflated_entries_are_read_forwards)
{
    static zip_image z;
    static uint8_t plain[60000], packed[30000], piece[60000];
    zm_zip *zip = NULL;
    zm_zip_stream *s = NULL;
    const zip_item e = {.name = "a",
                        .data = packed,
                        .packed = deflated(plain, sizeof plain, packed, sizeof packed),
                        .size = sizeof plain,
                        .crc = (uint32_t)crc32(0, plain, sizeof plain),
                        .method = 8};
    expect_ok(open_items(&z, &e, 1, &zip));
    cr_expect(!zm_zip_at(zip, 0)->stored);
    expect_ok(zm_zip_stream_open(zip, zm_zip_at(zip, 0), &s));
    expect_ok(zm_zip_stream_read(s, 100, 50, piece));
    cr_expect_arr_eq(piece, plain + 100, 50);
    expect_ok(zm_zip_stream_read(s, 50000, 10000, piece));
    cr_expect_arr_eq(piece, plain + 50000, 10000);
    expect_status(zm_zip_stream_read(s, 100, 50, piece), ZM_ERR_USAGE);
    zm_zip_stream_close(&s);
    uint8_t *whole = NULL;
    expect_ok(zm_zip_read(zip, zm_zip_at(zip, 0), sizeof plain, &whole));
    cr_expect_arr_eq(whole, plain, sizeof plain);
    free(whole);
    expect_status(zm_zip_read(zip, zm_zip_at(zip, 0), sizeof plain - 1, &whole),
                  ZM_ERR_FORMAT);
    expect_detail("at most 59999 bytes");
    zm_zip_close(&zip);
}

Test(zip, damaged_data_are_found)
{
    static zip_image z;
    static uint8_t plain[60000], packed[30000];
    const uint32_t n = deflated(plain, sizeof plain, packed, sizeof packed);
    const uint32_t crc = (uint32_t)crc32(0, plain, sizeof plain);
    const zip_item items[] = {
        {.name = "crc", .data = hello, .packed = sizeof hello, .crc = 1},
        {.name = "deflated crc",
         .data = packed,
         .packed = n,
         .size = sizeof plain,
         .crc = 1,
         .method = 8},
        {.name = "short",
         .data = packed,
         .packed = n,
         .size = sizeof plain + 1,
         .crc = crc,
         .method = 8},
        {.name = "long",
         .data = packed,
         .packed = n,
         .size = sizeof plain - 1,
         .crc = crc,
         .method = 8},
        {.name = "noise",
         .data = plain,
         .packed = 100,
         .size = 200,
         .crc = crc,
         .method = 8},
    };
    for (uint32_t i = 0; i < ZM_COUNT_OF(items); i++) {
        zm_zip *zip = NULL;
        uint8_t *data = NULL;
        expect_ok(open_items(&z, &items[i], 1, &zip));
        expect_status(zm_zip_read(zip, zm_zip_at(zip, 0), 1 << 20, &data), ZM_ERR_FORMAT);
        expect_detail(items[i].name);
        cr_expect(!data);
        zm_zip_close(&zip);
    }
}

Test(zip, names_that_leave_the_archive_are_refused)
{
    static char longest[600];
    memset(longest, 'n', 513);
    static const char *const absolute[] = {"/etc/passwd", "\\a", "C:a"};
    static const char *const dots[] = {"..", "../a", "a/../b", "a/..", "a\\..\\b"};
    for (uint32_t i = 0; i < ZM_COUNT_OF(absolute); i++) {
        const zip_item e = item(absolute[i]);
        expect_refused(&e, 1, "absolute");
    }
    for (uint32_t i = 0; i < ZM_COUNT_OF(dots); i++) {
        const zip_item e = item(dots[i]);
        expect_refused(&e, 1, "\"..\"");
    }
    zip_item e = item(longest);
    expect_refused(&e, 1, "512");
    longest[512] = '\0';
    static zip_image z;
    zm_zip *zip = NULL;
    expect_ok(open_items(&z, &e, 1, &zip));
    zm_zip_close(&zip);
    e = item("a\0b");
    e.name_size = 3;
    expect_refused(&e, 1, "NUL");
    const zip_item twice[] = {item("a"), item("b"), item("a")};
    expect_refused(twice, 3, "two entries of the name a");
    const zip_item harmless = item("a..b/...");
    expect_ok(open_items(&z, &harmless, 1, &zip));
    zm_zip_close(&zip);
}

Test(zip, entries_that_cannot_be_are_refused)
{
    zip_item e = item("a");
    e.flags = 1;
    expect_refused(&e, 1, "encrypted");
    e.flags = 1 << 6;
    expect_refused(&e, 1, "encrypted");
    e = item("a");
    e.local_flags = 1;
    expect_refused(&e, 1, "differ");
    e = item("a");
    e.local_name = "b";
    expect_refused(&e, 1, "differ");
    e = item("a");
    e.local_crc = 1;
    expect_refused(&e, 1, "differ");
    e = item("a");
    e.method = 12;
    expect_refused(&e, 1, "another compression");
    e = item("a");
    e.size = 1000;
    expect_refused(&e, 1, "unlike sizes");
    e.method = 8;
    e.size = 1032 * (sizeof hello + 1);
    expect_refused(&e, 1, "more bytes than it can hold");
    e = item("a");
    e.shift = 1;
    expect_refused(&e, 1, "entry a");
    e.shift = 1 << 20;
    expect_refused(&e, 1, "outside");
    zip_item two[] = {item("a"), item("a")};
    two[1].shares_header = true;
    expect_refused(two, 2, "two entries");
}

Test(zip, overlapping_entries_are_refused)
{
    static zip_image z, inner;
    zm_zip *zip = NULL;
    const zip_item b = item("b");
    zip_build(&inner, &b, 1);
    // a holds a whole entry b, and the directory names b there as well
    zip_item two[] = {{.name = "a", .data = inner.data, .packed = inner.central}, b};
    two[1].shares_header = true;
    two[1].shift = 30 + 1;
    expect_status(open_items(&z, two, 2, &zip), ZM_ERR_FORMAT);
    expect_detail("overlap");
}

Test(zip, no_byte_of_the_directory_can_be_cut_or_added)
{
    static zip_image z;
    const zip_item items[] = {item("a"), item("b")};
    zm_zip *zip = NULL;
    zip_build(&z, items, 2);
    for (uint32_t n = 0; n < z.size; n++) {
        uint8_t *cut = malloc(n + 1); // on the heap, where a byte too far is seen
        cr_assert(cut);
        memcpy(cut, z.data, n);
        expect_status(zm_zip_open_memory("file", cut, n, &zip), ZM_ERR_FORMAT);
        free(cut);
    }
    static uint8_t shifted[ZIP_TEST_SIZE + 1];
    memcpy(shifted + 1, z.data, z.size);
    expect_status(zm_zip_open_memory("file", shifted, z.size + 1, &zip), ZM_ERR_FORMAT);
    memcpy(shifted, z.data, z.size);
    expect_status(zm_zip_open_memory("file", shifted, z.size + 1, &zip), ZM_ERR_FORMAT);
}

Test(zip, end_records_that_lie_are_refused)
{
    static zip_image z;
    const zip_item items[] = {item("a"), item("b")};
    static const struct {
        uint32_t field;
        uint8_t value;
    } lies[] = {{4, 1}, {8, 1}, {10, 1}, {10, 3}, {12, 1}, {16, 1}, {20, 1}};
    for (uint32_t i = 0; i < ZM_COUNT_OF(lies); i++) {
        zm_zip *zip = NULL;
        zip_build(&z, items, 2);
        z.data[z.end + lies[i].field] = lies[i].value;
        expect_status(zm_zip_open_memory("file", z.data, z.size, &zip), ZM_ERR_FORMAT);
    }
    zip_build(&z, items, 2);
    z.data[z.end + 8] = z.data[z.end + 10] = 1; // one entry of two, twice
    zm_zip *zip = NULL;
    expect_status(zm_zip_open_memory("file", z.data, z.size, &zip), ZM_ERR_FORMAT);
}

// The zip64 end record, to lie at byte `at` of the file, and its locator.
static void put_end64(zip_image *z, uint64_t entries, uint64_t size, uint64_t offset,
                      uint64_t at)
{
    zip_put(z, 0x06064b50, 4);
    zip_put(z, 44, 8);
    zip_put(z, 45, 2);
    zip_put(z, 45, 2);
    zip_put(z, 0, 8);
    zip_put(z, entries, 8);
    zip_put(z, entries, 8);
    zip_put(z, size, 8);
    zip_put(z, offset, 8);
    zip_put(z, 0x07064b50, 4);
    zip_put(z, 0, 4);
    zip_put(z, at, 8);
    zip_put(z, 1, 4);
}

// Puts it in front of the end record that zip_build has written.
static void add_end64(zip_image *z, uint64_t entries, uint64_t size, uint64_t offset)
{
    uint8_t end[22];
    memcpy(end, z->data + z->end, sizeof end);
    memset(end + 8, 0xFF, 12);
    z->size = z->end;
    put_end64(z, entries, size, offset, z->end);
    zip_put_bytes(z, end, sizeof end);
}

Test(zip, zip64_end_records_are_read_and_lies_refused)
{
    static zip_image z;
    const zip_item items[] = {item("a"), item("b")};
    zm_zip *zip = NULL;
    zip_build(&z, items, 2);
    const uint32_t size = z.end - z.central;
    add_end64(&z, 2, size, z.central);
    expect_ok(zm_zip_open_memory("file", z.data, z.size, &zip));
    cr_expect_eq(zm_zip_count(zip), 2);
    zm_zip_close(&zip);
    const uint64_t lies[][3] = {
        {3, size, z.central},          {1, size, z.central},
        {UINT64_MAX, size, z.central}, {100001, size, z.central},
        {2, UINT64_MAX, z.central},    {2, size, UINT64_MAX},
        {2, size + 1, z.central},      {2, size - 1, z.central + 1}};
    for (uint32_t i = 0; i < ZM_COUNT_OF(lies); i++) {
        zip_build(&z, items, 2);
        add_end64(&z, lies[i][0], lies[i][1], lies[i][2]);
        expect_status(zm_zip_open_memory("file", z.data, z.size, &zip), ZM_ERR_FORMAT);
    }
}

static void write_at(int fd, const zip_image *z, off_t at)
{
    cr_assert_eq(pwrite(fd, z->data, z->size, at), (ssize_t)z->size);
}

// From the version to the lengths of name and extra field: sizes full, one byte of name.
static void put_large_fields(zip_image *z)
{
    zip_put(z, 45, 8);
    zip_put(z, 0x21, 2); // 1 January 1980
    zip_put(z, 0, 4);
    zip_put(z, UINT64_MAX, 8);
    zip_put(z, 1, 2);
    zip_put(z, 20, 2);
}

static void put_large_name(zip_image *z, uint64_t size)
{
    zip_put(z, 'a', 1);
    zip_put(z, 1 | 16 << 16, 4);
    zip_put(z, size, 8);
    zip_put(z, size, 8);
}

// One stored entry of 5 GiB in a file with a hole, its sizes in zip64 fields.
static void write_large(const char *path, uint64_t size)
{
    static zip_image z;
    const int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    cr_assert(fd >= 0);
    z.size = 0;
    zip_put(&z, 0x04034b50, 4);
    put_large_fields(&z);
    put_large_name(&z, size);
    write_at(fd, &z, 0);
    const uint64_t central = z.size + size;
    cr_assert_eq(pwrite(fd, "end", 3, (off_t)central - 3), 3);
    z.size = 0;
    zip_put(&z, 0x02014b50, 4);
    zip_put(&z, 45, 2);
    put_large_fields(&z);
    zip_put(&z, 0, 8);
    zip_put(&z, 0, 6); // comment to the offset of the local header
    put_large_name(&z, size);
    z.end = z.size;
    put_end64(&z, 1, z.end, central, central + z.end);
    zip_put(&z, 0x06054b50, 4);
    zip_put(&z, 0, 4);
    zip_put(&z, UINT64_MAX, 8);
    zip_put(&z, UINT32_MAX, 4);
    zip_put(&z, 0, 2);
    write_at(fd, &z, (off_t)central);
    cr_assert_eq(close(fd), 0);
}

Test(zip, an_entry_beyond_4_GiB_is_read_at_random)
{
    char dir[TEST_PATH], path[TEST_PATH], piece[4] = "";
    const uint64_t size = (uint64_t)5 << 30;
    zm_zip *zip = NULL;
    zm_zip_stream *s = NULL;
    uint8_t *whole = NULL;
    test_dir_create(dir);
    write_large(test_join(dir, "large.zip", path), size);
    expect_ok(zm_zip_open(path, &zip));
    cr_assert_eq(zm_zip_at(zip, 0)->size, size);
    expect_ok(zm_zip_stream_open(zip, zm_zip_at(zip, 0), &s));
    expect_ok(zm_zip_stream_read(s, size - 3, 3, piece));
    cr_expect_str_eq(piece, "end");
    expect_status(zm_zip_stream_read(s, size - 2, 3, piece), ZM_ERR_FORMAT);
    expect_status(zm_zip_read(zip, zm_zip_at(zip, 0), 1 << 20, &whole), ZM_ERR_FORMAT);
    zm_zip_stream_close(&s);
    zm_zip_close(&zip);
    test_dir_remove(dir);
}

Test(zip, missing_files_and_folders_are_io_errors)
{
    zm_zip *zip = NULL;
    expect_status(zm_zip_open("/nonexistent", &zip), ZM_ERR_IO);
    expect_status(zm_zip_open("/tmp", &zip), ZM_ERR_IO);
}

Test(zip, is_recognised_by_its_first_bytes)
{
    cr_expect(zm_zip_is_zip((const uint8_t *)"PK\3\4", 4));
    cr_expect(zm_zip_is_zip((const uint8_t *)"PK\5\6", 4)); // an empty archive
    cr_expect(!zm_zip_is_zip((const uint8_t *)"PK\3\4", 3));
    cr_expect(!zm_zip_is_zip((const uint8_t *)"PK\1\2", 4));
}
