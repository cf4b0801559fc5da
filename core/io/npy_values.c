// Values of numpy arrays: what bytes mean under a type of the header.
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/io/bytes.h"
#include "core/io/npy.h"

enum { NUMBER_TEXT = 32 };

static uint64_t load(const uint8_t *p, uint32_t size, bool big_endian)
{
    uint64_t value = 0;
    for (uint32_t i = 0; i < size; i++)
        value |= (uint64_t)p[i] << 8 * (big_endian ? size - 1 - i : i);
    return value;
}

static double decode_float(uint64_t bits, uint32_t size)
{
    if (size == 2)
        return (double)zm_f16_to_f32((uint16_t)bits);
    if (size == 4) {
        const uint32_t low = (uint32_t)bits;
        float value;
        memcpy(&value, &low, sizeof value);
        return (double)value;
    }
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// Two's complement of size bytes, without shifts of negative numbers.
static int64_t decode_int(uint64_t bits, uint32_t size)
{
    const uint64_t sign = UINT64_C(1) << (8 * size - 1);
    if (!(bits & sign))
        return (int64_t)bits;
    return -(int64_t)((sign - 1) - (bits & (sign - 1))) - 1;
}

// ASCII text of a field, blanks at both ends left out; false where it is longer than a
// number can be or not ASCII.
static bool read_text(const zm_npy_field *f, const uint8_t *p, char out[NUMBER_TEXT])
{
    const uint32_t step = f->kind == ZM_NPY_UNICODE ? 4 : 1;
    size_t used = 0;
    for (uint32_t i = 0; i + step <= f->size; i += step) {
        const uint64_t character = load(p + i, step, f->big_endian);
        if (character == 0)
            break;
        if (used + 1 == NUMBER_TEXT || character > 0x7e)
            return false;
        if (character != ' ' || used > 0)
            out[used++] = (char)character;
    }
    while (used > 0 && out[used - 1] == ' ')
        used--;
    out[used] = '\0';
    return true;
}

static bool parse_decimal(const char *text, int64_t *out)
{
    char *end = NULL;
    const char *digits = text + (text[0] == '-');
    if (digits[0] < '0' || digits[0] > '9')
        return false;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    *out = (int64_t)value;
    return errno == 0 && *end == '\0';
}

bool zm_npy_f64(const zm_npy_field *field, const uint8_t *item, double *out)
{
    const uint8_t *p = item + field->offset;
    if (field->count == 0)
        return false;
    switch (field->kind) {
    case ZM_NPY_FLOAT:
        *out = decode_float(load(p, field->size, field->big_endian), field->size);
        return true;
    case ZM_NPY_INT:
        *out = (double)decode_int(load(p, field->size, field->big_endian), field->size);
        return true;
    case ZM_NPY_UINT:
        *out = (double)load(p, field->size, field->big_endian);
        return true;
    case ZM_NPY_TEXT:
    case ZM_NPY_UNICODE:
    case ZM_NPY_OTHER:
        break;
    }
    return false;
}

bool zm_npy_i64(const zm_npy_field *field, const uint8_t *item, int64_t *out)
{
    static const double exact = 9007199254740992.0; // 2^53
    const uint8_t *p = item + field->offset;
    char text[NUMBER_TEXT];
    double real;
    uint64_t bits;
    if (field->count == 0)
        return false;
    switch (field->kind) {
    case ZM_NPY_FLOAT:
        real = decode_float(load(p, field->size, field->big_endian), field->size);
        if (!(fabs(real) < exact) || real != floor(real))
            return false;
        *out = (int64_t)real;
        return true;
    case ZM_NPY_INT:
        *out = decode_int(load(p, field->size, field->big_endian), field->size);
        return true;
    case ZM_NPY_UINT:
        bits = load(p, field->size, field->big_endian);
        *out = (int64_t)(bits & INT64_MAX);
        return bits <= INT64_MAX;
    case ZM_NPY_TEXT:
    case ZM_NPY_UNICODE:
        return read_text(field, p, text) && parse_decimal(text, out);
    case ZM_NPY_OTHER:
        break;
    }
    return false;
}

void zm_npy_f32s(const zm_npy_field *field, const uint8_t *data, uint64_t count,
                 float *out)
{
    const uint8_t *p = data;
    for (uint64_t i = 0; i < count; i++, p += field->size) {
        if (field->size == 4 && !field->big_endian) { // the usual one, without a loop
            const uint32_t bits = (uint32_t)p[0] | (uint32_t)p[1] << 8 |
                                  (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
            memcpy(&out[i], &bits, sizeof bits);
        } else {
            const uint64_t bits = load(p, field->size, field->big_endian);
            out[i] = (float)decode_float(bits, field->size);
        }
    }
}
