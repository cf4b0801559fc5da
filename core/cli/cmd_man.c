// Manual pages: what every page has; the options come from the verb itself.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/cli/troff.h"
#include "core/cli/verbs.h"

// The day of SOURCE_DATE_EPOCH, where a reproducible build sets it, else today.
static void format_date(char out[16])
{
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    const time_t now = epoch && *epoch ? (time_t)strtoll(epoch, NULL, 10) : time(NULL);
    struct tm day;
    if (!gmtime_r(&now, &day) || strftime(out, 16, "%Y-%m-%d", &day) == 0)
        out[0] = '\0';
}

static void print_head(const char *upper, const char *name, const char *summary)
{
    char date[16];
    format_date(date);
    printf(".TH %s 1 \"%s\" \"zmae %s\" \"zmae manual\"\n.SH NAME\n", upper, date,
           ZM_VERSION);
    zm_troff_literal(stdout, name);
    printf(" \\- ");
    zm_troff_prose(stdout, summary);
    printf("\n");
}

static void print_term(const char *term, const char *text)
{
    printf(".TP\n\\fB");
    zm_troff_literal(stdout, term);
    printf("\\fR\n");
    zm_troff_prose(stdout, text);
    printf("\n");
}

static void print_tail(void)
{
    printf(".SH \"EXIT STATUS\"\n");
    for (size_t i = 0; i < zm_exit_count(); i++)
        print_term(zm_exit_at(i)->status, zm_exit_at(i)->meaning);
    printf(
        ".PP\nVerbs without checkpoints end by the signal itself, which a shell reports\n"
        "by the same numbers.\n.SH ENVIRONMENT\n");
    print_term("ZMAE_DEVICE", "the device, where --device is not given");
    print_term("XDG_CACHE_HOME", "where the compiled pipelines of GPUs are kept");
    print_term("VK_ICD_FILENAMES, VK_DRIVER_FILES", "which Vulkan drivers there are");
    printf(".SH FILES\n");
    print_term("$XDG_CACHE_HOME/zmae, ~/.cache/zmae",
               "compiled pipelines; may be deleted at any time");
    print_term("OUT.tmp-PID",
               "an output that is not complete yet; it gets its name at the "
               "end, in one step");
}

static void print_reference(const char *name, bool last)
{
    printf(".BR ");
    zm_troff_literal(stdout, name);
    printf(" (1)%s\n", last ? "" : ",");
}

static void print_verb_reference(size_t i, bool last)
{
    char name[64];
    snprintf(name, sizeof name, "zmae-%s", zm_verb_at(i)->name);
    print_reference(name, last);
}

static void print_overview(void)
{
    print_head("ZMAE", "zmae", "masked autoencoders and redshifts for galaxy images");
    printf(".SH SYNOPSIS\n.B zmae\n\\fIVERB\\fR [\\fIOPTION\\fR...]\n.SH DESCRIPTION\n"
           "Trains and runs masked autoencoders on ugriz images of galaxies, on the CPU "
           "and\n"
           "on any Vulkan device, and estimates redshifts.\n"
           "Data go to standard output, everything else to standard error.\n"
           ".SH VERBS\n");
    for (size_t i = 0; i < zm_verb_count(); i++)
        print_term(zm_verb_at(i)->name, zm_verb_at(i)->summary);
    print_term("help [VERB]", "the options of a verb, as zmae VERB --help");
    printf(".SH OPTIONS\n");
    print_term("--help", "list the verbs");
    print_term("--version", "print the version");
    print_tail();
    printf(".SH \"SEE ALSO\"\n");
    for (size_t i = 0; i < zm_verb_count(); i++)
        print_verb_reference(i, i + 1 == zm_verb_count());
}

static int print_verb(const zm_verb *verb)
{
    char upper[64], name[64];
    snprintf(upper, sizeof upper, "ZMAE\\-%s", verb->name);
    for (char *at = upper; *at; at++)
        if (*at >= 'a' && *at <= 'z')
            *at = (char)(*at - 'a' + 'A');
    snprintf(name, sizeof name, "zmae-%s", verb->name);
    print_head(upper, name, verb->summary);
    const int status = verb->run(2, (const char *const[]){verb->name, "--man", NULL});
    print_tail();
    printf(".SH \"SEE ALSO\"\n");
    print_reference("zmae", true);
    return status;
}

static int run(int argc, const char *const *argv)
{
    static const char *const examples[] = {"Read the page of predict",
                                           "zmae man predict | man -l -", NULL};
    zm_options options = {.verb = argv[0],
                          .summary = "Writes the manual page of zmae or of one of its "
                                     "verbs to standard output, for man(1).",
                          .arguments = "[VERB]",
                          .max_args = 1,
                          .examples = examples};
    int status = 0;
    zm_status st = zm_options_parse(&options, argc, argv);
    const zm_verb *verb = NULL;
    if (st == ZM_OK && options.arg_count > 0 && !(verb = zm_verb_find(options.args[0])))
        st = ZM_FAIL(ZM_ERR_USAGE, "there is no verb \"%s\" (zmae --help lists them)",
                     options.args[0]);
    if (st == ZM_OK && verb)
        status = print_verb(verb);
    else if (st == ZM_OK)
        print_overview();
    zm_options_finish(&options);
    return status ? status : zm_cli_exit(st);
}

const zm_verb zm_verb_man = {"man", "manual pages", run};
