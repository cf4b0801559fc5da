#include "core/cli/options_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *negation(const char *name)
{
    const size_t size = strlen(name) + sizeof "no-";
    char *text = malloc(size);
    if (text)
        snprintf(text, size, "no-%s", name);
    return text;
}

// The choices themselves where they are few: their names are what a reader looks for.
static const char *argument(const zm_option *o)
{
    enum { CHOICES_BYTES = 40 };
    return o->choices && strlen(o->choices) <= CHOICES_BYTES ? o->choices : o->arg;
}

// One option in popt's form and, for a flag, the hidden --no-NAME beside it. Returns how
// many places were filled, 0 when memory is out.
static size_t add_option(struct zm_options_state *s, size_t i, struct poptOption *out)
{
    const zm_option *o = &s->all[i];
    const bool flag = o->kind == ZM_OPTION_FLAG;
    char help[ZM_OPTION_HELP_BYTES];
    zm_option_help(o, help, sizeof help);
    s->help[i] = zm_strdup(help);
    s->negations[i] = flag ? negation(o->name) : NULL;
    if (!s->help[i] || (flag && !s->negations[i]))
        return 0;
    out[0] = (struct poptOption){
        .longName = o->name,
        .shortName = o->letter,
        .argInfo = flag ? POPT_ARG_NONE : POPT_ARG_STRING,
        .val = (int)i + 1,
        .descrip = s->help[i],
        .argDescrip = argument(o),
    };
    if (!flag)
        return 1;
    out[1] = (struct poptOption){.longName = s->negations[i],
                                 .argInfo = POPT_ARG_NONE | POPT_ARGFLAG_DOC_HIDDEN,
                                 .val = ZM_VALUE_OFF + (int)i + 1};
    return 2;
}

static zm_status make_tables(struct zm_options_state *s)
{
    enum { INCLUDE, HELP, END, EXTRA };
    s->popt = zm_calloc(2 * s->own + EXTRA, sizeof *s->popt);
    s->shared = zm_calloc(2 * (s->count - s->own) + 1, sizeof *s->shared);
    s->help = zm_calloc(s->count, sizeof *s->help);
    s->negations = zm_calloc(s->count, sizeof *s->negations);
    if (!s->popt || !s->shared || !s->help || !s->negations)
        return zm_options_out_of_memory();
    struct poptOption *next = s->popt, *next_shared = s->shared;
    for (size_t i = 0; i < s->count; i++) {
        struct poptOption **at = i < s->own ? &next : &next_shared;
        const size_t filled = add_option(s, i, *at);
        if (filled == 0)
            return zm_options_out_of_memory();
        *at += filled;
    }
    next[INCLUDE] = (struct poptOption){.argInfo = POPT_ARG_INCLUDE_TABLE,
                                        .arg = s->shared,
                                        .descrip = "Common options:"};
    next[HELP] = (struct poptOption){.longName = "help",
                                     .shortName = 'h',
                                     .val = ZM_VALUE_HELP,
                                     .descrip = "show this text"};
    return ZM_OK;
}

zm_status zm_options_make_popt(zm_options *options, int argc, const char *const *argv)
{
    struct zm_options_state *s = options->state;
    ZM_TRY(make_tables(s));
    const size_t title_size = strlen(options->verb) + sizeof "zmae ";
    s->title = malloc(title_size);
    s->argv = zm_calloc((uint64_t)argc + 1, sizeof *s->argv);
    s->kept = zm_calloc((uint64_t)argc + 1, sizeof *s->kept);
    if (!s->title || !s->argv || !s->kept)
        return zm_options_out_of_memory();
    snprintf(s->title, title_size, "zmae %s", options->verb);
    s->argv[0] = s->title;
    for (int i = 1; i < argc; i++)
        s->argv[i] = argv[i];
    s->context = poptGetContext(NULL, argc, s->argv, s->popt, POPT_CONTEXT_NO_EXEC);
    if (!s->context)
        return zm_options_out_of_memory();
    char usage[256];
    snprintf(usage, sizeof usage, "[OPTION...]%s%s\n\n%s\n",
             options->arguments ? " " : "", options->arguments ? options->arguments : "",
             options->summary ? options->summary : "");
    poptSetOtherOptionHelp(s->context, usage);
    return ZM_OK;
}

static void print_help(const zm_options *options)
{
    poptPrintHelp(options->state->context, stdout, 0);
    int width = 0;
    for (const zm_preset *p = options->presets; p && p->name; p++)
        width = ZM_MAX(width, (int)strlen(p->name));
    if (width > 0)
        printf("\nPresets:\n");
    for (const zm_preset *p = options->presets; p && p->name; p++)
        printf("  %-*s  %s\n", width, p->name, p->summary);
}

static zm_status keep_text(struct zm_options_state *s, int value)
{
    const bool off = value >= ZM_VALUE_OFF;
    const size_t i = (size_t)(off ? value - ZM_VALUE_OFF : value) - 1;
    if (s->all[i].kind == ZM_OPTION_FLAG) {
        s->texts[i] = off ? "false" : "true";
        return ZM_OK;
    }
    char *text = poptGetOptArg(s->context);
    if (!text)
        return zm_options_out_of_memory();
    s->texts[i] = s->kept[s->kept_count++] = text;
    return ZM_OK;
}

zm_status zm_options_walk(zm_options *options)
{
    struct zm_options_state *s = options->state;
    int value;
    while ((value = poptGetNextOpt(s->context)) >= 0) {
        if (value == ZM_VALUE_HELP) {
            print_help(options);
            return ZM_PENDING;
        }
        ZM_TRY(keep_text(s, value));
    }
    if (value < -1)
        return ZM_FAIL(ZM_ERR_USAGE, "%s: %s (zmae %s --help lists the options)",
                       poptBadOption(s->context, POPT_BADOPTION_NOALIAS),
                       poptStrerror(value), options->verb);
    return ZM_OK;
}
