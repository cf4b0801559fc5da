#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "core/cli/cli.h"
#include "core/cli/report.h"
#include "core/io/fits.h"

// verbs.def has a line ZM_VERB(NAME) for every cmd_NAME.c; CMake writes it.
#define ZM_VERB(name) extern const zm_verb zm_verb_##name;
#include "verbs.def"
#undef ZM_VERB

static const zm_verb *const verbs[] = {
#define ZM_VERB(name) &zm_verb_##name,
#include "verbs.def"
#undef ZM_VERB
};

static void print_help(FILE *f)
{
    fputs("Usage: zmae VERB [OPTION...]\n"
          "\n"
          "Masked autoencoders and redshifts for galaxy images, on CPU and Vulkan.\n"
          "\n"
          "Verbs (zmae VERB --help shows the options):\n",
          f);
    for (size_t i = 0; i < ZM_COUNT_OF(verbs); i++)
        fprintf(f, "  %-12s %s\n", verbs[i]->name, verbs[i]->summary);
    fputs("\n"
          "Exit status: 0 ok, 1 a check failed, 2 usage, 3 bad input data, 4 I/O,\n"
          "5 out of memory, 6 no usable device, 7 device lost, 8 internal error,\n"
          "130 or 143 stopped by a signal with a checkpoint written.\n",
          f);
}

static int run_verb(int argc, const char *const *argv)
{
    for (size_t i = 0; i < ZM_COUNT_OF(verbs); i++)
        if (strcmp(argv[0], verbs[i]->name) == 0)
            return verbs[i]->run(argc, argv);
    fprintf(stderr, "zmae: error: there is no verb \"%s\" (zmae --help lists them)\n",
            argv[0]);
    return zm_status_exit(ZM_ERR_USAGE);
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
        print_help(stdout);
    else if (strcmp(argv[1], "--version") == 0)
        printf("zmae %s\n", ZM_VERSION);
    else
        status = run_verb(argc - 1, (const char *const *)(argv + 1));
    const zm_status flushed = zm_report_flush();
    return status == 0 ? zm_cli_exit(flushed) : status;
}
