#include "core/io/npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const uint8_t magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

// The Python literal, read once from left to right.
typedef struct cursor {
    const char *label;
    const uint8_t *begin, *p, *end;
} cursor;

static zm_status unexpected(const cursor *c, const char *expected)
{
    char found[16] = "its end";
    if (c->p < c->end)
        snprintf(found, sizeof found, *c->p > 0x20 && *c->p < 0x7f ? "'%c'" : "byte %u",
                 (unsigned)*c->p);
    return ZM_FAIL(ZM_ERR_FORMAT,
                   "%s: npy header, byte %" PRIu64 ": expected %s, found %s", c->label,
                   (uint64_t)(c->p - c->begin), expected, found);
}

static void skip_space(cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\n'))
        c->p++;
}

// Takes one character, blanks before it too; false where another stands there.
static bool take(cursor *c, char wanted)
{
    skip_space(c);
    if (c->p == c->end || *c->p != (uint8_t)wanted)
        return false;
    c->p++;
    return true;
}

static zm_status expect(cursor *c, char wanted)
{
    const char text[4] = {'\'', wanted, '\'', '\0'};
    return take(c, wanted) ? ZM_OK : unexpected(c, text);
}

static bool take_word(cursor *c, const char *word)
{
    const size_t n = strlen(word);
    skip_space(c);
    if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0)
        return false;
    c->p += n;
    return true;
}

// A string in quotes of either kind. Of Python's escapes only those of quotes and of the
// backslash occur in names that people give; others are refused.
static zm_status parse_text(cursor *c, char *out, size_t size)
{
    size_t used = 0;
    skip_space(c);
    if (c->p == c->end || (*c->p != '\'' && *c->p != '"'))
        return unexpected(c, "a string");
    const uint8_t quote = *c->p++;
    while (c->p < c->end && *c->p != quote) {
        if (*c->p == '\\') {
            c->p++;
            if (c->p == c->end || (*c->p != '\\' && *c->p != '\'' && *c->p != '"'))
                return unexpected(c, "an escaped quote or backslash");
        }
        if (used + 1 == size)
            return unexpected(c, "a shorter string");
        out[used++] = (char)(*c->p >= 0x20 && *c->p < 0x7f ? *c->p : '?');
        c->p++;
    }
    out[used] = '\0';
    if (c->p == c->end)
        return unexpected(c, "the end of the string");
    c->p++;
    return ZM_OK;
}

static zm_status parse_integer(cursor *c, uint64_t *out)
{
    uint64_t value = 0;
    skip_space(c);
    if (c->p == c->end || *c->p < '0' || *c->p > '9')
        return unexpected(c, "an integer");
    for (; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++)
        if (!zm_mul_u64(value, 10, &value) ||
            !zm_add_u64(value, (uint64_t)(*c->p - '0'), &value))
            return unexpected(c, "an integer of 64 bits");
    if (c->p < c->end && *c->p == 'L') // written by Python 2
        c->p++;
    *out = value;
    return ZM_OK;
}

// A tuple of integers; one of a single element ends with a comma.
static zm_status parse_shape(cursor *c, uint64_t shape[ZM_NPY_MAX_AXES], uint32_t *rank)
{
    uint32_t n = 0;
    bool comma = true;
    ZM_TRY(expect(c, '('));
    while (!take(c, ')')) {
        if (!comma)
            return unexpected(c, "',' or ')'");
        if (n == ZM_NPY_MAX_AXES)
            return unexpected(c, "at most 8 axes");
        ZM_TRY(parse_integer(c, &shape[n++]));
        comma = take(c, ',');
        if (n == 1 && !comma)
            return unexpected(c, "','");
    }
    *rank = n;
    return ZM_OK;
}

static zm_status refuse_objects(const cursor *c, const zm_npy_field *f)
{
    return ZM_FAIL(ZM_ERR_FORMAT,
                   "%s: expected numbers and texts of fixed length, found Python objects "
                   "(a pickle, which zmae never runs)%s%s",
                   c->label, f->name[0] ? " in the field " : "", f->name);
}

// "<f4": byte order, kind, bytes of a value.
static zm_status parse_type(cursor *c, zm_npy_field *f)
{
    ZM_TRY(parse_text(c, f->type, sizeof f->type));
    const char *t = f->type;
    uint64_t size = 0;
    if (strchr("<>|", t[0]) == NULL || t[0] == '\0' || t[1] == '\0')
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: npy header: \"%s\" is no type", c->label, t);
    if (t[1] == 'O')
        return refuse_objects(c, f);
    size_t i = 2;
    for (; t[i] >= '0' && t[i] <= '9' && size <= ZM_NPY_MAX_ITEM; i++)
        size = size * 10 + (uint64_t)(t[i] - '0');
    size *= t[1] == 'U' ? 4 : 1;
    const bool dated = (t[1] == 'M' || t[1] == 'm') && t[i] == '[';
    if (i == 2 || (t[i] != '\0' && !dated) || strchr("fiubcSUVMm", t[1]) == NULL ||
        size > ZM_NPY_MAX_ITEM)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: npy header: \"%s\" is no type of at most %d "
                       "bytes",
                       c->label, t, ZM_NPY_MAX_ITEM);
    const bool whole = size == 1 || size == 2 || size == 4 || size == 8;
    f->kind = ZM_NPY_OTHER;
    if (t[1] == 'f' && whole && size > 1)
        f->kind = ZM_NPY_FLOAT;
    else if (t[1] == 'i' && whole)
        f->kind = ZM_NPY_INT;
    else if ((t[1] == 'u' && whole) || (t[1] == 'b' && size == 1))
        f->kind = ZM_NPY_UINT;
    else if (t[1] == 'S' || t[1] == 'U')
        f->kind = t[1] == 'S' ? ZM_NPY_TEXT : ZM_NPY_UNICODE;
    f->big_endian = t[0] == '>';
    f->size = (uint32_t)size;
    f->count = 1;
    return ZM_OK;
}

static zm_status add_field(const cursor *c, const zm_npy_field *f, zm_npy *npy)
{
    uint64_t bytes;
    if (!zm_mul_u64(f->size, f->count, &bytes) ||
        !zm_add_u64(npy->item_size, bytes, &bytes) || bytes > ZM_NPY_MAX_ITEM)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: npy header: an element has more than %d bytes",
                       c->label, ZM_NPY_MAX_ITEM);
    if (npy->field_count == ZM_NPY_MAX_FIELDS)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: npy header: more than %d fields", c->label,
                       ZM_NPY_MAX_FIELDS);
    for (uint32_t i = 0; i < npy->field_count; i++)
        if (f->name[0] && strcmp(npy->fields[i].name, f->name) == 0)
            return ZM_FAIL(ZM_ERR_FORMAT, "%s: npy header: two fields are called %s",
                           c->label, f->name);
    if ((npy->field_count & (npy->field_count + 1)) == 0) { // room for 1, 3, 7, ...
        zm_npy_field *more =
            realloc(npy->fields, (2 * (size_t)npy->field_count + 1) * sizeof *more);
        if (!more)
            return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for its header", c->label);
        npy->fields = more;
    }
    npy->fields[npy->field_count] = *f;
    npy->fields[npy->field_count++].offset = npy->item_size;
    npy->item_size = bytes;
    return ZM_OK;
}

// ('name', '<f4') or ('name', '<f4', (2, 3)); padding has the name ''.
static zm_status parse_field(cursor *c, zm_npy *npy)
{
    zm_npy_field f = {0};
    ZM_TRY(expect(c, '('));
    ZM_TRY(parse_text(c, f.name, sizeof f.name));
    ZM_TRY(expect(c, ','));
    skip_space(c);
    if (c->p < c->end && *c->p == '[')
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: field %s is a record itself, which is not read", c->label,
                       f.name);
    ZM_TRY(parse_type(c, &f));
    if (take(c, ')'))
        return add_field(c, &f, npy);
    uint64_t shape[ZM_NPY_MAX_AXES];
    uint32_t rank = 0;
    ZM_TRY(expect(c, ','));
    ZM_TRY(parse_shape(c, shape, &rank));
    for (uint32_t i = 0; i < rank; i++)
        if (!zm_mul_u64(f.count, shape[i], &f.count))
            return unexpected(c, "a smaller sub-array");
    ZM_TRY(expect(c, ')'));
    return add_field(c, &f, npy);
}

static zm_status parse_descr(cursor *c, zm_npy *npy)
{
    if (!take(c, '[')) {
        zm_npy_field plain = {0};
        ZM_TRY(parse_type(c, &plain));
        return add_field(c, &plain, npy);
    }
    npy->record = true;
    while (!take(c, ']')) {
        ZM_TRY(parse_field(c, npy));
        if (!take(c, ',')) {
            ZM_TRY(expect(c, ']'));
            break;
        }
    }
    return npy->field_count > 0 ? ZM_OK : unexpected(c, "at least one field");
}

enum { KEY_DESCR = 1, KEY_ORDER = 2, KEY_SHAPE = 4, KEY_ALL = 7 };

static zm_status parse_pair(cursor *c, zm_npy *npy, unsigned *seen)
{
    char name[ZM_NPY_TYPE];
    ZM_TRY(parse_text(c, name, sizeof name));
    ZM_TRY(expect(c, ':'));
    const unsigned key = strcmp(name, "descr") == 0           ? KEY_DESCR
                         : strcmp(name, "fortran_order") == 0 ? KEY_ORDER
                         : strcmp(name, "shape") == 0         ? KEY_SHAPE
                                                              : 0;
    if (key == 0 || (*seen & key))
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: npy header: expected descr, fortran_order and shape once, "
                       "found %s%s",
                       c->label, name, key ? " again" : "");
    *seen |= key;
    if (key == KEY_DESCR)
        return parse_descr(c, npy);
    if (key == KEY_SHAPE)
        return parse_shape(c, npy->shape, &npy->rank);
    npy->fortran_order = take_word(c, "True");
    return npy->fortran_order || take_word(c, "False") ? ZM_OK
                                                       : unexpected(c, "True or False");
}

static zm_status parse_header(cursor *c, zm_npy *npy)
{
    unsigned seen = 0;
    ZM_TRY(expect(c, '{'));
    while (!take(c, '}')) {
        ZM_TRY(parse_pair(c, npy, &seen));
        if (!take(c, ',')) {
            ZM_TRY(expect(c, '}'));
            break;
        }
    }
    skip_space(c);
    if (c->p != c->end)
        return unexpected(c, "nothing behind '}'");
    return seen == KEY_ALL ? ZM_OK
                           : unexpected(c, "all of descr, fortran_order and shape");
}

zm_status zm_npy_header_size(const char *label, const uint8_t start[ZM_NPY_START],
                             uint64_t *out)
{
    if (memcmp(start, magic, sizeof magic) != 0)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: expected a numpy array, found no npy signature", label);
    if (start[6] < 1 || start[6] > 3 || start[7] != 0)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: expected npy version 1.0 to 3.0, found %u.%u",
                       label, (unsigned)start[6], (unsigned)start[7]);
    uint64_t size = (uint64_t)start[8] | (uint64_t)start[9] << 8;
    if (start[6] > 1)
        size |= (uint64_t)start[10] << 16 | (uint64_t)start[11] << 24;
    if (size > ZM_NPY_MAX_HEADER)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: expected an npy header of at most %d bytes, found %" PRIu64,
                       label, ZM_NPY_MAX_HEADER, size);
    *out = size + (start[6] > 1 ? 12 : 10);
    return ZM_OK;
}

// Sizes that follow from shape and type; header and data must be the whole.
static zm_status check_size(const char *label, uint64_t total, zm_npy *npy)
{
    bool fits = true;
    npy->count = 1;
    for (uint32_t i = 0; i < npy->rank; i++)
        fits = fits && zm_mul_u64(npy->count, npy->shape[i], &npy->count);
    fits = fits && zm_mul_u64(npy->count, npy->item_size, &npy->data_size);
    if (fits && total - npy->data_offset == npy->data_size)
        return ZM_OK;
    char shape[200];
    zm_npy_format_shape(npy, shape, sizeof shape);
    return ZM_FAIL(ZM_ERR_FORMAT,
                   "%s: expected the data of shape %s, %" PRIu64
                   " bytes each, found %" PRIu64 " bytes behind the npy header",
                   label, shape, npy->item_size, total - npy->data_offset);
}

zm_status zm_npy_parse(const char *label, const uint8_t *data, uint64_t size,
                       uint64_t total, zm_npy *out)
{
    uint64_t header = 0;
    zm_npy npy = {0};
    if (size < ZM_NPY_START)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: expected a numpy array, found %" PRIu64 " bytes", label,
                       size);
    ZM_TRY(zm_npy_header_size(label, data, &header));
    if (header > size || size > total)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: expected an npy header of %" PRIu64
                       " bytes, found the end after %" PRIu64,
                       label, header, size);
    const uint8_t *begin = data + (data[6] > 1 ? 12 : 10);
    cursor c = {label, begin, begin, data + header};
    npy.data_offset = header;
    zm_status st = parse_header(&c, &npy);
    if (st == ZM_OK)
        st = check_size(label, total, &npy);
    if (st != ZM_OK) {
        zm_npy_finish(&npy);
        return st;
    }
    *out = npy;
    return ZM_OK;
}

void zm_npy_finish(zm_npy *npy)
{
    free(npy->fields);
    *npy = (zm_npy){0};
}

void zm_npy_format_shape(const zm_npy *npy, char *out, size_t size)
{
    int used = snprintf(out, size, "(");
    for (uint32_t i = 0; i < npy->rank && used > 0 && (size_t)used < size; i++)
        used += snprintf(out + used, size - (size_t)used, "%s%" PRIu64, i ? ", " : "",
                         npy->shape[i]);
    if (used > 0 && (size_t)used < size)
        snprintf(out + used, size - (size_t)used, npy->rank == 1 ? ",)" : ")");
}

const zm_npy_field *zm_npy_find(const zm_npy *npy, const char *name)
{
    const zm_npy_field *found = NULL;
    for (uint32_t i = 0; i < npy->field_count; i++) {
        if (strcmp(npy->fields[i].name, name) == 0)
            return &npy->fields[i];
        if (!found && strcasecmp(npy->fields[i].name, name) == 0)
            found = &npy->fields[i];
    }
    return found;
}
