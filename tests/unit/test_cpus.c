#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cpus.h"

static char root[] = "/tmp/zmae-cpus-XXXXXX";

static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f, "%s", path);
    fputs(text, f);
    fclose(f);
}

static void make(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    cr_assert_eq(mkdir(path, 0700), 0, "%s", path);
}

static void start(void)
{
    cr_assert_not_null(mkdtemp(root));
}

static void finish(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", root);
    cr_assert_eq(system(command), 0);
}

TestSuite(cpus, .init = start, .fini = finish);

static double quota(void)
{
    char membership[64];
    snprintf(membership, sizeof membership, "%s/cgroup", root);
    return zm_cpus_quota(membership, root);
}

Test(cpus, the_smallest_quota_of_the_groups_above_counts)
{
    make("a");
    make("a/b");
    make("other");
    put("cgroup", "0::/a/b\n");
    put("cpu.max", "max 100000\n");
    put("a/cpu.max", "150000 100000\n");
    put("a/b/cpu.max", "300000 100000\n");
    put("other/cpu.max", "10000 100000\n");
    cr_assert_eq(quota(), 1.5);
    put("a/b/cpu.max", "25000 50000\n");
    cr_assert_eq(quota(), 0.5);
    put("cgroup", "0::/\n");
    cr_assert_eq(quota(), 0.0, "max");
}

Test(cpus, version_1_has_quota_and_period_in_files_of_their_own)
{
    make("cpu");
    make("cpu/a");
    put("cgroup", "3:cpuset:/a\n2:cpuacct,cpu:/a\n0::/\n");
    put("cpu/cpu.cfs_quota_us", "-1\n");
    put("cpu/cpu.cfs_period_us", "100000\n");
    put("cpu/a/cpu.cfs_quota_us", "200000\n");
    put("cpu/a/cpu.cfs_period_us", "100000\n");
    cr_assert_eq(quota(), 2.0);
    put("cgroup", "3:cpuset:/a\n2:cpuacct:/a\n");
    cr_assert_eq(quota(), 0.0);
}

Test(cpus, what_cannot_be_read_sets_no_limit)
{
    cr_assert_eq(quota(), 0.0, "no membership");
    put("cgroup", "nonsense\n0::/gone/away\n::\n0:\n");
    cr_assert_eq(quota(), 0.0);
    put("cpu.max", "100000 0\n");
    cr_assert_eq(quota(), 0.0, "no period");
    put("cpu.max", "100000");
    cr_assert_eq(quota(), 0.0, "no period");
    put("cpu.max", "200000 100000");
    cr_assert_eq(quota(), 2.0, "groups above count where the own is out of sight");
}

Test(cpus, there_are_no_more_than_the_mask_allows)
{
    cr_assert_geq(zm_cpus_allowed(), 1u);
    cr_assert_leq(zm_cpus_allowed(), (uint32_t)ZM_MAX_CPUS);
    cr_assert_leq(zm_cpus_allowed(), (uint32_t)sysconf(_SC_NPROCESSORS_ONLN));
}
