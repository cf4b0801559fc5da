#include "core/cli/train_config.h"

#include <stdlib.h>
#include <string.h>

#include "core/io/bytes.h"
#include "core/io/path.h"

zm_status zm_train_config_text(const zm_options *options, const zm_dataset *ds,
                               const zm_model *model, char **out)
{
    static const char *const apart[] = {
        "out",    "resume",           "device",    "threads", "quiet", "verbose",
        "config", "checkpoint-every", "log-every", "init",    "data",  "preset"};
    json_t *all = zm_options_values(options);
    for (size_t i = 0; i < ZM_COUNT_OF(apart); i++)
        json_object_del(all, apart[i]);
    json_object_set_new(all, "objects", json_integer((json_int_t)ds->count));
    json_object_set_new(all, "model", zm_model_metadata(model));
    *out = all ? json_dumps(all, JSON_SORT_KEYS | JSON_COMPACT) : NULL;
    json_decref(all);
    return *out ? ZM_OK : ZM_FAIL(ZM_ERR_MEMORY, "no memory for the options");
}

zm_status zm_train_config_write(const char *dir, const zm_options *options)
{
    char *path = zm_path_join(dir, "config.json");
    json_t *all = zm_options_json(options);
    char *text = all ? json_dumps(all, JSON_SORT_KEYS | JSON_INDENT(2)) : NULL;
    zm_atomic_file file = {0};
    zm_status st = path && text ? zm_atomic_begin(path, &file)
                                : ZM_FAIL(ZM_ERR_MEMORY, "no memory for config.json");
    if (st == ZM_OK)
        st = zm_atomic_write(&file, text, strlen(text));
    if (st == ZM_OK)
        st = zm_atomic_commit(&file);
    else
        zm_atomic_abort(&file);
    json_decref(all);
    free(text);
    free(path);
    return st;
}

// The first key whose values differ, or that only one of two objects has; NULL = none.
static const char *first_difference(json_t *a, json_t *b)
{
    const char *key;
    json_t *value;
    json_object_foreach(a, key, value)
    {
        if (!json_equal(value, json_object_get(b, key)))
            return key;
    }
    json_object_foreach(b, key, value)
    {
        if (!json_object_get(a, key))
            return key;
    }
    return NULL;
}

zm_status zm_train_config_compare(const char *path, const char *then_text,
                                  const char *now_text)
{
    if (strcmp(then_text, now_text) == 0)
        return ZM_OK;
    json_t *then = json_loads(then_text, 0, NULL);
    json_t *now = json_loads(now_text, 0, NULL);
    const char *key = first_difference(now, then);
    zm_status st;
    if (key && strcmp(key, "model") == 0)
        st = ZM_FAIL(ZM_ERR_USAGE,
                     "%s: was made with another model or scale of pixels and magnitudes: "
                     "resume with the same --data and --init",
                     path);
    else if (key && strcmp(key, "objects") == 0)
        st = ZM_FAIL(ZM_ERR_USAGE,
                     "%s: was made with another number of objects: resume "
                     "with the same data",
                     path);
    else
        st = ZM_FAIL(ZM_ERR_USAGE,
                     "%s: was made with another --%s: resume with the same options", path,
                     key ? key : "option");
    json_decref(then);
    json_decref(now);
    return st;
}
