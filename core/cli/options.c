#include "core/cli/options_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static zm_status check_complete(zm_options *options)
{
    struct zm_options_state *s = options->state;
    for (size_t i = 0; i < s->own; i++)
        if (s->all[i].required && s->from[i] == ZM_FROM_DEFAULT)
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
    const struct zm_options_state *s = options->state;
    int digits = 0;
    for (size_t i = 0; i < s->count; i++)
        digits = ZM_MAX(digits, zm_option_digits(&s->all[i]));
    json_t *config = zm_options_json(options);
    if (!config)
        return zm_options_out_of_memory();
    const int failed =
        json_dumpf(config, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION((size_t)digits));
    json_decref(config);
    if (failed || putchar('\n') == EOF)
        return ZM_FAIL(ZM_ERR_IO, "standard output: %s", strerror(errno));
    return ZM_PENDING;
}

zm_status zm_options_parse(zm_options *options, int argc, const char *const *argv)
{
    options->state = zm_calloc(1, sizeof *options->state);
    if (!options->state)
        return zm_options_out_of_memory();
    ZM_TRY(zm_options_join_tables(options));
    if (argc == 2 && strcmp(argv[1], "--check-presets") == 0)
        return zm_options_check_presets(options);
    if (argc == 2 && strcmp(argv[1], "--man") == 0)
        return zm_options_man(options);
    if (argc == 3 && strcmp(argv[1], "--completion") == 0)
        return zm_options_completion(options, argv[2]);
    ZM_TRY(zm_options_make_popt(options, argc, argv));
    ZM_TRY(zm_options_walk(options));
    ZM_TRY(zm_options_apply(options));
    if (options->state->print_config)
        return print_config(options);
    return check_complete(options);
}

bool zm_options_given(const zm_options *options, const char *name)
{
    const size_t i = zm_options_find(options->state, name);
    return i < options->state->count && options->state->from[i] != ZM_FROM_DEFAULT;
}

// Names of what was given although default or preset say the same; the values cannot show
// it. The preset itself needs no such mark. NULL when memory is out.
static json_t *given_anyway(const struct zm_options_state *s, const json_t *values)
{
    json_t *names = json_array();
    for (size_t i = 0; names && i < s->count; i++) {
        const json_t *now = json_object_get(values, s->all[i].name);
        const json_t *before = json_object_get(s->before, s->all[i].name);
        const bool given =
            (s->from[i] == ZM_FROM_CONFIG || s->from[i] == ZM_FROM_COMMAND) &&
            s->all[i].value.string != &s->preset;
        if (given && now && json_equal(now, before) &&
            json_array_append_new(names, json_string(s->all[i].name)) != 0) {
            json_decref(names);
            names = NULL;
        }
    }
    return names;
}

json_t *zm_options_json(const zm_options *options)
{
    json_t *object = zm_options_values(options);
    json_t *names = object ? given_anyway(options->state, object) : NULL;
    if (names && json_array_size(names) == 0) {
        json_decref(names);
        return object;
    }
    if (!names || json_object_set_new(object, ZM_OPTIONS_GIVEN, names) != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *zm_options_values(const zm_options *options)
{
    const struct zm_options_state *s = options->state;
    json_t *object = json_object();
    for (size_t i = 0; object && i < s->count; i++) {
        const char *name = s->all[i].name;
        if (zm_options_is_about(name))
            continue;
        json_t *value = zm_option_json(&s->all[i]);
        if (!value && strcmp(name, "preset") == 0)
            value = json_null();
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
    for (size_t i = 0; i < s->count; i++) {
        if (s->help)
            free(s->help[i]);
        if (s->negations)
            free(s->negations[i]);
    }
    json_decref(s->config);
    json_decref(s->before);
    free(s->kept);
    free(s->help);
    free(s->negations);
    free(s->texts);
    free(s->preset_names);
    free(s->popt);
    free(s->shared);
    free(s->argv);
    free(s->title);
    free(s->from);
    free(s->all);
    free(s);
}
