// Options of the verbs: each verb has one table, and from it come parsing (popt), strict
// checks, --help with the defaults in brackets, --preset, --config and --print-config.
//
//   struct { const char *data; uint64_t steps; float lr; bool force; } a = {
//       .steps = 1000, .lr = 1e-3f}; // what stands here is the default
//   const zm_option table[] = {
//       {"data", ZM_OPT_STRING(&a.data), "FILE", "data set", .required = true},
//       {"steps", ZM_OPT_U64(&a.steps, 1, 1e9), "N", "optimizer steps"},
//       {"lr", ZM_OPT_F32(&a.lr, 0, 10), "X", "peak learning rate"},
//       {"schedule", ZM_OPT_CHOICE(&a.schedule, "cosine|constant"), "NAME", "..."},
//       {"force", ZM_OPT_FLAG(&a.force), NULL, "write over an earlier run"},
//       {0}};
//   zm_options o = {.verb = "pretrain", .summary = "...", .table = table};
//   const zm_status st = zm_options_parse(&o, argc, argv);
//   if (st == ZM_OK) ...  else if (st == ZM_PENDING) help was printed, nothing to do
//   zm_options_finish(&o);                                // strings in a.* end here
//
// Precedence: command line, then environment (ZMAE_DEVICE), then --config, then --preset,
// then default. A flag that a preset or a file turns on is turned off by --no-NAME.
//
// A --config file may hold every value in effect, as --print-config writes them. So only
// what differs from the default (with a preset: from the preset's) counts as given there,
// and what the file lists by name under "given".
// A file that records which preset it was made with is not combined with another one.
#ifndef ZM_OPTIONS_H
#define ZM_OPTIONS_H

#include <jansson.h>

#include "core/base.h"

typedef enum zm_option_kind {
    ZM_OPTION_FLAG,
    ZM_OPTION_STRING,
    ZM_OPTION_U32,
    ZM_OPTION_U64,
    ZM_OPTION_F32,
    ZM_OPTION_F64,
} zm_option_kind;

typedef struct zm_option {
    const char *name; // long name, also the key in --config files
    zm_option_kind kind;
    union {
        bool *flag;
        const char **string;
        uint32_t *u32;
        uint64_t *u64;
        float *f32;
        double *f64;
    } value; // holds the default before parsing
    double min,
        max; // of numbers, both allowed; max of whole numbers at most 2^53 or 0 = type
    const char *choices; // of strings: "f32|mixed"; NULL = any that is not empty
    const char *arg;     // how --help calls the argument
    const char *help;
    bool required;
    char letter;       // short option, 0 = none
    const char *shown; // the default as --help shows it, where the value says too little
} zm_option;

// The middle of a table entry. min and max are inclusive; the default lies within them.
// (The designator makes compilers accept that the rest of an entry may be left out.)
#define ZM_OPT_FLAG(ptr)   ZM_OPTION_FLAG, {.flag = (ptr)}, 0, 0, .choices = NULL
#define ZM_OPT_STRING(ptr) ZM_OPTION_STRING, {.string = (ptr)}, 0, 0, .choices = NULL
#define ZM_OPT_CHOICE(ptr, one)                                                          \
    ZM_OPTION_STRING, {.string = (ptr)}, 0, 0, .choices = (one)
#define ZM_OPT_U32(ptr, lo, hi) ZM_OPTION_U32, {.u32 = (ptr)}, (lo), (hi), .choices = NULL
#define ZM_OPT_U64(ptr, lo, hi) ZM_OPTION_U64, {.u64 = (ptr)}, (lo), (hi), .choices = NULL
#define ZM_OPT_F32(ptr, lo, hi) ZM_OPTION_F32, {.f32 = (ptr)}, (lo), (hi), .choices = NULL
#define ZM_OPT_F64(ptr, lo, hi) ZM_OPTION_F64, {.f64 = (ptr)}, (lo), (hi), .choices = NULL

// A named set of values, chosen by --preset NAME. Values are written as on the command
// line and checked in the same way: "lr=1e-4", "schedule=cyclic", "norm-pix=true".
typedef struct zm_preset {
    const char *name;
    const char *summary;
    const char *const *values; // ends with NULL
} zm_preset;

// Of the description in a manual page: a paragraph (term NULL), a heading (text NULL) or
// an item of a list.
typedef struct zm_detail {
    const char *term, *text;
} zm_detail;

// What every verb takes. Zero before parsing = the usual default.
typedef struct zm_common {
    const char *device;    // ["auto", or ZMAE_DEVICE]
    const char *precision; // "f32" or "mixed" ["f32"]
    uint64_t seed;         // 0 to 2^53 [0]
    uint32_t threads;      // [0 = all allowed CPUs]
    bool quiet;            // only errors on stderr
    bool verbose;          // debug messages too
} zm_common;

typedef struct zm_options {
    // given
    const char *verb;
    const char *summary;   // one sentence for --help
    const char *arguments; // what follows the options in the usage line: "FILE", or NULL
    uint32_t min_args, max_args; // of arguments that are not options
    const zm_option *table;      // ends with {0}; NULL = common options only
    const zm_preset *presets;    // ends with {0}; NULL = none
    // for the manual page: what the summary leaves out, ends with {0}, and examples as
    // "what it does", "command" in turn, ends with NULL; either may be NULL
    const zm_detail *details;
    const char *const *examples;
    zm_common common;
    // found
    const char *const *args; // (arg_count)
    uint32_t arg_count;
    struct zm_options_state *state;
} zm_options;

// Parses argv (argv[0] is the verb) and stores every value.
// Returns ZM_OK; ZM_PENDING when --help or --print-config was answered on stdout;
// ZM_ERR_USAGE for unknown, missing, malformed or out-of-range options, whether they come
// from the command line, the environment or a --config file; ZM_ERR_IO or ZM_ERR_FORMAT
// when the --config file cannot be read or is not JSON; ZM_ERR_INTERNAL for a preset that
// does not fit the table. Requests that --help does not list, each alone:
//   --check-presets     tries every preset of the verb (tests)
//   --man               the verb's part of a manual page on stdout (zmae man)
//   --completion SHELL  the verb's part of a completion script (zmae completion)
zm_status zm_options_parse(zm_options *options, int argc, const char *const *argv);

// Whether the option was set: on the command line, by the environment, by --config (to
// another value than it would have had anyway, or listed as given), or by --preset.
bool zm_options_given(const zm_options *options, const char *name);

// The effective values of all options as a JSON object that --config reads back; a new
// reference, NULL when memory is out. Options without a value are left out, but of a verb
// with presets "preset" is null where none was chosen. "given" lists, where there are
// any, the options that were given with the value that default or preset have, too.
json_t *zm_options_json(const zm_options *options);

// The same without "given".
json_t *zm_options_values(const zm_options *options);

void zm_options_finish(zm_options *options);

#endif
