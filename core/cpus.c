#ifdef __linux__
#define _GNU_SOURCE // sched_getaffinity
#endif
#include "core/cpus.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#endif

static double smaller(double quota, double other)
{
    return quota > 0 && !(other > 0 && other < quota) ? quota : other;
}

static double read_number(const char *folder, const char *name)
{
    char path[4608];
    double value = 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    if (fscanf(f, "%lf", &value) != 1)
        value = 0;
    fclose(f);
    return value;
}

static double ratio(double quota, double period)
{
    return quota > 0 && period > 0 ? quota / period : 0;
}

// Of one group; "max" and -1 say that there is none.
static double group_quota(const char *folder)
{
    char path[4608];
    double quota = 0, period = 0;
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    FILE *f = fopen(path, "r");
    if (!f)
        return ratio(read_number(folder, "cpu.cfs_quota_us"),
                     read_number(folder, "cpu.cfs_period_us"));
    const int fields = fscanf(f, "%lf %lf", &quota, &period);
    fclose(f);
    return fields == 2 ? ratio(quota, period) : 0;
}

static bool has_cpu(const char *controllers)
{
    for (const char *at = controllers; *at; at += strcspn(at, ",")) {
        at += *at == ',';
        if (strncmp(at, "cpu", 3) == 0 && (at[3] == ',' || at[3] == '\0'))
            return true;
    }
    return false;
}

double zm_cpus_quota(const char *membership, const char *mount)
{
    char line[4096], folder[4352];
    double quota = 0;
    FILE *f = fopen(membership, "r");
    while (f && fgets(line, sizeof line, f)) { // "ID:CONTROLLERS:PATH"
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = '\0';
        const bool version1 = controllers[1] != '\0';
        if (version1 && !has_cpu(controllers + 1))
            continue;
        const int n = snprintf(folder, sizeof folder, "%s%s%s", mount,
                               version1 ? "/cpu" : "", strcmp(path, "/") ? path : "");
        if (n < 0 || (size_t)n >= sizeof folder)
            continue;
        const size_t top = strlen(mount) + (version1 ? strlen("/cpu") : 0);
        for (char *slash; (slash = strrchr(folder, '/')) != NULL; *slash = '\0') {
            quota = smaller(quota, group_quota(folder));
            if (strlen(folder) <= top)
                break;
        }
    }
    if (f)
        fclose(f);
    return quota;
}

static uint32_t present(void)
{
    long n = 0;
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        n = CPU_COUNT(&set);
#endif
#ifdef _SC_NPROCESSORS_ONLN
    if (n <= 0) // no mask, or more CPUs than a cpu_set_t holds
        n = sysconf(_SC_NPROCESSORS_ONLN);
#endif
    return n <= 0 ? 1 : n > ZM_MAX_CPUS ? ZM_MAX_CPUS : (uint32_t)n;
}

uint32_t zm_cpus_allowed(void)
{
    const uint32_t cpus = present();
    const double quota = zm_cpus_quota("/proc/self/cgroup", "/sys/fs/cgroup");
    if (!(quota > 0 && quota < cpus))
        return cpus;
    const uint32_t whole = (uint32_t)quota;
    return whole + (quota > whole);
}
