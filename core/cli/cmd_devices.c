#include <inttypes.h>
#include <stdio.h>

#include "core/cli/cli.h"
#include "core/cli/report.h"

static const double gib = 1024.0 * 1024.0 * 1024.0;

static void print_features(const zm_caps *c)
{
    const struct {
        bool has;
        const char *name;
    } features[] = {{c->f16, "f16"},
                    {c->bf16, "bf16"},
                    {c->subgroups, "subgroups"},
                    {c->coopmat, "cooperative matrices"},
                    {c->timestamps, "timestamps"}};
    const char *separator = "";
    for (size_t i = 0; i < ZM_COUNT_OF(features); i++)
        if (features[i].has) {
            printf("%s%s", separator, features[i].name);
            separator = ", ";
        }
    puts(*separator ? "" : "none beyond f32");
}

static void print_device(const zm_caps *c, bool chosen)
{
    printf("%s:%u%s  %s\n", c->backend, (unsigned)c->index, chosen ? " (auto)" : "",
           c->name);
    if (c->vendor[0])
        printf("    vendor    %s\n", c->vendor);
    if (c->driver[0])
        printf("    driver    %s\n", c->driver);
    if (c->memory_bytes > 0)
        printf("    memory    %.1f GiB\n", (double)c->memory_bytes / gib);
    printf("    kind      %s\n", c->software   ? "software, runs on the CPU"
                                 : c->discrete ? "discrete GPU"
                                               : "integrated");
    if (c->isa[0])
        printf("    cpu       %s, %u threads\n", c->isa, (unsigned)c->threads);
    if (c->uuid[0])
        printf("    uuid      %s\n", c->uuid);
    printf("    features  ");
    print_features(c);
}

static json_t *device_json(const zm_caps *c, bool chosen)
{
    return json_pack(
        "{s:s, s:i, s:b, s:s, s:s, s:s, s:s, s:b, s:b, s:I, s:I, s:b, s:b, "
        "s:b, s:i, s:b, s:b, s:i, s:s}",
        "backend", c->backend, "index", (int)c->index, "auto", (int)chosen, "name",
        c->name, "vendor", c->vendor, "driver", c->driver, "uuid", c->uuid, "software",
        (int)c->software, "discrete", (int)c->discrete, "memory_bytes",
        (json_int_t)c->memory_bytes, "max_binding_bytes", (json_int_t)c->max_binding,
        "f16", (int)c->f16, "bf16", (int)c->bf16, "subgroups", (int)c->subgroups,
        "subgroup_size", (int)c->subgroup_size, "cooperative_matrix", (int)c->coopmat,
        "timestamps", (int)c->timestamps, "threads", (int)c->threads, "isa", c->isa);
}

static zm_status report_json(const zm_device_list *list)
{
    json_t *devices = json_array();
    for (uint32_t i = 0; i < list->count; i++)
        if (json_array_append_new(
                devices, device_json(&list->devices[i], i == list->auto_index)) != 0)
            return ZM_FAIL(ZM_ERR_INTERNAL, "device %u: a name is not UTF-8",
                           (unsigned)i);
    return zm_report_json(json_pack("{s:o, s:i, s:s}", "devices", devices, "auto",
                                    (int)list->auto_index, "reason", list->reason));
}

static zm_status report(const zm_common *common, bool json)
{
    const zm_gpu_params params = {.threads = common->threads, .log = zm_cli_log(common)};
    zm_device_list list = {0};
    ZM_TRY(zm_gpu_list(&params, &list));
    zm_status st = ZM_OK;
    if (json) {
        st = report_json(&list);
    } else {
        for (uint32_t i = 0; i < list.count; i++)
            print_device(&list.devices[i], i == list.auto_index);
        printf("auto: %s\n", list.reason);
    }
    zm_gpu_list_finish(&list);
    return st;
}

static int run(int argc, const char *const *argv)
{
    bool json = false;
    const zm_option table[] = {{"json", ZM_OPT_FLAG(&json), NULL, "print JSON"}, {0}};
    static const char *const examples[] = {
        "What there is to compute with", "zmae devices",
        "The device that auto takes, for a script",
        "zmae devices --json | jq -r '.devices[.auto].name'", NULL};
    zm_options options = {.verb = argv[0],
                          .summary = "Lists every device of every backend, and which one "
                                     "--device auto takes and why.",
                          .table = table,
                          .examples = examples};
    zm_status st = zm_options_parse(&options, argc, argv);
    if (st == ZM_OK)
        st = report(&options.common, json);
    zm_options_finish(&options);
    return zm_cli_exit(st);
}

const zm_verb zm_verb_devices = {"devices",
                                 "list devices, and which one auto takes and why", run};
