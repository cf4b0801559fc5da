#include "core/cli/model_list.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static zm_status load_next(const char *name, size_t length, uint32_t heads,
                           zm_model_list *list)
{
    char *path = zm_calloc(length + 1, 1);
    if (!path)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for the name of a model");
    memcpy(path, name, length);
    zm_status st = ZM_OK;
    if (length == 0)
        st = ZM_FAIL(ZM_ERR_USAGE, "--model: expected file names with commas between, "
                                   "found an empty one");
    else if (list->count == ZM_MODEL_LIST_MAX)
        st = ZM_FAIL(ZM_ERR_USAGE, "--model: expected at most %d models",
                     ZM_MODEL_LIST_MAX);
    if (st == ZM_OK)
        st = zm_model_load(path, heads, 0, &list->models[list->count]);
    if (st == ZM_OK)
        list->count++;
    free(path);
    return st;
}

zm_status zm_model_list_load(const char *text, uint32_t heads, zm_model_list *out)
{
    const bool one = access(text, F_OK) == 0;
    *out = (zm_model_list){.models = zm_calloc(ZM_MODEL_LIST_MAX, sizeof(zm_model *))};
    if (!out->models)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for a list of models");
    zm_status st = ZM_OK;
    for (const char *at = text; st == ZM_OK;) {
        const size_t length = one ? strlen(at) : strcspn(at, ",");
        st = load_next(at, length, heads, out);
        if (at[length] == '\0')
            break;
        at += length + 1;
    }
    if (st != ZM_OK)
        zm_model_list_finish(out);
    return st;
}

void zm_model_list_finish(zm_model_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        zm_model_destroy(&list->models[i]);
    free(list->models);
    *list = (zm_model_list){0};
}
