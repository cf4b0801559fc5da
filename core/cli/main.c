#include <stdio.h>
#include <string.h>

#include "core/cli/report.h"
#include "core/cli/verbs.h"
#include "core/io/fits.h"

static void print_help(FILE *f)
{
    fputs("Usage: zmae VERB [OPTION...]\n"
          "\n"
          "Masked autoencoders and redshifts for galaxy images, on CPU and Vulkan.\n"
          "\n"
          "Verbs (zmae VERB --help shows the options):\n",
          f);
    for (size_t i = 0; i < zm_verb_count(); i++)
        fprintf(f, "  %-12s %s\n", zm_verb_at(i)->name, zm_verb_at(i)->summary);
    fputs("\nExit status:\n", f);
    for (size_t i = 0; i < zm_exit_count(); i++)
        fprintf(f, "  %-12s %s\n", zm_exit_at(i)->status, zm_exit_at(i)->meaning);
}

static int run_verb(int argc, const char *const *argv)
{
    const zm_verb *verb = zm_verb_find(argv[0]);
    if (verb)
        return verb->run(argc, argv);
    return zm_cli_exit(ZM_FAIL(
        ZM_ERR_USAGE, "there is no verb \"%s\" (zmae --help lists them)", argv[0]));
}

static int help(int argc, const char *const *argv)
{
    if (argc > 1)
        return run_verb(2, (const char *const[]){argv[1], "--help", NULL});
    print_help(stdout);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "--fits-helper") == 0)
        return zm_fits_helper_main(argc, argv);
    int status = 0;
    zm_cli_clean_on_signals();
    if (argc < 2) {
        print_help(stderr);
        return zm_status_exit(ZM_ERR_USAGE);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        status = help(argc - 1, (const char *const *)(argv + 1));
    else if (strcmp(argv[1], "--version") == 0)
        printf("zmae %s\n", ZM_VERSION);
    else
        status = run_verb(argc - 1, (const char *const *)(argv + 1));
    const zm_status flushed = zm_report_flush();
    return status == 0 ? zm_cli_exit(flushed) : status;
}
