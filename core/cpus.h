// How many CPUs there are for this process.
#ifndef ZM_CPUS_H
#define ZM_CPUS_H

#include "core/base.h"

enum { ZM_MAX_CPUS = 1024 };

// What may be used: the affinity mask, cut to the quota of the control groups (rounded
// up). 1 to ZM_MAX_CPUS. The number of threads wherever --threads is 0.
uint32_t zm_cpus_allowed(void);

// The smallest quota of the control groups that a process is in, in CPUs; 0 = none.
//   membership  a file like /proc/self/cgroup
//   mount       a folder like /sys/fs/cgroup: of version 2 (cpu.max) the groups
//               themselves, of version 1 (cpu.cfs_quota_us) those in its folder cpu
// Groups above the process's own count too. What cannot be read sets no limit.
double zm_cpus_quota(const char *membership, const char *mount);

#endif
