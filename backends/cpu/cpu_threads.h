// A small pool of threads that runs one task at a time, split in as many parts.
#ifndef ZM_CPU_THREADS_H
#define ZM_CPU_THREADS_H

#include "core/base.h"

typedef struct zm_cpu_pool zm_cpu_pool;
typedef void zm_cpu_task(void *user, uint32_t part);

// threads counts the calling thread; fewer are used where the system starts no more.
zm_status zm_cpu_pool_create(uint32_t threads, zm_cpu_pool **out);
void zm_cpu_pool_destroy(zm_cpu_pool **pool);
uint32_t zm_cpu_pool_threads(const zm_cpu_pool *pool);

// Calls task(user, part) once for each part in 0 .. parts - 1, parts <= threads, each on
// a thread of its own (part 0 on the caller's), and returns when all have returned.
void zm_cpu_pool_run(zm_cpu_pool *pool, uint32_t parts, zm_cpu_task *task, void *user);

#endif
