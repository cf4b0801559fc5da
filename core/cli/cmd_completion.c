// Completion scripts: what is round the parts that the verbs write about themselves.
#include <stdio.h>
#include <string.h>

#include "core/cli/verbs.h"

static const char bash_head[] = //
    "# Completion of zmae in bash, written by \"zmae completion bash\".\n"
    "_zmae()\n"
    "{\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "    local verb= takes=nothing words= options= option=\n"
    "    COMPREPLY=()\n"
    "    # --name=value is three words here\n"
    "    if [[ $cur == = ]]; then\n"
    "        cur=\n"
    "    elif [[ $prev == = ]]; then\n"
    "        prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
    "    fi\n"
    "    ((COMP_CWORD == 1)) || verb=${COMP_WORDS[1]}\n"
    "    case $verb in\n";

static const char bash_tail[] = //
    "    esac\n"
    "    if [[ $option && $cur == -* ]]; then\n"
    "        takes=words words=$options\n"
    "    fi\n"
    "    case $takes in\n"
    "    words) mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\") ;;\n"
    "    files) mapfile -t COMPREPLY < <(compgen -f -- \"$cur\") ;;\n"
    "    folders) mapfile -t COMPREPLY < <(compgen -d -- \"$cur\") ;;\n"
    "    esac\n"
    "    if [[ $takes == files || $takes == folders ]]; then\n"
    "        compopt -o filenames 2>/dev/null\n"
    "    fi\n"
    "}\n"
    "complete -F _zmae zmae\n";

static const char zsh_head[] = //
    "#compdef zmae\n"
    "# Completion of zmae in zsh, written by \"zmae completion zsh\".\n"
    "_zmae()\n"
    "{\n"
    "    local curcontext=$curcontext state line\n"
    "    typeset -A opt_args\n"
    "    local -a verbs\n"
    "    verbs=(\n";

static const char zsh_middle[] = //
    "    )\n"
    "    _arguments -C '(- *)'{-h,--help}'[list the verbs]' \\\n"
    "        '(- *)--version[print the version]' '1:verb:->verb' '*::argument:->rest'\n"
    "    case $state in\n"
    "    verb) _describe -t verbs verb verbs ;;\n"
    "    rest)\n"
    "        case $words[1] in\n"
    "        help) _describe -t verbs verb verbs ;;\n";

static const char zsh_tail[] = //
    "        esac\n"
    "        ;;\n"
    "    esac\n"
    "}\n"
    "# autoloaded from fpath, or sourced\n"
    "if [[ $funcstack[1] == _zmae ]]; then\n"
    "    _zmae \"$@\"\n"
    "else\n"
    "    compdef _zmae zmae\n"
    "fi\n";

static const char fish_head[] = //
    "# Completion of zmae in fish, written by \"zmae completion fish\".\n"
    "function __zmae_no_verb\n"
    "    test (count (commandline -opc)) -eq 1\n"
    "end\n"
    "function __zmae_verb_is\n"
    "    set -l words (commandline -opc)\n"
    "    test (count $words) -ge 2; and test $words[2] = $argv[1]\n"
    "end\n"
    "complete -c zmae -f\n"
    "complete -c zmae -n __zmae_no_verb -l help -s h -d 'list the verbs'\n"
    "complete -c zmae -n __zmae_no_verb -l version -d 'print the version'\n"
    "complete -c zmae -n __zmae_no_verb -a help -d 'the options of a verb'\n";

static void print_names(void)
{
    for (size_t i = 0; i < zm_verb_count(); i++)
        printf("%s ", zm_verb_at(i)->name);
}

// Every verb's own part; returns the exit status of the first that fails.
static int print_verbs(const char *shell)
{
    int status = 0;
    for (size_t i = 0; i < zm_verb_count() && status == 0; i++) {
        const zm_verb *verb = zm_verb_at(i);
        status =
            verb->run(3, (const char *const[]){verb->name, "--completion", shell, NULL});
    }
    return status;
}

static int print_bash(void)
{
    fputs(bash_head, stdout);
    printf("    '') takes=words words='");
    print_names();
    printf("help --help --version' ;;\n    help) takes=words words='");
    print_names();
    printf("' ;;\n");
    const int status = print_verbs("bash");
    fputs(bash_tail, stdout);
    return status;
}

static int print_zsh(void)
{
    fputs(zsh_head, stdout);
    for (size_t i = 0; i < zm_verb_count(); i++)
        printf("        '%s:%s'\n", zm_verb_at(i)->name, zm_verb_at(i)->summary);
    printf("        'help:the options of a verb'\n");
    fputs(zsh_middle, stdout);
    const int status = print_verbs("zsh");
    fputs(zsh_tail, stdout);
    return status;
}

static int print_fish(void)
{
    fputs(fish_head, stdout);
    for (size_t i = 0; i < zm_verb_count(); i++)
        printf("complete -c zmae -n __zmae_no_verb -a %s -d '%s'\n", zm_verb_at(i)->name,
               zm_verb_at(i)->summary);
    printf("complete -c zmae -n '__zmae_verb_is help' -a '");
    print_names();
    printf("'\n");
    return print_verbs("fish");
}

// The manual page beyond the options.
static const zm_detail details[] = {
    {NULL, "Where zmae is installed as a package the scripts are in place."}, {0}};

static int run(int argc, const char *const *argv)
{
    static const struct {
        const char *name;
        int (*print)(void);
    } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
    static const char *const examples[] = {
        "For this session of bash", "source <(zmae completion bash)",
        "For every session of fish",
        "zmae completion fish > ~/.config/fish/completions/zmae.fish", NULL};
    zm_options options = {.verb = argv[0],
                          .summary = "Writes a script that teaches a shell the verbs, "
                                     "their options and choices.",
                          .arguments = "bash|zsh|fish",
                          .min_args = 1,
                          .max_args = 1,
                          .details = details,
                          .examples = examples};
    int status = 0;
    zm_status st = zm_options_parse(&options, argc, argv);
    if (st == ZM_OK) {
        size_t i = 0;
        while (i < ZM_COUNT_OF(shells) && strcmp(shells[i].name, options.args[0]) != 0)
            i++;
        if (i < ZM_COUNT_OF(shells))
            status = shells[i].print();
        else
            st = ZM_FAIL(ZM_ERR_USAGE, "wanted %s, found \"%s\"", options.arguments,
                         options.args[0]);
    }
    zm_options_finish(&options);
    return status ? status : zm_cli_exit(st);
}

const zm_verb zm_verb_completion = {"completion", "completion scripts for shells", run};
