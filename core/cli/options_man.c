// The part of a verb's manual page that its option table knows.
#include "core/cli/options_impl.h"

#include <stdio.h>
#include <string.h>

#include "core/cli/troff.h"

static void print_synopsis(const zm_options *options)
{
    const struct zm_options_state *s = options->state;
    printf(".SH SYNOPSIS\n.B zmae ");
    zm_troff_literal(stdout, options->verb);
    printf("\n");
    for (size_t i = 0; i < s->own; i++)
        if (s->all[i].required) {
            printf("\\fB\\-\\-");
            zm_troff_literal(stdout, s->all[i].name);
            printf("\\fR \\fI");
            zm_troff_literal(stdout, s->all[i].arg);
            printf("\\fR\n");
        }
    printf("[\\fIOPTION\\fR...]\n");
    if (options->arguments) {
        printf("\\fI");
        zm_troff_literal(stdout, options->arguments);
        printf("\\fR\n");
    }
}

static void print_option(const zm_option *o)
{
    printf(".TP\n");
    if (o->letter)
        printf("\\fB\\-%c\\fR, ", o->letter);
    printf("\\fB\\-\\-");
    zm_troff_literal(stdout, o->name);
    printf("\\fR");
    if (o->kind != ZM_OPTION_FLAG) {
        printf("=\\fI");
        zm_troff_literal(stdout, o->arg);
        printf("\\fR");
    }
    printf("\n");
    char text[ZM_OPTION_HELP_BYTES];
    zm_option_help(o, text, sizeof text);
    zm_troff_prose(stdout, text);
    printf("\n");
    if (o->choices && strcmp(o->choices, o->arg) != 0) {
        printf("(\\fB");
        for (const char *at = o->choices; *at; at++)
            if (*at == '|')
                printf("\\fR,\n\\fB"); // lines must not grow long
            else
                zm_troff_literal(stdout, (const char[]){*at, '\0'});
        printf("\\fR)\n");
    }
}

static void print_options(const zm_options *options)
{
    const struct zm_options_state *s = options->state;
    printf(".SH OPTIONS\n");
    for (size_t i = 0; i < s->own; i++)
        print_option(&s->all[i]);
    if (s->own > 0)
        printf(".SS Common options\n");
    for (size_t i = s->own; i < s->count; i++)
        print_option(&s->all[i]);
    printf(
        ".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nshow the options and stop\n"
        ".PP\nDefaults stand in brackets.\n"
        "A flag that a preset or a file turns on is turned off by\n"
        "\\fB\\-\\-no\\-\\fIFLAG\\fR.\n"
        "The command line wins over the environment, that over\n"
        "\\fB\\-\\-config\\fR, that over \\fB\\-\\-preset\\fR where there are presets,\n"
        "and that over the defaults.\n"
        "A \\fB\\-\\-config\\fR file is an object with the names of options; of its\n"
        "values only those count as given that differ from the defaults, with a preset\n"
        "from the values of the preset.\n");
}

static void print_presets(const zm_preset *presets)
{
    if (presets && presets->name)
        printf(".SH PRESETS\n");
    for (const zm_preset *p = presets; p && p->name; p++) {
        printf(".TP\n\\fB");
        zm_troff_literal(stdout, p->name);
        printf("\\fR\n");
        zm_troff_prose(stdout, p->summary);
        printf(":\n");
        for (const char *const *value = p->values; *value; value++) {
            printf("\\fB\\-\\-");
            zm_troff_literal(stdout, *value);
            printf("\\fR\n");
        }
    }
}

static void print_details(const zm_detail *details)
{
    bool after_heading = false; // SS begins a paragraph by itself
    for (const zm_detail *d = details; d && (d->term || d->text); d++) {
        if (!d->term)
            printf(after_heading ? "" : ".PP\n");
        else
            printf(d->text ? ".TP\n\\fB" : ".SS ");
        after_heading = !d->text;
        if (d->term) {
            zm_troff_literal(stdout, d->term);
            printf(d->text ? "\\fR\n" : "\n");
        }
        if (d->text) {
            zm_troff_prose(stdout, d->text);
            printf("\n");
        }
    }
}

static void print_examples(const char *const *examples)
{
    if (examples && *examples)
        printf(".SH EXAMPLES\n");
    for (const char *const *e = examples; e && e[0] && e[1]; e += 2) {
        if (e != examples) // SH begins a paragraph by itself
            printf(".PP\n");
        zm_troff_prose(stdout, e[0]);
        printf(":\n.PP\n.RS 4\n.EX\n");
        zm_troff_literal(stdout, e[1]);
        printf("\n.EE\n.RE\n");
    }
}

zm_status zm_options_man(const zm_options *options)
{
    print_synopsis(options);
    printf(".SH DESCRIPTION\n");
    zm_troff_prose(stdout, options->summary);
    printf("\n");
    print_details(options->details);
    print_options(options);
    print_presets(options->presets);
    print_examples(options->examples);
    return ZM_PENDING;
}
