#include "npy_helpers.h"

#include <float.h>
#include <math.h>

#include "core/io/npy.h"

static zm_status parse(const npy_image *n, zm_npy *out)
{
    return zm_npy_parse("test", n->data, n->size, n->size, out);
}

// A header with data of the given number of zero bytes behind it.
static zm_status parse_header(const char *header, uint32_t bytes, zm_npy *out)
{
    static const uint8_t zeros[256];
    npy_image n;
    npy_begin(&n, 1, header);
    npy_put(&n, zeros, bytes);
    return parse(&n, out);
}

static void expect_refused(const char *header, uint32_t bytes, const char *detail)
{
    zm_npy npy = {0};
    const zm_status st = parse_header(header, bytes, &npy);
    cr_expect_eq(st, ZM_ERR_FORMAT, "%s: %s", header, zm_status_name(st));
    cr_expect(strstr(zm_error_detail(), detail), "%s: expected \"%s\" in \"%s\"", header,
              detail, zm_error_detail());
    zm_npy_finish(&npy);
}

Test(npy, reads_all_versions_alike)
{
    for (int version = 1; version <= 3; version++) {
        npy_image n;
        zm_npy npy = {0};
        char shape[32];
        npy_begin(&n, version,
                  "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }    \n");
        for (int i = 0; i < 6; i++)
            npy_put_f32(&n, (float)i / 3);
        expect_ok(parse(&n, &npy));
        cr_expect(npy.rank == 2 && npy.count == 6 && npy.item_size == 4 && !npy.record);
        cr_expect(npy.field_count == 1 && !npy.fortran_order);
        cr_expect_eq(npy.data_offset, n.size - 24);
        zm_npy_format_shape(&npy, shape, sizeof shape);
        cr_expect_str_eq(shape, "(2, 3)");
        float values[6];
        zm_npy_f32s(&npy.fields[0], n.data + npy.data_offset, 6, values);
        for (int i = 0; i < 6; i++)
            cr_expect_eq(values[i], (float)i / 3);
        zm_npy_finish(&npy);
    }
}

Test(npy, records_have_their_fields_at_the_right_place)
{
    npy_image n;
    zm_npy npy = {0};
    npy_begin(&n, 1,
              "{'descr': [('z', '<f4'), ('it\\'s', '|S3'), ('ab', '>i2', (2, 2)), "
              "(\"ID\", '<i8')], 'fortran_order': False, 'shape': (1,), }");
    npy_put_f32(&n, 0.1f);
    npy_put(&n, "x y", 3);
    npy_put_number(&n, 0x8000, 2, true);
    npy_put_number(&n, 0, 6, true);
    npy_put_number(&n, (uint64_t)INT64_MIN, 8, false);
    expect_ok(parse(&n, &npy));
    cr_assert(npy.record && npy.field_count == 4 && npy.item_size == 23);
    cr_expect_eq(npy.fields[3].offset, 15);
    cr_expect_eq(npy.fields[2].count, 4);
    cr_expect_eq(zm_npy_find(&npy, "it's"), &npy.fields[1]);
    cr_expect_eq(zm_npy_find(&npy, "id"), &npy.fields[3], "names match in any case");
    cr_expect_null(zm_npy_find(&npy, "i"));
    const uint8_t *item = n.data + npy.data_offset;
    double real;
    int64_t integer;
    cr_expect(zm_npy_f64(&npy.fields[0], item, &real) && (float)real == 0.1f);
    cr_expect(!zm_npy_f64(&npy.fields[1], item, &real));
    cr_expect(zm_npy_i64(&npy.fields[2], item, &integer) && integer == -32768);
    cr_expect(zm_npy_i64(&npy.fields[3], item, &integer) && integer == INT64_MIN);
    zm_npy_finish(&npy);
}

Test(npy, an_exact_name_goes_before_another_case)
{
    zm_npy npy = {0};
    expect_ok(parse_header("{'descr': [('Z', '<f4'), ('z', '<f4')], 'fortran_order': "
                           "False, 'shape': (1,)}",
                           8, &npy));
    cr_expect_eq(zm_npy_find(&npy, "z"), &npy.fields[1]);
    zm_npy_finish(&npy);
}

typedef struct value_case {
    const char *type;
    uint64_t bits;
    uint32_t size;
    bool big_endian;
    double real;     // NaN: not a number
    int64_t integer; // 0: not an integer
} value_case;

Test(npy, numbers_of_every_type_are_exact)
{
    static const value_case cases[] = {
        {"<f2", 0x3555, 2, false, 0.333251953125, 0},
        {">f4", 0x40490fdb, 4, true, 3.1415927410125732, 0},
        {"<f8", 0x4341c37937e08000, 8, false, 1e16, 0}, // beyond 2^53
        {"<f8", 0xc024000000000000, 8, false, -10, -10},
        {"|i1", 0xff, 1, false, -1, -1},
        {"<i4", 0x80000000, 4, false, -2147483648.0, INT32_MIN},
        {">i8", 0x112dac2ff0800001, 8, true, 1237834794495115265.0,
         INT64_C(1237834794495115265)},
        {"<u8", 0xffffffffffffffff, 8, false, 18446744073709551616.0, 0},
        {"<u2", 0xfffe, 2, false, 65534, 65534},
        {"|b1", 1, 1, false, 1, 1},
    };
    for (size_t i = 0; i < ZM_COUNT_OF(cases); i++) {
        const value_case *c = &cases[i];
        npy_image n;
        zm_npy npy = {0};
        char header[128];
        double real = 0;
        int64_t integer = 0;
        snprintf(header, sizeof header,
                 "{'descr': '%s', 'fortran_order': False, 'shape': ()}", c->type);
        npy_begin(&n, 1, header);
        npy_put_number(&n, c->bits, c->size, c->big_endian);
        expect_ok(parse(&n, &npy));
        const uint8_t *item = n.data + npy.data_offset;
        cr_expect(zm_npy_f64(&npy.fields[0], item, &real) && real == c->real, "%s: %.17g",
                  c->type, real);
        cr_expect_eq(zm_npy_i64(&npy.fields[0], item, &integer), c->integer != 0, "%s",
                     c->type);
        if (c->integer)
            cr_expect_eq(integer, c->integer, "%s", c->type);
        zm_npy_finish(&npy);
    }
}

Test(npy, identifiers_in_texts_keep_all_their_digits)
{
    npy_image n;
    zm_npy npy = {0};
    int64_t id = 0;
    npy_begin(&n, 1,
              "{'descr': [('s', '|S22'), ('u', '>U3'), ('bad', '|S4'), ('big', '|S19')], "
              "'fortran_order': False, 'shape': (1,)}");
    npy_put(&n, " 1237662301903192106\0", 22);
    npy_put_number(&n, '-', 4, true);
    npy_put_number(&n, '4', 4, true);
    npy_put_number(&n, 0, 4, true);
    npy_put(&n, "12e3", 4);
    npy_put(&n, "9999999999999999999", 19);
    expect_ok(parse(&n, &npy));
    const uint8_t *item = n.data + npy.data_offset;
    cr_expect(zm_npy_i64(&npy.fields[0], item, &id) &&
              id == INT64_C(1237662301903192106));
    cr_expect(zm_npy_i64(&npy.fields[1], item, &id) && id == -4);
    cr_expect(!zm_npy_i64(&npy.fields[2], item, &id));
    cr_expect(!zm_npy_i64(&npy.fields[3], item, &id), "beyond 64 bits");
    zm_npy_finish(&npy);
}

Test(npy, python_objects_are_refused_with_the_reason)
{
    expect_refused("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", 8, "pickle");
    expect_refused("{'descr': [('z', '<f4'), ('name', '|O')], 'fortran_order': False, "
                   "'shape': (1,)}",
                   12, "in the field name");
}

#define HEADER(descr, shape)                                                             \
    "{'descr': " descr ", 'fortran_order': False, 'shape': " shape "}"

Test(npy, headers_that_are_no_strict_literals_are_refused)
{
    static const struct {
        const char *header, *detail;
    } cases[] = {
        {"", "expected '{'"},
        {"{'descr': '<f4'}", "expected all of"},
        {"{'descr': '<f4', 'descr': '<f4'}", "descr again"},
        {"{'descr': '<f4', 'extra': 1}", "found extra"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", "True or False"},
        {HEADER("'<f4'", "(1,)") "x", "nothing behind"},
        {HEADER("'<f4'", "(1)"), "expected ','"},
        {HEADER("'<f4'", "(1,-1)"), "an integer"},
        {HEADER("'<f4'", "(1+1,)"), "expected"},
        {HEADER("'<f4'", "(99999999999999999999,)"), "64 bits"},
        {HEADER("'<f4'", "(1,1,1,1,1,1,1,1,1)"), "8 axes"},
        {HEADER("'<f4'", "(4294967296,4294967296)"), "expected the data of shape"},
        {HEADER("'<f4'", "(2,)"), "expected the data of shape (2,)"},
        {HEADER("'=f4'", "(1,)"), "is no type"},
        {HEADER("'<f'", "(1,)"), "is no type"},
        {HEADER("'<q4'", "(1,)"), "is no type"},
        {HEADER("'<f99999999999'", "(1,)"), "is no type"},
        {HEADER("'<f4", "(1,)"), "is no type"},
        {HEADER("__import__('os')", "(1,)"), "expected a string"},
        {HEADER("'\\x3cf4'", "(1,)"), "escaped"},
        {HEADER("[]", "(1,)"), "at least one field"},
        {HEADER("[('a', '<f4'), ('a', '<f4')]", "(1,)"), "two fields are called a"},
        {HEADER("[('a', [('b', '<f4')])]", "(1,)"), "is a record itself"},
        {HEADER("[('a', '<f4', (1048576, 1048576))]", "(1,)"), "more than"},
        {HEADER("[('a', '<f4', (4294967296, 4294967296, 4))]", "(1,)"), "smaller"},
    };
    for (size_t i = 0; i < ZM_COUNT_OF(cases); i++)
        expect_refused(cases[i].header, 4, cases[i].detail);
}

Test(npy, every_truncation_is_refused)
{
    npy_image n;
    npy_begin(&n, 2, HEADER("[('z', '<f4'), ('n', '|S3')]", "(2,)"));
    npy_put(&n, "12345678901234", 14);
    zm_npy npy = {0};
    expect_ok(parse(&n, &npy));
    zm_npy_finish(&npy);
    for (uint32_t size = 0; size < n.size; size++) {
        uint8_t *exact = malloc(size + 1u); // a read beyond it is seen by sanitizers
        memcpy(exact, n.data, size);
        cr_expect_eq(zm_npy_parse("test", exact, size, size, &npy), ZM_ERR_FORMAT,
                     "%u bytes", (unsigned)size);
        free(exact);
    }
}

Test(npy, headers_of_unreasonable_length_are_refused_before_they_are_read)
{
    const uint8_t start[ZM_NPY_START] = {0x93, 'N', 'U', 'M', 'P', 'Y',
                                         2,    0,   255, 255, 255, 255};
    uint64_t size;
    expect_status(zm_npy_header_size("bomb", start, &size), ZM_ERR_FORMAT);
    expect_detail("at most 1048576 bytes, found 4294967295");
}
