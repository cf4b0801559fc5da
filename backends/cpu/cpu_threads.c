#include "backends/cpu/cpu_threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/cpus.h"

// A waiting thread looks this often before it sleeps: long enough for the gap between two
// kernels of a program, short enough not to burn a CPU that others want.
enum { SPINS = 400 };

typedef struct worker {
    zm_cpu_pool *pool;
    uint32_t part;
    pthread_t thread;
} worker;

struct zm_cpu_pool {
    uint32_t threads;
    atomic_uint round;   // counts tasks; workers wait for it to change
    atomic_uint running; // workers that have not finished this round
    atomic_bool stop;
    uint32_t parts;
    zm_cpu_task *task;
    void *user;
    pthread_mutex_t mutex;
    pthread_cond_t start, done;
    worker workers[];
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

// Waits until the round is no longer seen, and returns the new one.
static unsigned await_round(zm_cpu_pool *pool, unsigned seen)
{
    unsigned round = seen;
    for (int i = 0; i < SPINS && round == seen; i++) {
        relax();
        round = atomic_load_explicit(&pool->round, memory_order_acquire);
    }
    if (round != seen)
        return round;
    pthread_mutex_lock(&pool->mutex);
    while ((round = atomic_load_explicit(&pool->round, memory_order_acquire)) == seen)
        pthread_cond_wait(&pool->start, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
    return round;
}

static void *work(void *user)
{
    const worker *w = user;
    zm_cpu_pool *pool = w->pool;
    unsigned round = 0;
    for (;;) {
        round = await_round(pool, round);
        if (atomic_load(&pool->stop))
            return NULL;
        if (w->part < pool->parts)
            pool->task(pool->user, w->part);
        if (atomic_fetch_sub_explicit(&pool->running, 1, memory_order_acq_rel) == 1) {
            pthread_mutex_lock(&pool->mutex);
            pthread_cond_signal(&pool->done);
            pthread_mutex_unlock(&pool->mutex);
        }
    }
}

static void start_round(zm_cpu_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add_explicit(&pool->round, 1, memory_order_release);
    pthread_cond_broadcast(&pool->start);
    pthread_mutex_unlock(&pool->mutex);
}

static void await_workers(zm_cpu_pool *pool)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&pool->running, memory_order_acquire) == 0)
            return;
        relax();
    }
    pthread_mutex_lock(&pool->mutex);
    while (atomic_load_explicit(&pool->running, memory_order_acquire) != 0)
        pthread_cond_wait(&pool->done, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
}

void zm_cpu_pool_run(zm_cpu_pool *pool, uint32_t parts, zm_cpu_task *task, void *user)
{
    if (parts <= 1 || pool->threads == 1) {
        for (uint32_t part = 0; part < parts; part++)
            task(user, part);
        return;
    }
    pool->parts = parts;
    pool->task = task;
    pool->user = user;
    atomic_store_explicit(&pool->running, pool->threads - 1, memory_order_relaxed);
    start_round(pool);
    task(user, 0);
    await_workers(pool);
}

uint32_t zm_cpu_pool_threads(const zm_cpu_pool *pool)
{
    return pool->threads;
}

zm_status zm_cpu_pool_create(uint32_t threads, zm_cpu_pool **out)
{
    threads = ZM_MAX(1u, ZM_MIN(threads, (uint32_t)ZM_MAX_CPUS));
    zm_cpu_pool *pool = zm_calloc(1, sizeof *pool + threads * sizeof(worker));
    if (!pool)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for a pool of %u threads",
                       (unsigned)threads);
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->start, NULL);
    pthread_cond_init(&pool->done, NULL);
    pool->threads = 1;
    while (pool->threads < threads) {
        worker *w = &pool->workers[pool->threads];
        *w = (worker){.pool = pool, .part = pool->threads};
        if (pthread_create(&w->thread, NULL, work, w) != 0)
            break;
        pool->threads++;
    }
    *out = pool;
    return ZM_OK;
}

void zm_cpu_pool_destroy(zm_cpu_pool **handle)
{
    zm_cpu_pool *pool = *handle;
    if (!pool)
        return;
    atomic_store(&pool->stop, true);
    start_round(pool);
    for (uint32_t i = 1; i < pool->threads; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->start);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
    *handle = NULL;
}
