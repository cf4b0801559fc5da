#include "core/cli/options.h"

#include <errno.h>
#include <math.h>
#include <popt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum source { FROM_DEFAULT, FROM_CONFIG, FROM_ENVIRONMENT, FROM_COMMAND } source;

struct zm_options_state {
    zm_option *all; // the verb's table, then the common options
    size_t own, count;
    source *from;
    struct poptOption *popt;   // own, common, help, with their ends
    struct poptOption *shared; // the common part of it
    char **help;
    const char **argv; // argv with "zmae VERB" in front
    char *title;
    poptContext context;
    char **kept; // strings that values point into
    size_t kept_count;
    const char *config_path;
    json_t *config;
    bool print_config;
};

enum { VALUE_HELP = 10000 };

// ---- values
// ----------------------------------------------------------------------------

static zm_status out_of_memory(void)
{
    return ZM_FAIL(ZM_ERR_MEMORY, "options: out of memory");
}

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

static bool is_choice(const char *choices, const char *text)
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
    if (o->choices && !is_choice(o->choices, text))
        return ZM_FAIL(ZM_ERR_USAGE, "--%s: wanted one of %s, found \"%s\"", o->name,
                       o->choices, text);
    *o->value.string = text;
    return ZM_OK;
}

static zm_status set_text(const zm_option *o, const char *text)
{
    char *end = NULL;
    errno = 0;
    switch (o->kind) {
    case ZM_OPTION_FLAG:
        *o->value.flag = true;
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

static zm_status set_json(const zm_option *o, json_t *value)
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

// The value as text; "" where there is none.
static void format_value(const zm_option *o, char *out, size_t size)
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

static json_t *json_value(const zm_option *o)
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

// ---- tables
// ----------------------------------------------------------------------------

static zm_status join_tables(zm_options *options)
{
    struct zm_options_state *s = options->state;
    zm_common *c = &options->common;
    c->device = c->device ? c->device : "auto";
    c->precision = c->precision ? c->precision : "f32";
    const double two53 = 9007199254740992.0;
    const zm_option common[] = {
        {"device", ZM_OPT_STRING(&c->device), "auto|cpu|vulkan[:N]|NAME|UUID",
         "where to compute (see zmae devices); also ZMAE_DEVICE"},
        {"precision", ZM_OPT_CHOICE(&c->precision, "f32|mixed"), "f32|mixed",
         "arithmetic of the network; training runs in f32"},
        {"seed", ZM_OPT_U64(&c->seed, 0, two53), "N", "seed of every random number"},
        {"threads", ZM_OPT_U32(&c->threads, 0, 4096), "N", "CPU threads",
         .shown = c->threads ? NULL : "all allowed CPUs"},
        {"config", ZM_OPT_STRING(&s->config_path), "FILE",
         "read options from JSON; those on the command line win"},
        {"print-config", ZM_OPT_FLAG(&s->print_config), NULL,
         "print the options in effect as JSON and stop"},
        {"quiet", ZM_OPT_FLAG(&c->quiet), NULL,
         "no progress and no warnings, only errors", .letter = 'q'},
        {"verbose", ZM_OPT_FLAG(&c->verbose), NULL, "say more on standard error",
         .letter = 'v'},
    };
    while (options->table && options->table[s->own].name)
        s->own++;
    s->count = s->own + ZM_COUNT_OF(common);
    s->all = zm_calloc(s->count, sizeof *s->all);
    s->from = zm_calloc(s->count, sizeof *s->from);
    s->help = zm_calloc(s->count, sizeof *s->help);
    if (!s->all || !s->from || !s->help)
        return out_of_memory();
    if (s->own > 0)
        memcpy(s->all, options->table, s->own * sizeof *s->all);
    memcpy(s->all + s->own, common, sizeof common);
    return ZM_OK;
}

// "help text [default]", as popt prints it.
static char *help_text(const zm_option *o)
{
    char value[96], text[512];
    format_value(o, value, sizeof value);
    if (o->shown)
        snprintf(value, sizeof value, "%s", o->shown);
    if (o->required)
        snprintf(text, sizeof text, "%s (required)", o->help);
    else if (*value)
        snprintf(text, sizeof text, "%s [%s]", o->help, value);
    else
        snprintf(text, sizeof text, "%s", o->help);
    return zm_strdup(text);
}

static zm_status make_popt(struct zm_options_state *s)
{
    s->popt = zm_calloc(s->own + 3, sizeof *s->popt);
    s->shared = zm_calloc(s->count - s->own + 1, sizeof *s->shared);
    if (!s->popt || !s->shared)
        return out_of_memory();
    for (size_t i = 0; i < s->count; i++) {
        const zm_option *o = &s->all[i];
        s->help[i] = help_text(o);
        if (!s->help[i])
            return out_of_memory();
        struct poptOption *p = i < s->own ? &s->popt[i] : &s->shared[i - s->own];
        *p = (struct poptOption){
            .longName = o->name,
            .shortName = o->letter,
            .argInfo = o->kind == ZM_OPTION_FLAG ? POPT_ARG_NONE : POPT_ARG_STRING,
            .val = (int)i + 1,
            .descrip = s->help[i],
            .argDescrip = o->arg,
        };
    }
    s->popt[s->own] = (struct poptOption){.argInfo = POPT_ARG_INCLUDE_TABLE,
                                          .arg = s->shared,
                                          .descrip = "Common options:"};
    s->popt[s->own + 1] = (struct poptOption){.longName = "help",
                                              .shortName = 'h',
                                              .val = VALUE_HELP,
                                              .descrip = "show this text"};
    return ZM_OK;
}

static zm_status make_context(zm_options *options, int argc, const char *const *argv)
{
    struct zm_options_state *s = options->state;
    const size_t title_size = strlen(options->verb) + sizeof "zmae ";
    s->title = malloc(title_size);
    s->argv = zm_calloc((uint64_t)argc + 1, sizeof *s->argv);
    s->kept = zm_calloc((uint64_t)argc + 1, sizeof *s->kept);
    if (!s->title || !s->argv || !s->kept)
        return out_of_memory();
    snprintf(s->title, title_size, "zmae %s", options->verb);
    s->argv[0] = s->title;
    for (int i = 1; i < argc; i++)
        s->argv[i] = argv[i];
    s->context = poptGetContext(NULL, argc, s->argv, s->popt, POPT_CONTEXT_NO_EXEC);
    if (!s->context)
        return out_of_memory();
    char usage[256];
    snprintf(usage, sizeof usage, "[OPTION...]%s%s\n\n%s\n",
             options->arguments ? " " : "", options->arguments ? options->arguments : "",
             options->summary ? options->summary : "");
    poptSetOtherOptionHelp(s->context, usage);
    return ZM_OK;
}

// ---- the three sources
// -----------------------------------------------------------------

static size_t find_option(const struct zm_options_state *s, const char *name)
{
    size_t i = 0;
    while (i < s->count && strcmp(s->all[i].name, name) != 0)
        i++;
    return i;
}

static zm_status read_config(struct zm_options_state *s)
{
    json_error_t error;
    FILE *f = fopen(s->config_path, "rb");
    if (!f)
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", s->config_path, strerror(errno));
    s->config = json_loadf(f, JSON_REJECT_DUPLICATES, &error);
    fclose(f);
    if (!s->config)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: line %d: %s", s->config_path, error.line,
                       error.text);
    if (!json_is_object(s->config))
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: wanted a JSON object", s->config_path);
    const char *key;
    json_t *value;
    json_object_foreach(s->config, key, value)
    {
        const size_t i = find_option(s, key);
        if (i == s->count || strcmp(key, "config") == 0 ||
            strcmp(key, "print-config") == 0)
            return ZM_FAIL(ZM_ERR_USAGE, "%s: \"%s\" is not an option of this verb",
                           s->config_path, key);
        if (json_is_null(value))
            continue;
        ZM_TRY(zm_error_context(set_json(&s->all[i], value), "%s", s->config_path));
        s->from[i] = FROM_CONFIG;
    }
    return ZM_OK;
}

static zm_status read_environment(struct zm_options_state *s)
{
    const char *device = getenv("ZMAE_DEVICE");
    const size_t i = find_option(s, "device");
    if (!device || !*device)
        return ZM_OK;
    s->from[i] = FROM_ENVIRONMENT;
    return zm_error_context(set_text(&s->all[i], device), "ZMAE_DEVICE");
}

// Walks the command line: texts are kept first, because --config comes below them.
static zm_status read_command(zm_options *options)
{
    struct zm_options_state *s = options->state;
    const char **texts = zm_calloc(s->count, sizeof *texts);
    if (!texts)
        return out_of_memory();
    zm_status st = ZM_OK;
    int value;
    while (st == ZM_OK && (value = poptGetNextOpt(s->context)) >= 0) {
        if (value == VALUE_HELP) {
            poptPrintHelp(s->context, stdout, 0);
            st = ZM_PENDING;
            break;
        }
        const size_t i = (size_t)value - 1;
        s->from[i] = FROM_COMMAND;
        texts[i] = "";
        if (s->all[i].kind != ZM_OPTION_FLAG) {
            char *text = poptGetOptArg(s->context);
            texts[i] = s->kept[s->kept_count++] = text;
            if (!text)
                st = out_of_memory();
        }
    }
    if (st == ZM_OK && value < -1)
        st = ZM_FAIL(ZM_ERR_USAGE, "%s: %s (zmae %s --help lists the options)",
                     poptBadOption(s->context, POPT_BADOPTION_NOALIAS),
                     poptStrerror(value), options->verb);
    const size_t config = find_option(s, "config");
    if (st == ZM_OK && texts[config])
        st = set_text(&s->all[config], texts[config]);
    if (st == ZM_OK && s->config_path)
        st = read_config(s);
    if (st == ZM_OK)
        st = read_environment(s);
    for (size_t i = 0; st == ZM_OK && i < s->count; i++)
        if (texts[i]) {
            st = set_text(&s->all[i], texts[i]);
            s->from[i] = FROM_COMMAND;
        }
    free(texts);
    return st;
}

static zm_status check_complete(zm_options *options)
{
    struct zm_options_state *s = options->state;
    for (size_t i = 0; i < s->own; i++)
        if (s->all[i].required && s->from[i] == FROM_DEFAULT)
            return ZM_FAIL(ZM_ERR_USAGE, "--%s is missing (zmae %s --help)",
                           s->all[i].name, options->verb);
    options->args = poptGetArgs(s->context);
    while (options->args && options->args[options->arg_count])
        options->arg_count++;
    if (options->arg_count > options->max_args)
        return ZM_FAIL(ZM_ERR_USAGE, "\"%s\" is not expected here (zmae %s --help)",
                       options->args[options->max_args], options->verb);
    if (options->arg_count < options->min_args)
        return ZM_FAIL(ZM_ERR_USAGE, "wanted %s (zmae %s --help)", options->arguments,
                       options->verb);
    return ZM_OK;
}

static zm_status print_config(const zm_options *options)
{
    json_t *config = zm_options_json(options);
    if (!config)
        return out_of_memory();
    const int failed =
        json_dumpf(config, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    json_decref(config);
    if (failed || putchar('\n') == EOF)
        return ZM_FAIL(ZM_ERR_IO, "standard output: %s", strerror(errno));
    return ZM_PENDING;
}

zm_status zm_options_parse(zm_options *options, int argc, const char *const *argv)
{
    options->state = zm_calloc(1, sizeof *options->state);
    if (!options->state)
        return out_of_memory();
    ZM_TRY(join_tables(options));
    ZM_TRY(make_popt(options->state));
    ZM_TRY(make_context(options, argc, argv));
    ZM_TRY(read_command(options));
    if (options->state->print_config)
        return print_config(options);
    return check_complete(options);
}

bool zm_options_given(const zm_options *options, const char *name)
{
    const size_t i = find_option(options->state, name);
    return i < options->state->count && options->state->from[i] != FROM_DEFAULT;
}

json_t *zm_options_json(const zm_options *options)
{
    const struct zm_options_state *s = options->state;
    json_t *object = json_object();
    for (size_t i = 0; object && i < s->count; i++) {
        const char *name = s->all[i].name;
        if (strcmp(name, "config") == 0 || strcmp(name, "print-config") == 0)
            continue;
        json_t *value = json_value(&s->all[i]);
        if (value && json_object_set_new(object, name, value) != 0) {
            json_decref(object);
            object = NULL;
        }
    }
    return object;
}

void zm_options_finish(zm_options *options)
{
    struct zm_options_state *s = options->state;
    options->state = NULL;
    options->args = NULL;
    if (!s)
        return;
    poptFreeContext(s->context);
    for (size_t i = 0; i < s->kept_count; i++)
        free(s->kept[i]);
    for (size_t i = 0; s->help && i < s->count; i++)
        free(s->help[i]);
    json_decref(s->config);
    free(s->kept);
    free(s->help);
    free(s->popt);
    free(s->shared);
    free(s->argv);
    free(s->title);
    free(s->from);
    free(s->all);
    free(s);
}
