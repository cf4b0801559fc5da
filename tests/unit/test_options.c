#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cli/verbs.h"

typedef struct values {
    const char *data, *schedule;
    uint64_t steps;
    double lr;
    float noise;
    bool norm_pix;
} values;

static const char *const small[] = {"steps=50", "lr=1e-4", "norm-pix=true", NULL};
static const char *const large[] = {"schedule=cosine", "noise=0.1", NULL};
static const zm_preset presets[] = {
    {"small", "few steps", small}, {"large", "with noise", large}, {0}};

// Parses as a verb with the options of struct values would; NULL ends the arguments.
typedef struct trial {
    values v;
    zm_options o;
    zm_status status;
} trial;

static void parse(trial *t, const zm_preset *with, const char *const *args)
{
    t->v = (values){.schedule = "constant", .steps = 1000, .lr = 1e-3};
    const zm_option table[] = {
        {"data", ZM_OPT_STRING(&t->v.data), "FILE", "data set", .required = true},
        {"schedule", ZM_OPT_CHOICE(&t->v.schedule, "constant|cosine"), "NAME", "rate"},
        {"steps", ZM_OPT_U64(&t->v.steps, 1, 1e9), "N", "steps"},
        {"lr", ZM_OPT_F64(&t->v.lr, 0, 10), "X", "learning rate"},
        {"noise", ZM_OPT_F32(&t->v.noise, 0, 10), "X", "noise"},
        {"norm-pix", ZM_OPT_FLAG(&t->v.norm_pix), NULL, "normalised targets"},
        {0}};
    const char *argv[32] = {"train"};
    int argc = 1;
    while (args[argc - 1]) {
        argv[argc] = args[argc - 1];
        argc++;
    }
    t->o = (zm_options){.verb = "train", .table = table, .presets = with};
    t->status = zm_options_parse(&t->o, argc, argv);
}

#define PARSE(t, ...) parse((t), presets, (const char *const[]){__VA_ARGS__, NULL})

static char path[64];

static const char *config(const char *text)
{
    snprintf(path, sizeof path, "/tmp/zmae-options-XXXXXX");
    const int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    const size_t n = strlen(text);
    cr_assert_eq(write(fd, text, n), (ssize_t)n);
    close(fd);
    return path;
}

static void remove_config(void)
{
    if (*path)
        unlink(path);
}

TestSuite(options, .fini = remove_config);

Test(options, every_preset_of_every_verb_fits_its_table)
{
    for (size_t i = 0; i < zm_verb_count(); i++) {
        const zm_verb *verb = zm_verb_at(i);
        const char *const argv[] = {verb->name, "--check-presets"};
        cr_expect_eq(verb->run(2, argv), 0, "%s", verb->name);
    }
}

Test(options, a_preset_that_does_not_fit_is_an_internal_error)
{
    static const char *const wrong[][2] = {
        {"steps=none", NULL}, {"lr=11", NULL},          {"schedule=square", NULL},
        {"nothing=1", NULL},  {"norm-pix", NULL},       {"norm-pix=yes", NULL},
        {"config=a", NULL},   {"preset=another", NULL},
    };
    for (size_t i = 0; i < ZM_COUNT_OF(wrong); i++) {
        const zm_preset list[] = {{"good", "", small}, {"bad", "", wrong[i]}, {0}};
        trial t;
        parse(&t, list, (const char *const[]){"--check-presets", NULL});
        cr_expect_eq(t.status, ZM_ERR_INTERNAL, "%s", wrong[i][0]);
        cr_expect_not_null(strstr(zm_error_detail(), "bad"), "%s", zm_error_detail());
        zm_options_finish(&t.o);
    }
}

Test(options, defaults_are_not_given)
{
    trial t;
    PARSE(&t, "--data", "a");
    cr_assert_eq(t.status, ZM_OK, "%s", zm_error_detail());
    cr_assert(t.v.steps == 1000 && t.v.lr == 1e-3 && !t.v.norm_pix);
    cr_assert(zm_options_given(&t.o, "data"));
    cr_assert_not(zm_options_given(&t.o, "steps"));
    cr_assert_not(zm_options_given(&t.o, "preset"));
    zm_options_finish(&t.o);
}

Test(options, a_preset_gives_values_and_the_command_line_wins)
{
    trial t;
    PARSE(&t, "--lr", "0.5", "--preset", "small", "--data", "a");
    cr_assert_eq(t.status, ZM_OK, "%s", zm_error_detail());
    cr_assert_eq(t.v.steps, 50u);
    cr_assert_eq(t.v.lr, 0.5);
    cr_assert(t.v.norm_pix);
    cr_assert(zm_options_given(&t.o, "steps") && zm_options_given(&t.o, "norm-pix"));
    cr_assert_not(zm_options_given(&t.o, "noise"));
    zm_options_finish(&t.o);
}

Test(options, a_flag_is_turned_off_again)
{
    trial t;
    PARSE(&t, "--preset", "small", "--no-norm-pix", "--data", "a");
    cr_assert_eq(t.status, ZM_OK, "%s", zm_error_detail());
    cr_assert_not(t.v.norm_pix);
    zm_options_finish(&t.o);
}

Test(options, an_unknown_preset_is_refused_with_the_names)
{
    trial t;
    PARSE(&t, "--preset", "huge", "--data", "a");
    cr_assert_eq(t.status, ZM_ERR_USAGE);
    cr_assert_not_null(strstr(zm_error_detail(), "small|large"), "%s", zm_error_detail());
    zm_options_finish(&t.o);
    parse(&t, NULL, (const char *const[]){"--preset", "small", "--data", "a", NULL});
    cr_assert_eq(t.status, ZM_ERR_USAGE, "a verb without presets");
    zm_options_finish(&t.o);
}

Test(options, a_file_gives_only_what_differs_from_the_default)
{
    trial t;
    PARSE(&t, "--config",
          config("{\"data\": \"a\", \"steps\": 1000, \"lr\": 0.002, \"noise\": 0.0,"
                 " \"norm-pix\": false, \"seed\": 3}"));
    cr_assert_eq(t.status, ZM_OK, "%s", zm_error_detail());
    cr_assert(t.v.steps == 1000 && t.v.lr == 0.002);
    cr_assert(zm_options_given(&t.o, "data") && zm_options_given(&t.o, "lr") &&
              zm_options_given(&t.o, "seed"));
    cr_assert_not(zm_options_given(&t.o, "steps"));
    cr_assert_not(zm_options_given(&t.o, "noise"));
    cr_assert_not(zm_options_given(&t.o, "norm-pix"));
    zm_options_finish(&t.o);
}

Test(options, what_was_given_with_its_default_stays_given_in_a_file)
{
    trial t, back;
    PARSE(&t, "--data", "a", "--steps", "1000", "--preset", "large", "--noise", "0.1");
    cr_assert_eq(t.status, ZM_OK, "%s", zm_error_detail());
    json_t *json = zm_options_json(&t.o);
    const json_t *list = json_object_get(json, "given");
    cr_expect_eq(json_array_size(list), 2, "steps and noise");
    char *text = json_dumps(json, 0);
    PARSE(&back, "--config", config(text));
    cr_assert_eq(back.status, ZM_OK, "%s", zm_error_detail());
    cr_expect(zm_options_given(&back.o, "steps"), "%s", text);
    cr_expect_not(zm_options_given(&back.o, "lr"), "%s", text);
    json_t *again = zm_options_json(&back.o);
    cr_expect(json_equal(json, again), "%s", text);
    json_decref(again);
    json_decref(json);
    free(text);
    zm_options_finish(&t.o);
    zm_options_finish(&back.o);
}

Test(options, a_list_of_what_was_given_has_only_names_of_options)
{
    static const char *const bad[] = {"{\"data\": \"a\", \"given\": \"steps\"}",
                                      "{\"data\": \"a\", \"given\": [\"stepz\"]}",
                                      "{\"data\": \"a\", \"given\": [\"config\"]}",
                                      "{\"data\": \"a\", \"given\": [1]}"};
    for (size_t i = 0; i < ZM_COUNT_OF(bad); i++) {
        trial t;
        PARSE(&t, "--config", config(bad[i]));
        cr_expect_eq(t.status, ZM_ERR_USAGE, "%s", bad[i]);
        cr_expect_not_null(strstr(zm_error_detail(), "given"), "%s", zm_error_detail());
        zm_options_finish(&t.o);
        remove_config();
    }
}

Test(options, a_file_wins_over_the_preset_and_loses_to_the_command_line)
{
    trial t;
    PARSE(&t, "--preset", "small", "--lr", "0.25", "--config",
          config("{\"data\": \"a\", \"steps\": 1000, \"lr\": 0.002}"));
    cr_assert_eq(t.status, ZM_OK, "%s", zm_error_detail());
    cr_assert_eq(t.v.steps, 1000u, "differs from the preset's");
    cr_assert(zm_options_given(&t.o, "steps"));
    cr_assert_eq(t.v.lr, 0.25);
    cr_assert(t.v.norm_pix);
    zm_options_finish(&t.o);
}

Test(options, what_is_in_effect_reads_back_with_the_preset)
{
    trial t, back;
    PARSE(&t, "--preset", "large", "--lr", "0.1234567890123", "--data", "a");
    cr_assert_eq(t.status, ZM_OK, "%s", zm_error_detail());
    json_t *json = zm_options_json(&t.o);
    cr_assert_str_eq(json_string_value(json_object_get(json, "preset")), "large");
    char *text = json_dumps(json, 0);
    PARSE(&back, "--config", config(text));
    cr_assert_eq(back.status, ZM_OK, "%s", zm_error_detail());
    cr_assert_eq(back.v.lr, t.v.lr);
    cr_assert_eq(back.v.noise, t.v.noise);
    cr_assert_str_eq(back.v.schedule, "cosine");
    for (const char *const *name =
             (const char *const[]){"data", "schedule", "steps", "lr", "noise", "norm-pix",
                                   "preset", "seed", NULL};
         *name; name++)
        cr_expect_eq(zm_options_given(&back.o, *name), zm_options_given(&t.o, *name),
                     "%s", *name);
    json_t *again = zm_options_json(&back.o);
    cr_assert(json_equal(json, again));
    free(text);
    json_decref(json);
    json_decref(again);
    zm_options_finish(&t.o);
    zm_options_finish(&back.o);
}

Test(options, a_file_made_with_one_preset_goes_with_no_other)
{
    trial t;
    PARSE(&t, "--preset", "large", "--config", config("{\"preset\": \"small\"}"));
    cr_assert_eq(t.status, ZM_ERR_USAGE);
    cr_assert_not_null(strstr(zm_error_detail(), "small"), "%s", zm_error_detail());
    zm_options_finish(&t.o);
    remove_config();
    PARSE(&t, "--preset", "large", "--config", config("{\"preset\": null}"));
    cr_assert_eq(t.status, ZM_ERR_USAGE);
    cr_assert_not_null(strstr(zm_error_detail(), "no preset"), "%s", zm_error_detail());
    zm_options_finish(&t.o);
    remove_config();
    PARSE(&t, "--config", config("{\"preset\": \"huge\", \"data\": \"a\"}"));
    cr_assert_eq(t.status, ZM_ERR_USAGE);
    zm_options_finish(&t.o);
    remove_config();
    PARSE(&t, "--preset", "small", "--config",
          config("{\"preset\": \"small\", \"data\": \"a\"}"));
    cr_assert_eq(t.status, ZM_OK, "%s", zm_error_detail());
    cr_assert_eq(t.v.steps, 50u);
    zm_options_finish(&t.o);
}
