#include "core/cli/troff.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static void put(FILE *f, char c, bool hyphen, bool line_start)
{
    switch (c) {
    case '\\':
        fputs("\\e", f);
        break;
    case '-':
        fputs(hyphen ? "-" : "\\-", f);
        break;
    case '~':
        fputs("\\(ti", f);
        break;
    case '^':
        fputs("\\(ha", f);
        break;
    case '`':
        fputs("\\(ga", f);
        break;
    case '\'':
        fputs("\\(aq", f);
        break;
    default:
        if (c == '.' && line_start)
            fputs("\\&", f);
        fputc(c, f);
    }
}

// Whether the word behind a space would make the line too long.
static bool must_break(const char *space, size_t column)
{
    enum { LINE_BYTES = 70 }; // mandoc complains from 80, and escapes are longer
    return column + 1 + strcspn(space + 1, " \n") > LINE_BYTES;
}

void zm_troff_prose(FILE *f, const char *text)
{
    size_t column = 0;
    for (const char *at = text; *at; at++) {
        const bool inside = at != text && isalnum((unsigned char)at[-1]) && at[1] != '-';
        const char c = *at == ' ' && must_break(at, column) ? '\n' : *at;
        put(f, c, inside, column == 0);
        column = c == '\n' ? 0 : column + 1;
    }
}

void zm_troff_literal(FILE *f, const char *text)
{
    for (const char *at = text; *at; at++)
        put(f, *at, false, at == text || at[-1] == '\n');
}
