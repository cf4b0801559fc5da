#include "core/cli/options_impl.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t whole_max(const zm_option *o)
{
    const uint64_t type_max = o->kind == ZM_OPTION_U32 ? UINT32_MAX : UINT64_MAX;
    return o->max > 0 ? ZM_MIN((uint64_t)o->max, type_max) : type_max;
}

static zm_status set_whole(const zm_option *o, uint64_t value)
{
    const uint64_t min = (uint64_t)o->min, max = whole_max(o);
    if (value < min || value > max)
        return ZM_FAIL(ZM_ERR_USAGE, "--%s: wanted %llu to %llu, found %llu", o->name,
                       (unsigned long long)min, (unsigned long long)max,
                       (unsigned long long)value);
    if (o->kind == ZM_OPTION_U32)
        *o->value.u32 = (uint32_t)value;
    else
        *o->value.u64 = value;
    return ZM_OK;
}

static zm_status set_number(const zm_option *o, double value)
{
    if (!(value >= o->min && value <= o->max))
        return ZM_FAIL(ZM_ERR_USAGE, "--%s: wanted %g to %g, found %g", o->name, o->min,
                       o->max, value);
    if (o->kind == ZM_OPTION_F32)
        *o->value.f32 = (float)value;
    else
        *o->value.f64 = value;
    return ZM_OK;
}

bool zm_option_is_choice(const char *choices, const char *text)
{
    const size_t length = strlen(text);
    for (const char *at = choices;;) {
        const size_t n = strcspn(at, "|");
        if (n == length && strncmp(at, text, n) == 0)
            return true;
        if (at[n] == '\0')
            return false;
        at += n + 1;
    }
}

static zm_status set_string(const zm_option *o, const char *text)
{
    if (*text == '\0')
        return ZM_FAIL(ZM_ERR_USAGE, "--%s: the value is empty", o->name);
    if (o->choices && !zm_option_is_choice(o->choices, text))
        return ZM_FAIL(ZM_ERR_USAGE, "--%s: wanted one of %s, found \"%s\"", o->name,
                       o->choices, text);
    *o->value.string = text;
    return ZM_OK;
}

zm_status zm_option_set_text(const zm_option *o, const char *text)
{
    char *end = NULL;
    errno = 0;
    switch (o->kind) {
    case ZM_OPTION_FLAG:
        if (!zm_option_is_choice("true|false", text))
            return ZM_FAIL(ZM_ERR_USAGE, "--%s: wanted true or false, found \"%s\"",
                           o->name, text);
        *o->value.flag = strcmp(text, "true") == 0;
        return ZM_OK;
    case ZM_OPTION_STRING:
        return set_string(o, text);
    case ZM_OPTION_U32:
    case ZM_OPTION_U64: {
        const unsigned long long value = strtoull(text, &end, 10);
        if (*text == '\0' || strspn(text, "0123456789") != strlen(text) || errno != 0)
            return ZM_FAIL(ZM_ERR_USAGE, "--%s: wanted a whole number, found \"%s\"",
                           o->name, text);
        return set_whole(o, value);
    }
    case ZM_OPTION_F32:
    case ZM_OPTION_F64: {
        const double value = strtod(text, &end);
        if (*text == '\0' || strspn(text, "0123456789+-.eE") != strlen(text) || *end ||
            !isfinite(value))
            return ZM_FAIL(ZM_ERR_USAGE, "--%s: wanted a number, found \"%s\"", o->name,
                           text);
        return set_number(o, value);
    }
    }
    return ZM_FAIL(ZM_ERR_INTERNAL, "--%s: unknown kind of option", o->name);
}

zm_status zm_option_set_json(const zm_option *o, json_t *value)
{
    switch (o->kind) {
    case ZM_OPTION_FLAG:
        if (!json_is_boolean(value))
            return ZM_FAIL(ZM_ERR_USAGE, "--%s: wanted true or false", o->name);
        *o->value.flag = json_is_true(value);
        return ZM_OK;
    case ZM_OPTION_STRING:
        if (!json_is_string(value))
            return ZM_FAIL(ZM_ERR_USAGE, "--%s: wanted a string", o->name);
        return set_string(o, json_string_value(value));
    case ZM_OPTION_U32:
    case ZM_OPTION_U64:
        if (!json_is_integer(value) || json_integer_value(value) < 0)
            return ZM_FAIL(ZM_ERR_USAGE, "--%s: wanted a whole number", o->name);
        return set_whole(o, (uint64_t)json_integer_value(value));
    case ZM_OPTION_F32:
    case ZM_OPTION_F64:
        if (!json_is_number(value))
            return ZM_FAIL(ZM_ERR_USAGE, "--%s: wanted a number", o->name);
        return set_number(o, json_number_value(value));
    }
    return ZM_FAIL(ZM_ERR_INTERNAL, "--%s: unknown kind of option", o->name);
}

void zm_option_format(const zm_option *o, char *out, size_t size)
{
    *out = '\0';
    switch (o->kind) {
    case ZM_OPTION_FLAG:
        break;
    case ZM_OPTION_STRING:
        snprintf(out, size, "%s", *o->value.string ? *o->value.string : "");
        break;
    case ZM_OPTION_U32:
        snprintf(out, size, "%u", (unsigned)*o->value.u32);
        break;
    case ZM_OPTION_U64:
        snprintf(out, size, "%llu", (unsigned long long)*o->value.u64);
        break;
    case ZM_OPTION_F32:
        snprintf(out, size, "%g", (double)*o->value.f32);
        break;
    case ZM_OPTION_F64:
        snprintf(out, size, "%g", *o->value.f64);
        break;
    }
}

void zm_option_help(const zm_option *o, char *out, size_t size)
{
    char value[96];
    zm_option_format(o, value, sizeof value);
    if (o->kind == ZM_OPTION_FLAG && *o->value.flag)
        snprintf(value, sizeof value, "on");
    if (o->shown)
        snprintf(value, sizeof value, "%s", o->shown);
    if (o->required)
        snprintf(out, size, "%s (required)", o->help);
    else if (*value)
        snprintf(out, size, "%s [%s]", o->help, value);
    else
        snprintf(out, size, "%s", o->help);
}

json_t *zm_option_json(const zm_option *o)
{
    switch (o->kind) {
    case ZM_OPTION_FLAG:
        return json_boolean(*o->value.flag);
    case ZM_OPTION_STRING:
        return *o->value.string ? json_string(*o->value.string) : NULL;
    case ZM_OPTION_U32:
        return json_integer(*o->value.u32);
    case ZM_OPTION_U64:
        return *o->value.u64 <= INT64_MAX ? json_integer((json_int_t)*o->value.u64)
                                          : NULL;
    case ZM_OPTION_F32: { // the shortest decimal that reads back as the same float
        char text[32];
        for (int digits = 6; digits <= 9; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, (double)*o->value.f32);
            if (strtof(text, NULL) == *o->value.f32)
                break;
        }
        return json_real(strtod(text, NULL));
    }
    case ZM_OPTION_F64:
        return json_real(*o->value.f64);
    }
    return NULL;
}

int zm_option_digits(const zm_option *o)
{
    enum { FEWEST = 9, ALWAYS_ENOUGH = 17 };
    int digits = FEWEST;
    if (o->kind == ZM_OPTION_F64)
        for (; digits < ALWAYS_ENOUGH; digits++) {
            char text[32];
            snprintf(text, sizeof text, "%.*g", digits, *o->value.f64);
            if (strtod(text, NULL) == *o->value.f64)
                break;
        }
    return digits;
}
