// Which devices there are and which one a name means.
#include "core/gpu_impl.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const zm_backend *const backends[] = {
    &zm_backend_cpu,
#ifdef ZM_HAVE_VULKAN
    &zm_backend_vulkan,
#endif
};

enum { MAX_DEVICES = 64, NO_DEVICE = -1 };

static bool is_cpu(const zm_caps *caps)
{
    return strcmp(caps->backend, zm_backend_cpu.name) == 0;
}

// Larger is better: a GPU of its own, a GPU in the CPU, software, one that is listed but
// cannot be used.
static int rank(const zm_caps *caps)
{
    if (caps->max_binding == 0)
        return -1;
    return caps->discrete ? 2 : caps->software ? 0 : 1;
}

static bool contains_ignoring_case(const char *text, const char *part)
{
    for (; *text; text++) {
        size_t i = 0;
        while (part[i] &&
               tolower((unsigned char)text[i]) == tolower((unsigned char)part[i]))
            i++;
        if (!part[i])
            return true;
    }
    return false;
}

static bool equal_ignoring_case(const char *a, const char *b)
{
    return strlen(a) == strlen(b) && contains_ignoring_case(a, b);
}

// What "auto" takes, and why.
static void choose_auto(zm_device_list *list)
{
    uint32_t best = 0; // the CPU is always there and first
    uint32_t software = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        const zm_caps *caps = &list->devices[i];
        if (is_cpu(caps) || rank(caps) < 0)
            continue;
        software += caps->software;
        if (!caps->software &&
            (is_cpu(&list->devices[best]) || rank(caps) > rank(&list->devices[best])))
            best = i;
    }
    list->auto_index = best;
    const zm_caps *caps = &list->devices[best];
    if (!is_cpu(caps))
        snprintf(list->reason, sizeof list->reason, "%s:%u is %s", caps->backend,
                 (unsigned)caps->index, caps->discrete ? "a discrete GPU" : "a GPU");
    else if (caps->real == ZM_F64)
        snprintf(list->reason, sizeof list->reason,
                 "only the CPU computes in double precision");
    else if (software)
        snprintf(list->reason, sizeof list->reason,
                 "no GPU, and the CPU kernels are faster than software Vulkan");
    else
        snprintf(list->reason, sizeof list->reason, "no GPU was found");
}

zm_status zm_gpu_list(const zm_gpu_params *params, zm_device_list *out)
{
    const zm_gpu_params defaults = {0};
    if (!params)
        params = &defaults;
    zm_device_list list = {.devices = zm_calloc(MAX_DEVICES, sizeof *list.devices)};
    if (!list.devices)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for the list of devices");
    for (size_t i = 0; i < ZM_COUNT_OF(backends); i++) {
        if (params->f64 && backends[i] != &zm_backend_cpu)
            continue;
        const uint32_t room = MAX_DEVICES - list.count;
        const uint32_t found = backends[i]->list(params, list.devices + list.count, room);
        list.count += ZM_MIN(found, room);
    }
    choose_auto(&list);
    *out = list;
    return ZM_OK;
}

void zm_gpu_list_finish(zm_device_list *list)
{
    free(list->devices);
    *list = (zm_device_list){0};
}

static bool matches(const zm_caps *caps, const char *spec)
{
    char full[40];
    snprintf(full, sizeof full, "%s:%u", caps->backend, (unsigned)caps->index);
    return strcmp(spec, full) == 0 || strcmp(spec, caps->backend) == 0 ||
           (caps->uuid[0] && equal_ignoring_case(caps->uuid, spec));
}

static bool is_reserved(const char *spec)
{
    for (size_t i = 0; i < ZM_COUNT_OF(backends); i++)
        if (strncmp(spec, backends[i]->name, strlen(backends[i]->name)) == 0)
            return true;
    return spec[0] == '\0' || strncmp(spec, "vulkan", 6) == 0;
}

static int find_device(const zm_device_list *list, const char *spec)
{
    if (strcmp(spec, "auto") == 0)
        return (int)list->auto_index;
    int best = NO_DEVICE;
    for (int pass = 0; pass < 2 && best == NO_DEVICE; pass++) { // exact, then by name
        if (pass == 1 && is_reserved(spec))
            break;
        for (uint32_t i = 0; i < list->count; i++) {
            const zm_caps *caps = &list->devices[i];
            const bool match = pass == 0 ? matches(caps, spec)
                                         : contains_ignoring_case(caps->name, spec);
            if (match && (best == NO_DEVICE || rank(caps) > rank(&list->devices[best])))
                best = (int)i;
        }
    }
    return best;
}

static zm_status fail_with_choice(const zm_device_list *list, const char *spec)
{
    char choice[768] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < list->count && used < sizeof choice - 1; i++) {
        const zm_caps *caps = &list->devices[i];
        const int n = is_cpu(caps)
                          ? snprintf(choice + used, sizeof choice - used, "%scpu (%s)",
                                     i ? ", " : "", caps->name)
                          : snprintf(choice + used, sizeof choice - used, "%s%s:%u (%s)",
                                     i ? ", " : "", caps->backend, (unsigned)caps->index,
                                     caps->name);
        used += n > 0 ? (size_t)n : 0;
    }
    return ZM_FAIL(ZM_ERR_DEVICE, "no device \"%.80s\"; there is: %s", spec, choice);
}

static zm_status open_listed(const zm_caps *caps, const zm_gpu_params *params,
                             zm_gpu **out)
{
    for (size_t i = 0; i < ZM_COUNT_OF(backends); i++)
        if (strcmp(backends[i]->name, caps->backend) == 0) {
            zm_gpu *gpu = NULL;
            ZM_TRY(backends[i]->open(caps->index, params, &gpu));
            gpu->log = params->log;
            *out = gpu;
            return ZM_OK;
        }
    return ZM_FAIL(ZM_ERR_INTERNAL, "no backend \"%s\"", caps->backend);
}

zm_status zm_gpu_open(const char *spec, const zm_gpu_params *params, zm_gpu **out)
{
    const zm_gpu_params defaults = {0};
    if (!params)
        params = &defaults;
    if (strcmp(spec, zm_backend_cpu.name) == 0) // without asking drivers for devices
        return open_listed(&(zm_caps){.backend = "cpu"}, params, out);
    zm_device_list list;
    ZM_TRY(zm_gpu_list(params, &list));
    const int found = find_device(&list, spec);
    zm_status st;
    if (found == NO_DEVICE) {
        st = fail_with_choice(&list, spec);
    } else {
        const zm_caps *caps = &list.devices[found];
        st = open_listed(caps, params, out);
        if (st != ZM_OK && strcmp(spec, "auto") == 0 && !is_cpu(caps)) {
            zm_log_write(&params->log, ZM_LOG_WARN,
                         "%s does not open (%s): using the CPU", caps->name,
                         zm_error_detail());
            st = open_listed(&list.devices[0], params, out);
        }
    }
    zm_gpu_list_finish(&list);
    return st;
}
