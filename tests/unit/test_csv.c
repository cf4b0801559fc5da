#include "io_helpers.h"

#include <float.h>
#include <math.h>

#include "core/io/csv.h"

static zm_status parse(const char *text, zm_csv **out)
{
    return zm_csv_parse("file", (const uint8_t *)text, strlen(text), out);
}

Test(csv, quotes_line_ends_and_columns_in_any_case)
{
    zm_csv *csv = NULL;
    expect_ok(parse("\xef\xbb\xbf#Table1\r\nobjID, RA ,\"na,me\"\r\n"
                    "1,2.5,\"say \"\"hi\"\",\nthere\"\r\n\r\n2,,",
                    &csv));
    cr_assert(zm_csv_rows(csv) == 2 && zm_csv_columns(csv) == 3);
    cr_expect_eq(zm_csv_find(csv, "OBJID"), 0);
    cr_expect_eq(zm_csv_find(csv, "ra"), 1);
    cr_expect_eq(zm_csv_find(csv, "r"), -1);
    cr_expect_str_eq(zm_csv_cell(csv, 0, 2), "say \"hi\",\nthere");
    cr_expect_str_eq(zm_csv_cell(csv, 1, 2), "");
    zm_csv_destroy(&csv);
}

Test(csv, integers_are_exact_over_64_bits)
{
    zm_csv *csv = NULL;
    int64_t v = 0;
    expect_ok(parse("id\n1237662301903192106\n-9223372036854775808\n"
                    "9223372036854775808\n1.5\nx\n \n",
                    &csv));
    expect_ok(zm_csv_i64(csv, 0, 0, 0, &v));
    cr_expect_eq(v, INT64_C(1237662301903192106));
    expect_ok(zm_csv_i64(csv, 1, 0, 0, &v));
    cr_expect_eq(v, INT64_MIN);
    for (uint64_t row = 2; row < 5; row++)
        expect_status(zm_csv_i64(csv, row, 0, 0, &v), ZM_ERR_FORMAT);
    expect_detail("row 5, column id");
    expect_ok(zm_csv_i64(csv, 5, 0, -7, &v));
    cr_expect_eq(v, -7);
    zm_csv_destroy(&csv);
}

Test(csv, empty_and_absent_numbers_are_nan)
{
    zm_csv *csv = NULL;
    double v = 0;
    expect_ok(parse("a,b\n,nan\n1e3,x\n", &csv));
    expect_ok(zm_csv_f64(csv, 0, 0, &v));
    cr_expect(isnan(v));
    expect_ok(zm_csv_f64(csv, 0, -1, &v));
    cr_expect(isnan(v));
    expect_ok(zm_csv_f64(csv, 0, 1, &v));
    cr_expect(isnan(v));
    expect_ok(zm_csv_f64(csv, 1, 0, &v));
    cr_expect_eq(v, 1000.0);
    expect_status(zm_csv_f64(csv, 1, 1, &v), ZM_ERR_FORMAT);
    zm_csv_destroy(&csv);
}

Test(csv, wrong_tables_name_the_line)
{
    zm_csv *csv = NULL;
    expect_status(parse("", &csv), ZM_ERR_FORMAT);
    expect_status(parse("a,b\n1,2\n3\n", &csv), ZM_ERR_FORMAT);
    expect_detail("line 3: expected 2 fields as in the header, found 1");
    expect_status(parse("a\n\"open\n", &csv), ZM_ERR_FORMAT);
    expect_detail("line 2");
    expect_status(parse("a\n\"x\"y\n", &csv), ZM_ERR_FORMAT);
    expect_status(zm_csv_parse("file", (const uint8_t *)"a\0b", 3, &csv), ZM_ERR_FORMAT);
    cr_expect_null(csv);
}

Test(csv, floats_survive_a_round_trip_through_nine_digits)
{
    char text[ZM_NUMBER_BYTES];
    uint64_t state = 1;
    for (int i = 0; i < 100000; i++) {
        const uint32_t bits = test_random(&state) << 1 | (test_random(&state) & 1);
        float f;
        memcpy(&f, &bits, sizeof f);
        zm_format_f32(f, text);
        if (isnan(f))
            cr_assert_str_eq(text, "nan");
        else
            cr_assert_eq(strtof(text, NULL), f, "%s", text);
    }
    zm_format_f32(0.1f, text);
    cr_expect_str_eq(text, "0.100000001");
}

Test(csv, fields_are_quoted_where_needed)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    cr_assert(f);
    zm_csv_write_field(f, "plain");
    zm_csv_write_field(f, "a,\"b\"");
    fclose(f);
    cr_expect_str_eq(text, "plain\"a,\"\"b\"\"\"");
    free(text);
}

Test(csv, doubles_are_short_and_survive_a_round_trip)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {{229.525576, "229.525576"},
                 {0.1, "0.1"},
                 {-42.745854, "-42.745854"},
                 {1.0 / 3, NULL},
                 {NAN, "nan"},
                 {5e-324, NULL},
                 {0.1 + 0.2, NULL},
                 {1e300 / 7, NULL}};
    for (size_t i = 0; i < ZM_COUNT_OF(cases); i++) {
        char text[ZM_NUMBER_BYTES];
        zm_format_f64(cases[i].value, text);
        if (cases[i].text)
            cr_expect_str_eq(text, cases[i].text);
        else
            cr_expect_eq(strtod(text, NULL), cases[i].value, "%s", text);
    }
}
