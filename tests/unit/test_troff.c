#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/cli/troff.h"

static char *written(void (*write)(FILE *, const char *), const char *text)
{
    char *out = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&out, &size);
    cr_assert_not_null(f);
    write(f, text);
    fclose(f);
    return out;
}

Test(troff, text_is_never_a_request)
{
    static const char *const cases[][3] = {
        // text, prose, literal
        {".TH", "\\&.TH", "\\&.TH"},
        {"a\n.b", "a\n\\&.b", "a\n\\&.b"},
        {"'quoted'", "\\(aqquoted\\(aq", "\\(aqquoted\\(aq"},
        {"a\\fBb", "a\\efBb", "a\\efBb"},
        {"re-read", "re-read", "re\\-read"},
        {"with --val-every", "with \\-\\-val-every", "with \\-\\-val\\-every"},
        {"~/x^2 `a`", "\\(ti/x\\(ha2 \\(gaa\\(ga", "\\(ti/x\\(ha2 \\(gaa\\(ga"},
    };
    for (size_t i = 0; i < ZM_COUNT_OF(cases); i++) {
        char *prose = written(zm_troff_prose, cases[i][0]);
        char *literal = written(zm_troff_literal, cases[i][0]);
        cr_expect_str_eq(prose, cases[i][1]);
        cr_expect_str_eq(literal, cases[i][2]);
        free(prose);
        free(literal);
    }
}

Test(troff, prose_is_broken_at_spaces_and_begins_no_line_with_a_dot)
{
    char text[400] = "";
    for (int i = 0; i < 40; i++)
        strcat(text, i % 2 ? "word " : ".word ");
    char *prose = written(zm_troff_prose, text);
    size_t lines = 0;
    for (char *line = strtok(prose, "\n"); line; line = strtok(NULL, "\n")) {
        cr_expect_neq(line[0], '.');
        cr_expect_leq(strlen(line), 79u, "%s", line);
        lines++;
    }
    cr_expect_gt(lines, 2u);
    free(prose);
}
