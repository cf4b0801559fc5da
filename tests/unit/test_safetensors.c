#include "io_helpers.h"

#include <math.h>

#include "core/io/safetensors.h"

// A file of this header and of data_size bytes of data.
static zm_status parse(const char *header, uint64_t data_size, zm_safetensors **out)
{
    uint8_t data[4096] = {0};
    const size_t n = strlen(header);
    cr_assert(n + 8 <= sizeof data);
    for (int i = 0; i < 8; i++)
        data[i] = (uint8_t)((uint64_t)n >> 8 * i);
    memcpy(data + 8, header, n);
    return zm_safetensors_parse("file", data, 8 + n, 8 + n + data_size, out);
}

typedef struct hostile {
    const char *header;
    uint64_t data_size;
    const char *detail; // part of the message
} hostile;

Test(safetensors, hostile_headers_are_refused)
{
    static const hostile cases[] = {
        {"[]", 0, "{"},
        {"{\"", 0, "JSON"},
        {"{}x", 0, "JSON"},
        {"{} ", 4, "bytes of data"},
        {"{\"a\":1}", 0, "tensor a"},
        {"{\"a\":{}}", 0, "dtype"},
        {"{\"a\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "F33"},
        {"{\"a\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4,
         "shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[\"1\"],\"data_offsets\":[0,4]}}", 4,
         "shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],"
         "\"data_offsets\":[0,4]}}",
         4, "at most 8"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4,
         "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4,
         "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4,
         "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4,
         "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4,
         "expected 8 bytes"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 4,
         "truncated"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8,
         "bytes of data"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "hole"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
         4, "overlap"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
         8, "overlap"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
         8, "duplicate"},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],"
         "\"data_offsets\":[0,4]}}",
         4, "duplicate"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],"
         "\"data_offsets\":[0,0]}}",
         0, "overflow"},
        {"{\"a\":{\"dtype\":\"F64\",\"shape\":[2305843009213693952],"
         "\"data_offsets\":[0,0]}}",
         0, "overflow"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],"
         "\"data_offsets\":[0,0]}}",
         0, "JSON"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[9223372036854775807],"
         "\"data_offsets\":[0,9223372036854775807]}}",
         4, "truncated"},
        {"{\"__metadata__\":{\"k\":1}}", 0, "expected a string"},
        {"{\"__metadata__\":[]}", 0, "object"},
        {"{\"\\u0000\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0,
         "JSON"},
        {"{\"\xff\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, "JSON"},
    };
    for (size_t i = 0; i < ZM_COUNT_OF(cases); i++) {
        zm_safetensors *st = NULL;
        const zm_status status = parse(cases[i].header, cases[i].data_size, &st);
        cr_expect_eq(status, ZM_ERR_FORMAT, "case %zu: %s", i, cases[i].header);
        cr_expect(strstr(zm_error_detail(), cases[i].detail),
                  "case %zu: \"%s\" in \"%s\"", i, cases[i].detail, zm_error_detail());
        cr_expect_null(st);
        zm_safetensors_close(&st);
    }
}

Test(safetensors, a_length_beyond_the_file_is_refused)
{
    static const uint64_t lengths[] = {
        0, 1, 3, 1000, UINT64_C(1) << 25, UINT64_MAX, UINT64_MAX - 7, UINT64_C(1) << 63};
    for (size_t i = 0; i < ZM_COUNT_OF(lengths); i++) {
        uint8_t data[10] = {0, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
        zm_safetensors *st = NULL;
        for (int k = 0; k < 8; k++)
            data[k] = (uint8_t)(lengths[i] >> 8 * k);
        expect_status(zm_safetensors_parse("file", data, 10, 10, &st), ZM_ERR_FORMAT);
    }
    zm_safetensors *st = NULL;
    const uint8_t few[7] = {2};
    for (uint64_t n = 0; n <= 7; n++)
        expect_status(zm_safetensors_parse("file", few, n, n, &st), ZM_ERR_FORMAT);
}

Test(safetensors, deep_nesting_does_not_crash)
{
    char *deep = malloc(100001);
    cr_assert(deep);
    memset(deep, '[', 100000);
    memcpy(deep, "{\"a\":", 5);
    deep[100000] = '\0';
    uint8_t *data = malloc(100008);
    cr_assert(data);
    for (int i = 0; i < 8; i++)
        data[i] = (uint8_t)(UINT64_C(100000) >> 8 * i);
    memcpy(data + 8, deep, 100000);
    zm_safetensors *st = NULL;
    expect_status(zm_safetensors_parse("file", data, 100008, 100008, &st), ZM_ERR_FORMAT);
    free(deep);
    free(data);
}

Test(safetensors, empty_tensors_and_files_are_fine)
{
    zm_safetensors *st = NULL;
    expect_ok(parse("{}   ", 0, &st));
    cr_expect_eq(zm_safetensors_count(st), 0);
    cr_expect_null(zm_safetensors_find(st, "a"));
    cr_expect_null(zm_safetensors_meta(st, "k"));
    zm_safetensors_close(&st);
    expect_ok(parse("{\"b\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
                    "\"a\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[0,0]}}",
                    4, &st));
    cr_expect_eq(zm_safetensors_find(st, "b")->count, 1);
    cr_expect_eq(zm_safetensors_find(st, "a")->count, 0);
    zm_safetensors_close(&st);
}

static void write_sample(const char *path)
{
    zm_st_writer *w = NULL;
    const float reals[6] = {0.5f, -1.25f, 3e38f, -0.0f, 1e-40f, 7.0f};
    const int64_t ids[2] = {INT64_MAX, INT64_MIN};
    const uint16_t halves[3] = {0x3c00, 0x0001, 0xfbff};
    const double doubles[1] = {1.0 / 3.0};
    const uint8_t bytes[3] = {0, 128, 255};
    const int32_t ints[2] = {-5, INT32_MAX};
    expect_ok(zm_st_writer_create(path, &w));
    expect_ok(zm_st_writer_meta(w, "zmae", "{\"quote\":\"\xc3\xa9\"}"));
    expect_ok(zm_st_writer_declare(w, "r", ZM_ST_F32, 2, (uint64_t[]){2, 3}));
    expect_ok(zm_st_writer_declare(w, "id", ZM_ST_I64, 1, (uint64_t[]){2}));
    expect_ok(zm_st_writer_declare(w, "h", ZM_ST_F16, 1, (uint64_t[]){3}));
    expect_ok(zm_st_writer_declare(w, "d", ZM_ST_F64, 0, NULL));
    expect_ok(zm_st_writer_declare(w, "u", ZM_ST_U8, 1, (uint64_t[]){3}));
    expect_ok(zm_st_writer_declare(w, "i", ZM_ST_I32, 1, (uint64_t[]){2}));
    expect_ok(zm_st_writer_data(w, reals, 8)); // in pieces
    expect_ok(zm_st_writer_data(w, reals + 2, 16));
    expect_ok(zm_st_writer_data(w, ids, sizeof ids));
    expect_ok(zm_st_writer_data(w, halves, sizeof halves));
    expect_ok(zm_st_writer_data(w, doubles, sizeof doubles));
    expect_ok(zm_st_writer_data(w, bytes, sizeof bytes));
    expect_ok(zm_st_writer_data(w, ints, sizeof ints));
    expect_ok(zm_st_writer_finish(&w));
    cr_expect_null(w);
}

Test(safetensors, what_is_written_is_read)
{
    char dir[TEST_PATH], path[TEST_PATH];
    zm_safetensors *st = NULL;
    float f[6];
    double d;
    int64_t i[3];
    test_dir_create(dir);
    write_sample(test_join(dir, "f.safetensors", path));
    expect_ok(zm_safetensors_open(path, &st));
    cr_expect_eq(zm_safetensors_count(st), 6);
    cr_expect_str_eq(zm_safetensors_meta(st, "zmae"), "{\"quote\":\"\xc3\xa9\"}");
    cr_expect_eq(zm_safetensors_at(st, 0)->offset % 8, 0);
    expect_ok(zm_safetensors_read_f32(st, zm_safetensors_find(st, "r"), 1, 5, f));
    cr_expect(f[0] == -1.25f && f[1] == 3e38f && signbit(f[2]) && f[3] == 1e-40f &&
              f[4] == 7.0f);
    expect_ok(zm_safetensors_read_i64(st, zm_safetensors_find(st, "id"), 0, 2, i));
    cr_expect(i[0] == INT64_MAX && i[1] == INT64_MIN);
    expect_ok(zm_safetensors_read_f32(st, zm_safetensors_find(st, "h"), 0, 3, f));
    cr_expect(f[0] == 1.0f && f[1] == ldexpf(1.0f, -24) && f[2] == -65504.0f);
    expect_ok(zm_safetensors_read_f64(st, zm_safetensors_find(st, "d"), 0, 1, &d));
    cr_expect_eq(d, 1.0 / 3.0);
    expect_ok(zm_safetensors_read_i64(st, zm_safetensors_find(st, "u"), 0, 3, i));
    cr_expect(i[0] == 0 && i[1] == 128 && i[2] == 255);
    expect_ok(zm_safetensors_read_i64(st, zm_safetensors_find(st, "i"), 0, 2, i));
    cr_expect(i[0] == -5 && i[1] == INT32_MAX);
    expect_status(zm_safetensors_read_f32(st, zm_safetensors_find(st, "u"), 0, 1, f),
                  ZM_ERR_FORMAT);
    expect_status(zm_safetensors_read_f32(st, zm_safetensors_find(st, "r"), 6, 1, f),
                  ZM_ERR_SHAPE);
    expect_status(
        zm_safetensors_read_f32(st, zm_safetensors_find(st, "r"), 1, UINT64_MAX, f),
        ZM_ERR_SHAPE);
    zm_safetensors_close(&st);
    test_dir_remove(dir);
}

Test(safetensors, every_truncation_is_an_error)
{
    char dir[TEST_PATH], path[TEST_PATH];
    struct stat info;
    test_dir_create(dir);
    write_sample(test_join(dir, "f", path));
    cr_assert_eq(stat(path, &info), 0);
    for (off_t n = info.st_size - 1; n >= 0; n--) {
        zm_safetensors *st = NULL;
        cr_assert_eq(truncate(path, n), 0);
        expect_status(zm_safetensors_open(path, &st), ZM_ERR_FORMAT);
    }
    test_dir_remove(dir);
}

Test(safetensors, a_file_that_shrinks_while_open_is_an_io_error)
{
    char dir[TEST_PATH], path[TEST_PATH];
    zm_safetensors *st = NULL;
    int64_t i[2];
    test_dir_create(dir);
    write_sample(test_join(dir, "f", path));
    expect_ok(zm_safetensors_open(path, &st));
    cr_assert_eq(truncate(path, 100), 0);
    expect_status(zm_safetensors_read_i64(st, zm_safetensors_find(st, "i"), 0, 2, i),
                  ZM_ERR_IO);
    expect_detail("shorter");
    zm_safetensors_close(&st);
    test_dir_remove(dir);
}

Test(safetensors, an_incomplete_or_aborted_file_never_appears)
{
    char dir[TEST_PATH], path[TEST_PATH];
    zm_st_writer *w = NULL;
    test_dir_create(dir);
    test_join(dir, "f", path);
    for (int abort = 0; abort < 2; abort++) {
        expect_ok(zm_st_writer_create(path, &w));
        expect_ok(zm_st_writer_declare(w, "a", ZM_ST_F32, 1, (uint64_t[]){2}));
        expect_status(zm_st_writer_declare(w, "a", ZM_ST_F32, 1, (uint64_t[]){2}),
                      ZM_ERR_INTERNAL);
        expect_ok(zm_st_writer_data(w, "1234", 4));
        expect_status(zm_st_writer_data(w, "12345", 5), ZM_ERR_INTERNAL);
        if (abort)
            zm_st_writer_abort(&w);
        else
            expect_status(zm_st_writer_finish(&w), ZM_ERR_INTERNAL);
        cr_expect_null(w);
        cr_expect_eq(test_dir_count(dir), 0);
    }
    test_dir_remove(dir);
}

Test(safetensors, many_tensors_are_found_by_name)
{
    char dir[TEST_PATH], path[TEST_PATH], name[32];
    zm_st_writer *w = NULL;
    zm_safetensors *st = NULL;
    test_dir_create(dir);
    expect_ok(zm_st_writer_create(test_join(dir, "f", path), &w));
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "blocks.%d.weight", i * 7919 % 2000);
        expect_ok(zm_st_writer_declare(w, name, ZM_ST_U8, 1, (uint64_t[]){1}));
    }
    for (int i = 0; i < 2000; i++)
        expect_ok(zm_st_writer_data(w, "x", 1));
    expect_ok(zm_st_writer_finish(&w));
    expect_ok(zm_safetensors_open(path, &st));
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "blocks.%d.weight", i);
        const zm_st_entry *e = zm_safetensors_find(st, name);
        cr_assert(e && strcmp(e->name, name) == 0);
    }
    cr_expect_null(zm_safetensors_find(st, "blocks.2000.weight"));
    zm_safetensors_close(&st);
    test_dir_remove(dir);
}
