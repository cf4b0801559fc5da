// The part of a shell's completion script that a verb's option table knows.
#include "core/cli/options_impl.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "core/cli/verbs.h"

// What stands behind an option or as an argument of the verb.
typedef enum taking { NOTHING, VALUE, WORDS, FILES, FOLDERS, VERBS } taking;

static taking taking_of(const char *arg, const char *choices)
{
    if (choices)
        return WORDS;
    if (strstr(arg, "VERB"))
        return VERBS;
    if (strstr(arg, "FILE"))
        return FILES;
    if (strstr(arg, "DIR"))
        return FOLDERS;
    return strchr(arg, '|') ? WORDS : VALUE;
}

static taking option_taking(const zm_option *o)
{
    return o->kind == ZM_OPTION_FLAG ? NOTHING : taking_of(o->arg, o->choices);
}

static taking argument_taking(const zm_options *o)
{
    if (o->max_args == 0 || !o->arguments)
        return NOTHING;
    const taking t = taking_of(o->arguments, NULL);
    return t == VALUE ? FILES : t; // "IN OUT"
}

// The words of "f32|mixed", or of "auto|vulkan[:N]|NAME": what is in capitals stands for
// something else, and what is in brackets may be left out.
static void print_words(const char *list)
{
    const char *space = "";
    for (const char *at = list; *at; at += *at == '|') {
        const size_t n = strcspn(at, "|");
        if (!isupper((unsigned char)*at)) {
            printf("%s%.*s", space, (int)ZM_MIN(n, strcspn(at, "[")), at);
            space = " ";
        }
        at += n;
    }
}

static void print_verbs(void)
{
    for (size_t i = 0; i < zm_verb_count(); i++)
        printf("%s%s", i ? " " : "", zm_verb_at(i)->name);
}

static void print_choices(taking t, const char *list)
{
    if (t == VERBS)
        print_verbs();
    else
        print_words(list);
}

static const char *words_of(const zm_option *o)
{
    return o->choices ? o->choices : o->arg;
}

// ---- bash
// ------------------------------------------------------------------------------

static void bash_sets(taking t, const char *list)
{
    static const char *const names[] = {
        [NOTHING] = "nothing", [VALUE] = "nothing",   [WORDS] = "words",
        [FILES] = "files",     [FOLDERS] = "folders", [VERBS] = "words"};
    printf("takes=%s", names[t]);
    if (t == WORDS || t == VERBS) {
        printf(" words='");
        print_choices(t, list);
        printf("'");
    }
}

static void bash_verb(const zm_options *options)
{
    const struct zm_options_state *s = options->state;
    const taking argument = argument_taking(options);
    printf("    %s)\n        options='", options->verb);
    for (size_t i = 0; i < s->count; i++)
        printf("--%s ", s->all[i].name);
    printf("--help'\n        case $prev in\n");
    for (size_t i = 0; i < s->count; i++) {
        const taking t = option_taking(&s->all[i]);
        if (t == NOTHING)
            continue;
        printf("        --%s) ", s->all[i].name);
        bash_sets(t, words_of(&s->all[i]));
        printf(" ;;\n");
    }
    printf("        *) ");
    if (argument == NOTHING)
        printf("takes=words words=$options");
    else
        bash_sets(argument, options->arguments);
    printf(" option=yes ;;\n        esac\n        ;;\n");
}

// ---- zsh
// -------------------------------------------------------------------------------

// Inside single quotes; specials are what _arguments gives a meaning.
static void zsh_text(const char *text, const char *specials)
{
    for (const char *at = text; *at; at++)
        if (*at == '\'')
            printf("'\\''");
        else if (*at == '\\' || strchr(specials, *at))
            printf("\\%c", *at);
        else
            putchar(*at);
}

static void zsh_action(taking t, const char *label, const char *list)
{
    printf(":");
    zsh_text(label, ":");
    printf(":");
    if (t == WORDS || t == VERBS) {
        printf("(");
        print_choices(t, list);
        printf(")");
    } else {
        printf("%s", t == FILES ? "_files" : t == FOLDERS ? "_files -/" : "");
    }
}

static void zsh_verb(const zm_options *options)
{
    const struct zm_options_state *s = options->state;
    const taking argument = argument_taking(options);
    printf("        %s)\n            _arguments \\\n", options->verb);
    for (size_t i = 0; i < s->count; i++) {
        const zm_option *o = &s->all[i];
        char help[ZM_OPTION_HELP_BYTES];
        zm_option_help(o, help, sizeof help);
        if (o->letter)
            printf("                '(-%c --%s)'{-%c,--%s}'[", o->letter, o->name,
                   o->letter, o->name);
        else
            printf("                '--%s%s[", o->name,
                   o->kind == ZM_OPTION_FLAG ? "" : "=");
        zsh_text(help, "[]");
        printf("]");
        if (o->kind != ZM_OPTION_FLAG)
            zsh_action(option_taking(o), o->arg, words_of(o));
        printf("' \\\n");
    }
    if (argument != NOTHING) {
        printf("                '%s", options->max_args == 1 ? "1" : "*");
        zsh_action(argument, options->arguments, options->arguments);
        printf("' \\\n");
    }
    printf("                '(- *)'{-h,--help}'[show the options]'\n"
           "            ;;\n");
}

// ---- fish
// ------------------------------------------------------------------------------

static void fish_text(const char *text)
{
    for (const char *at = text; *at; at++)
        printf(*at == '\'' || *at == '\\' ? "\\%c" : "%c", *at);
}

static void fish_values(taking t, const char *list)
{
    if (t == FILES)
        printf(" -r -F");
    else if (t == FOLDERS)
        printf(" -x -a '(__fish_complete_directories)'");
    else if (t == VALUE)
        printf(" -x");
    if (t == WORDS || t == VERBS) {
        printf(" -x -a '");
        print_choices(t, list);
        printf("'");
    }
}

static void fish_verb(const zm_options *options)
{
    const struct zm_options_state *s = options->state;
    const taking argument = argument_taking(options);
    const char *const start = "complete -c zmae -n '__zmae_verb_is ";
    for (size_t i = 0; i < s->count; i++) {
        const zm_option *o = &s->all[i];
        char help[ZM_OPTION_HELP_BYTES];
        zm_option_help(o, help, sizeof help);
        printf("%s%s' -l %s", start, options->verb, o->name);
        if (o->letter)
            printf(" -s %c", o->letter);
        fish_values(option_taking(o), words_of(o));
        printf(" -d '");
        fish_text(help);
        printf("'\n");
    }
    printf("%s%s' -l help -s h -d 'show the options'\n", start, options->verb);
    if (argument == FILES || argument == FOLDERS) {
        printf("%s%s' -F\n", start, options->verb);
    } else if (argument != NOTHING) {
        printf("%s%s'", start, options->verb);
        fish_values(argument, options->arguments);
        printf("\n");
    }
}

zm_status zm_options_completion(const zm_options *options, const char *shell)
{
    if (strcmp(shell, "bash") == 0)
        bash_verb(options);
    else if (strcmp(shell, "zsh") == 0)
        zsh_verb(options);
    else if (strcmp(shell, "fish") == 0)
        fish_verb(options);
    else
        return ZM_FAIL(ZM_ERR_USAGE, "wanted bash, zsh or fish, found \"%s\"", shell);
    return ZM_PENDING;
}
