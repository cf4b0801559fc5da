#include "core/cli/options_impl.h"

#include <stdlib.h>
#include <string.h>

zm_status zm_options_out_of_memory(void)
{
    return ZM_FAIL(ZM_ERR_MEMORY, "options: out of memory");
}

size_t zm_options_find(const struct zm_options_state *s, const char *name)
{
    size_t i = 0;
    while (i < s->count && strcmp(s->all[i].name, name) != 0)
        i++;
    return i;
}

bool zm_options_is_about(const char *name)
{
    return strcmp(name, "config") == 0 || strcmp(name, "print-config") == 0;
}

// "small|large"
static char *join_names(const zm_preset *presets)
{
    size_t size = 1;
    for (const zm_preset *p = presets; p->name; p++)
        size += strlen(p->name) + 1;
    char *names = zm_calloc(size, 1);
    for (const zm_preset *p = presets; names && p->name; p++) {
        if (p != presets)
            strcat(names, "|");
        strcat(names, p->name);
    }
    return names;
}

static zm_status add_preset_option(zm_options *options)
{
    struct zm_options_state *s = options->state;
    s->preset_names = join_names(options->presets);
    if (!s->preset_names)
        return zm_options_out_of_memory();
    s->all[s->own++] = (zm_option){"preset", ZM_OPT_CHOICE(&s->preset, s->preset_names),
                                   "NAME", "named set of values for other options"};
    return ZM_OK;
}

zm_status zm_options_join_tables(zm_options *options)
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
    const bool presets = options->presets && options->presets[0].name;
    while (options->table && options->table[s->own].name)
        s->own++;
    s->count = s->own + presets + ZM_COUNT_OF(common);
    s->all = zm_calloc(s->count, sizeof *s->all);
    s->from = zm_calloc(s->count, sizeof *s->from);
    s->texts = zm_calloc(s->count, sizeof *s->texts);
    if (!s->all || !s->from || !s->texts)
        return zm_options_out_of_memory();
    if (s->own > 0)
        memcpy(s->all, options->table, s->own * sizeof *s->all);
    if (presets)
        ZM_TRY(add_preset_option(options));
    memcpy(s->all + s->own, common, sizeof common);
    return ZM_OK;
}
