#include "core/cli/options_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- presets
// ---------------------------------------------------------------------------

static zm_status apply_value(struct zm_options_state *s, const char *value)
{
    char name[64];
    const size_t n = strcspn(value, "=");
    if (value[n] != '=' || n >= sizeof name)
        return ZM_FAIL(ZM_ERR_INTERNAL, "wanted \"name=value\", found \"%s\"", value);
    memcpy(name, value, n);
    name[n] = '\0';
    const size_t i = zm_options_find(s, name);
    if (i == s->count || zm_options_is_about(name) || strcmp(name, "preset") == 0)
        return ZM_FAIL(ZM_ERR_INTERNAL, "\"%s\" is not an option of this verb", name);
    ZM_TRY(zm_option_set_text(&s->all[i], value + n + 1));
    s->from[i] = ZM_FROM_PRESET;
    return ZM_OK;
}

static zm_status apply_preset(struct zm_options_state *s, const zm_preset *preset)
{
    for (const char *const *value = preset->values; *value; value++)
        if (apply_value(s, *value) != ZM_OK)
            return ZM_FAIL(ZM_ERR_INTERNAL, "preset %s: %s", preset->name,
                           zm_error_detail());
    return ZM_OK;
}

zm_status zm_options_check_presets(zm_options *options)
{
    for (const zm_preset *p = options->presets; p && p->name; p++)
        ZM_TRY(apply_preset(options->state, p));
    return ZM_PENDING;
}

// The preset of the command line or else of the file; a file that says which one it was
// made with, or that it was made without ("preset": null), goes with no other.
static zm_status choose_preset(const zm_options *options)
{
    struct zm_options_state *s = options->state;
    const size_t at = zm_options_find(s, "preset");
    if (at == s->count)
        return ZM_OK;
    json_t *recorded = json_object_get(s->config, "preset");
    const char *text = s->texts[at];
    if (text) {
        ZM_TRY(zm_option_set_text(&s->all[at], text));
        s->from[at] = ZM_FROM_COMMAND;
        const char *other = json_is_string(recorded) ? json_string_value(recorded) : NULL;
        if (recorded && (!other || strcmp(other, text) != 0))
            return ZM_FAIL(ZM_ERR_USAGE, "%s: was written with %s%s, found --preset %s",
                           s->config_path, other ? "--preset " : "no preset",
                           other ? other : "", text);
    } else if (recorded && !json_is_null(recorded)) {
        ZM_TRY(zm_error_context(zm_option_set_json(&s->all[at], recorded), "%s",
                                s->config_path));
        s->from[at] = ZM_FROM_CONFIG;
    }
    for (const zm_preset *p = options->presets; s->preset && p->name; p++)
        if (strcmp(p->name, s->preset) == 0)
            return apply_preset(s, p);
    return ZM_OK;
}

// ---- --config
// --------------------------------------------------------------------------

static zm_status load_config(struct zm_options_state *s)
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
    return ZM_OK;
}

// The list of names under "given", where the file has one.
static zm_status check_given(const struct zm_options_state *s, const json_t *list)
{
    if (!json_is_array(list))
        return ZM_FAIL(ZM_ERR_USAGE, "%s: \"" ZM_OPTIONS_GIVEN "\": wanted an array",
                       s->config_path);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (!name || zm_options_find(s, name) == s->count || zm_options_is_about(name))
            return ZM_FAIL(ZM_ERR_USAGE,
                           "%s: \"" ZM_OPTIONS_GIVEN
                           "\": \"%s\" is not an option of this "
                           "verb",
                           s->config_path, name ? name : "");
    }
    return ZM_OK;
}

static bool is_listed(const struct zm_options_state *s, size_t i)
{
    const json_t *list = json_object_get(s->config, ZM_OPTIONS_GIVEN);
    for (size_t k = 0; k < json_array_size(list); k++)
        if (strcmp(json_string_value(json_array_get(list, k)), s->all[i].name) == 0)
            return true;
    return false;
}

// A value that the option has already leaves it what it was, by default or by a preset,
// unless it is listed.
static zm_status apply_config_value(struct zm_options_state *s, size_t i, json_t *value)
{
    json_t *before = zm_option_json(&s->all[i]);
    const zm_status st = zm_option_set_json(&s->all[i], value);
    json_t *after = zm_option_json(&s->all[i]);
    if (st == ZM_OK && (is_listed(s, i) || !(before && json_equal(before, after))))
        s->from[i] = ZM_FROM_CONFIG;
    json_decref(before);
    json_decref(after);
    return st;
}

static zm_status apply_config(struct zm_options_state *s)
{
    const char *key;
    json_t *value;
    const json_t *given = json_object_get(s->config, ZM_OPTIONS_GIVEN);
    if (given)
        ZM_TRY(check_given(s, given));
    json_object_foreach(s->config, key, value)
    {
        if (value == given)
            continue;
        const size_t i = zm_options_find(s, key);
        if (i == s->count || zm_options_is_about(key))
            return ZM_FAIL(ZM_ERR_USAGE, "%s: \"%s\" is not an option of this verb",
                           s->config_path, key);
        if (json_is_null(value) || strcmp(key, "preset") == 0)
            continue;
        ZM_TRY(zm_error_context(apply_config_value(s, i, value), "%s", s->config_path));
    }
    return ZM_OK;
}

// ---- environment, and all together
// -----------------------------------------------------

static zm_status apply_environment(struct zm_options_state *s)
{
    const char *device = getenv("ZMAE_DEVICE");
    const size_t i = zm_options_find(s, "device");
    if (!device || !*device)
        return ZM_OK;
    s->from[i] = ZM_FROM_ENVIRONMENT;
    return zm_error_context(zm_option_set_text(&s->all[i], device), "ZMAE_DEVICE");
}

zm_status zm_options_apply(zm_options *options)
{
    struct zm_options_state *s = options->state;
    const size_t config = zm_options_find(s, "config");
    if (s->texts[config])
        ZM_TRY(zm_option_set_text(&s->all[config], s->texts[config]));
    if (s->config_path)
        ZM_TRY(load_config(s));
    ZM_TRY(choose_preset(options));
    if (!(s->before = zm_options_values(options)))
        return zm_options_out_of_memory();
    ZM_TRY(apply_config(s));
    ZM_TRY(apply_environment(s));
    for (size_t i = 0; i < s->count; i++)
        if (s->texts[i]) {
            ZM_TRY(zm_option_set_text(&s->all[i], s->texts[i]));
            s->from[i] = ZM_FROM_COMMAND;
        }
    return ZM_OK;
}
