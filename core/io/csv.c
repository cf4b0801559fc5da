#include "core/io/csv.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/io/bytes.h"

// libcsv was the candidate for this: its last release is of 2013 and a table reader
// around its callbacks is as long as the reader below.

static const uint64_t max_bytes = UINT64_C(1) << 30;
static const uint64_t max_columns = 4096;

struct zm_csv {
    char *label;
    char *text;    // fields, each with a NUL behind it
    size_t *cells; // offsets into text, header first, row by row
    uint64_t cell_count;
    uint64_t cell_capacity;
    uint64_t columns;
    uint64_t rows;
};

typedef struct csv_cursor {
    const uint8_t *p;
    const uint8_t *end;
    char *out; // next free byte of the text
    uint64_t line;
} csv_cursor;

static zm_status add_cell(zm_csv *csv, size_t offset)
{
    if (csv->cell_count == csv->cell_capacity) {
        const uint64_t capacity = ZM_MAX(csv->cell_capacity * 2, UINT64_C(64));
        size_t *cells = realloc(csv->cells, (size_t)capacity * sizeof *cells);
        if (!cells)
            return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for its table", csv->label);
        csv->cells = cells;
        csv->cell_capacity = capacity;
    }
    csv->cells[csv->cell_count++] = offset;
    return ZM_OK;
}

static bool at_line_end(const csv_cursor *c)
{
    return c->p == c->end || *c->p == '\n' || *c->p == '\r';
}

static void skip_line_end(csv_cursor *c)
{
    if (c->p != c->end && *c->p == '\r')
        c->p++;
    if (c->p != c->end && *c->p == '\n')
        c->p++;
    c->line++;
}

static zm_status parse_quoted(zm_csv *csv, csv_cursor *c)
{
    const uint64_t first_line = c->line;
    for (c->p++; c->p != c->end; c->p++) {
        if (*c->p == '"') {
            if (c->p + 1 == c->end || c->p[1] != '"') {
                c->p++;
                return ZM_OK;
            }
            c->p++; // "" stands for one quote
        }
        c->line += *c->p == '\n';
        *c->out++ = (char)*c->p;
    }
    return ZM_FAIL(ZM_ERR_FORMAT, "%s: line %" PRIu64 ": quoted field never ends",
                   csv->label, first_line);
}

static zm_status parse_field(zm_csv *csv, csv_cursor *c)
{
    ZM_TRY(add_cell(csv, (size_t)(c->out - csv->text)));
    if (c->p != c->end && *c->p == '"') {
        ZM_TRY(parse_quoted(csv, c));
        if (!at_line_end(c) && *c->p != ',')
            return ZM_FAIL(ZM_ERR_FORMAT,
                           "%s: line %" PRIu64 ": expected a comma after a quoted field",
                           csv->label, c->line);
    } else {
        while (!at_line_end(c) && *c->p != ',')
            *c->out++ = (char)*c->p++;
    }
    *c->out++ = '\0';
    return ZM_OK;
}

static zm_status parse_line(zm_csv *csv, csv_cursor *c)
{
    const uint64_t line = c->line;
    uint64_t fields = 0;
    for (;;) {
        ZM_TRY(parse_field(csv, c));
        fields++;
        if (fields > max_columns)
            return ZM_FAIL(ZM_ERR_FORMAT,
                           "%s: line %" PRIu64 ": more than %" PRIu64 " fields",
                           csv->label, line, max_columns);
        if (at_line_end(c))
            break;
        c->p++;
    }
    skip_line_end(c);
    if (csv->columns == 0)
        csv->columns = fields;
    else if (fields != csv->columns)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: line %" PRIu64 ": expected %" PRIu64
                       " fields as in the header, found %" PRIu64,
                       csv->label, line, csv->columns, fields);
    return ZM_OK;
}

static zm_status parse_all(zm_csv *csv, const uint8_t *data, uint64_t size)
{
    csv_cursor c = {data, data + size, csv->text, 1};
    if (size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0)
        c.p += 3;
    if (c.p != c.end && *c.p == '#') { // SkyServer's "#Table1"
        while (!at_line_end(&c))
            c.p++;
        skip_line_end(&c);
    }
    while (c.p != c.end) {
        if (at_line_end(&c))
            skip_line_end(&c);
        else
            ZM_TRY(parse_line(csv, &c));
    }
    if (csv->columns == 0)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: expected a line of column names, found none",
                       csv->label);
    csv->rows = csv->cell_count / csv->columns - 1;
    return ZM_OK;
}

zm_status zm_csv_parse(const char *label, const uint8_t *data, uint64_t size,
                       zm_csv **out)
{
    zm_status st = ZM_OK;
    if (size > max_bytes)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: expected at most %" PRIu64 " bytes, found %" PRIu64, label,
                       max_bytes, size);
    if (size != 0 && memchr(data, 0, (size_t)size))
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: expected text, found a zero byte", label);
    zm_csv *csv = calloc(1, sizeof *csv);
    if (csv) {
        csv->label = zm_strdup(label);
        csv->text = malloc((size_t)size + 1); // a NUL replaces each comma or line end
    }
    if (!csv || !csv->label || !csv->text)
        st = ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for its table", label);
    else
        st = parse_all(csv, data, size);
    if (st != ZM_OK) {
        zm_csv_destroy(&csv);
        return st;
    }
    *out = csv;
    return ZM_OK;
}

zm_status zm_csv_read(const char *path, zm_csv **out)
{
    uint8_t *data = NULL;
    uint64_t size = 0;
    ZM_TRY(zm_file_read(path, max_bytes, &data, &size));
    const zm_status st = zm_csv_parse(path, data, size, out);
    free(data);
    return st;
}

void zm_csv_destroy(zm_csv **csv)
{
    if (!*csv)
        return;
    free((*csv)->label);
    free((*csv)->text);
    free((*csv)->cells);
    free(*csv);
    *csv = NULL;
}

uint64_t zm_csv_rows(const zm_csv *csv)
{
    return csv->rows;
}

uint64_t zm_csv_columns(const zm_csv *csv)
{
    return csv->columns;
}

const char *zm_csv_name(const zm_csv *csv, uint64_t column)
{
    return csv->text + csv->cells[column];
}

const char *zm_csv_cell(const zm_csv *csv, uint64_t row, uint64_t column)
{
    return csv->text + csv->cells[(row + 1) * csv->columns + column];
}

int64_t zm_csv_find(const zm_csv *csv, const char *name)
{
    for (uint64_t i = 0; i < csv->columns; i++) {
        const char *found = zm_csv_name(csv, i);
        found += strspn(found, " \t");
        const size_t n = strlen(name);
        if (strncasecmp(found, name, n) == 0 && found[n + strspn(found + n, " \t")] == 0)
            return (int64_t)i;
    }
    return -1;
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t")] == '\0';
}

static zm_status bad_cell(const zm_csv *csv, uint64_t row, int64_t column,
                          const char *expected)
{
    return ZM_FAIL(ZM_ERR_FORMAT,
                   "%s: row %" PRIu64 ", column %s: expected %s, found \"%.40s\"",
                   csv->label, row + 1, zm_csv_name(csv, (uint64_t)column), expected,
                   zm_csv_cell(csv, row, (uint64_t)column));
}

zm_status zm_csv_f64(const zm_csv *csv, uint64_t row, int64_t column, double *out)
{
    const char *text = column < 0 ? "" : zm_csv_cell(csv, row, (uint64_t)column);
    if (is_blank(text)) {
        *out = (double)NAN;
        return ZM_OK;
    }
    char *end;
    const double value = strtod(text, &end);
    if (end == text || !is_blank(end))
        return bad_cell(csv, row, column, "a number");
    *out = value;
    return ZM_OK;
}

zm_status zm_csv_i64(const zm_csv *csv, uint64_t row, int64_t column, int64_t missing,
                     int64_t *out)
{
    const char *text = column < 0 ? "" : zm_csv_cell(csv, row, (uint64_t)column);
    if (is_blank(text)) {
        *out = missing;
        return ZM_OK;
    }
    char *end;
    errno = 0;
    const intmax_t value = strtoimax(text, &end, 10);
    if (end == text || !is_blank(end) || errno == ERANGE || value < INT64_MIN ||
        value > INT64_MAX)
        return bad_cell(csv, row, column, "a 64-bit integer");
    *out = (int64_t)value;
    return ZM_OK;
}

void zm_csv_write_field(FILE *f, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, f);
        return;
    }
    putc('"', f);
    for (; *text; text++) {
        if (*text == '"')
            putc('"', f);
        putc(*text, f);
    }
    putc('"', f);
}

static void format_number(double value, int digits, char out[ZM_NUMBER_BYTES])
{
    if (isnan(value)) // printf gives "-nan" for some
        snprintf(out, ZM_NUMBER_BYTES, "nan");
    else
        snprintf(out, ZM_NUMBER_BYTES, "%.*g", digits, value);
}

void zm_format_f32(float value, char out[ZM_NUMBER_BYTES])
{
    format_number((double)value, 9, out);
}

void zm_format_f64(double value, char out[ZM_NUMBER_BYTES])
{
    int digits = 15; // what every double keeps; 17 tell any two apart
    do
        format_number(value, digits, out);
    while (strtod(out, NULL) != value && !isnan(value) && digits++ < 17);
}
