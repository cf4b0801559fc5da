// What the files of options*.c share.
#ifndef ZM_OPTIONS_IMPL_H
#define ZM_OPTIONS_IMPL_H

#include <popt.h>

#include "core/cli/options.h"

// Where a value comes from; a later source wins over an earlier one.
typedef enum zm_source {
    ZM_FROM_DEFAULT,
    ZM_FROM_PRESET,
    ZM_FROM_CONFIG,
    ZM_FROM_ENVIRONMENT,
    ZM_FROM_COMMAND,
} zm_source;

struct zm_options_state {
    zm_option *all;     // the verb's table, then --preset, then the common options
    size_t own, count;  // own: without the common options
    zm_source *from;    // (count)
    char *preset_names; // "small|large", the choices of --preset
    struct poptOption *popt, *shared; // own and common options as popt wants them
    char **help;                      // (count) "help text [default]"
    char **negations;                 // (count) "no-NAME" of flags, else NULL
    const char **argv;                // argv with "zmae VERB" in front
    char *title;
    poptContext context;
    const char **texts; // (count) from the command line; NULL = not there
    char **kept;        // strings that values point into
    size_t kept_count;
    const char *preset, *config_path;
    json_t *config;
    json_t *before; // values of all options by default and preset
    bool print_config;
};

// What poptGetNextOpt gives: 1 + index of an option, ZM_VALUE_OFF more for --no-NAME.
enum { ZM_VALUE_HELP = 10000, ZM_VALUE_OFF = 20000 };

zm_status zm_options_out_of_memory(void);

// ---- options_value.c: one value
// Checks and stores a value; ZM_ERR_USAGE names the option, what is wanted and found. A
// flag is "true" or "false".
zm_status zm_option_set_text(const zm_option *o, const char *text);
zm_status zm_option_set_json(const zm_option *o, json_t *value);
bool zm_option_is_choice(const char *choices, const char *text);
// The value as text; "" where there is none, and for flags.
void zm_option_format(const zm_option *o, char *out, size_t size);
// "what it does [default]"
enum { ZM_OPTION_HELP_BYTES = 512 };
void zm_option_help(const zm_option *o, char *out, size_t size);
// A new reference; NULL where there is no value.
json_t *zm_option_json(const zm_option *o);
// The significant digits of decimals, 9 to 17, that read back as the same double.
int zm_option_digits(const zm_option *o);

// ---- options_table.c: all options of a verb
zm_status zm_options_join_tables(zm_options *options);
size_t zm_options_find(const struct zm_options_state *s, const char *name); // or count
// --config, --print-config: about the options, not of them.
bool zm_options_is_about(const char *name);
// The key of a --config file that lists what was given with the value it had anyway.
#define ZM_OPTIONS_GIVEN "given"

// ---- options_popt.c: the command line and --help
zm_status zm_options_make_popt(zm_options *options, int argc, const char *const *argv);
// Fills texts and from; ZM_PENDING when --help was answered.
zm_status zm_options_walk(zm_options *options);

// ---- options_source.c: presets, --config and environment
zm_status zm_options_apply(zm_options *options); // all sources, lowest first
zm_status zm_options_check_presets(zm_options *options);

// ---- options_man.c
// From SYNOPSIS to EXAMPLES, as troff on stdout; always ZM_PENDING.
zm_status zm_options_man(const zm_options *options);

// ---- options_completion.c
// The verb's part of a script for bash, zsh or fish on stdout, then ZM_PENDING.
zm_status zm_options_completion(const zm_options *options, const char *shell);

#endif
