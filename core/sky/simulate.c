#include "core/sky/simulate.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cpus.h"
#include "core/sky/cutout.h"

#define DEFAULT_SIZE_PX 64
#define MAX_THREADS     256
#define BLOCK_ROWS      256
#define BLOCK_BYTES     (64u << 20)

// A stretch of rows that threads fill together; then they are written in order.
typedef struct block {
    const zm_population *population;
    uint64_t first_row;
    uint32_t rows;
    size_t image_floats;
    float *images; // (capacity, ZM_BANDS, size, size)
    zm_row *infos; // (capacity)
    pthread_mutex_t lock;
    uint32_t next; // first row of the block that nobody has taken
} block;

typedef struct worker {
    block *block;
    zm_cutout_scratch *scratch;
    pthread_t thread;
} worker;

static void *fill_block(void *user)
{
    worker *w = user;
    block *b = w->block;
    for (;;) {
        pthread_mutex_lock(&b->lock);
        const uint32_t i = b->next < b->rows ? b->next++ : b->rows;
        pthread_mutex_unlock(&b->lock);
        if (i == b->rows)
            return NULL;
        zm_cutout_render(b->population, (uint32_t)(b->first_row + i), w->scratch,
                         b->images + i * b->image_floats, &b->infos[i]);
    }
}

// The calling thread works too, so a system that refuses threads only makes it slower.
static void run_workers(worker *workers, uint32_t count)
{
    uint32_t started = 1;
    while (started < count && pthread_create(&workers[started].thread, NULL, fill_block,
                                             &workers[started]) == 0)
        started++;
    fill_block(&workers[0]);
    for (uint32_t i = 1; i < started; i++)
        pthread_join(workers[i].thread, NULL);
}

static uint32_t choose_threads(uint32_t wanted)
{
    return ZM_MIN(wanted ? wanted : zm_cpus_allowed(), MAX_THREADS);
}

static zm_status check_params(const zm_simulate_params *p, uint32_t size)
{
    if (!p->out)
        return ZM_FAIL(ZM_ERR_USAGE, "simulate: expected an output file, found none");
    if (p->count == 0 || p->count > UINT32_MAX)
        return ZM_FAIL(ZM_ERR_USAGE, "simulate: count: expected 1..%lu, found %llu",
                       (unsigned long)UINT32_MAX, (unsigned long long)p->count);
    if (size < ZM_CUTOUT_MIN_PX || size > ZM_CUTOUT_MAX_PX)
        return ZM_FAIL(ZM_ERR_USAGE, "simulate: size: expected %d..%d pixels, found %lu",
                       ZM_CUTOUT_MIN_PX, ZM_CUTOUT_MAX_PX, (unsigned long)size);
    return ZM_OK;
}

typedef struct job {
    const zm_simulate_params *params;
    uint32_t threads, capacity; // capacity: rows of a block
    block block;
    worker *workers;
    zm_dataset_writer *writer;
} job;

static zm_status write_rows(job *j, void (*progress)(void *, uint64_t, uint64_t),
                            void *user)
{
    block *b = &j->block;
    const uint64_t count = j->params->count;
    for (uint64_t first = 0; first < count; first += b->rows) {
        b->first_row = first;
        b->rows = (uint32_t)ZM_MIN((uint64_t)j->capacity, count - first);
        b->next = 0;
        run_workers(j->workers, j->threads);
        for (uint32_t i = 0; i < b->rows; i++)
            ZM_TRY(zm_dataset_writer_row(j->writer, &b->infos[i],
                                         b->images + i * b->image_floats));
        if (progress)
            progress(user, first + b->rows, count);
    }
    return ZM_OK;
}

static zm_status prepare_job(job *j, const zm_population *population, uint32_t size)
{
    const zm_simulate_params *p = j->params;
    block *b = &j->block;
    const uint64_t image_floats = (uint64_t)ZM_BANDS * size * size;
    const uint64_t fitting = BLOCK_BYTES / (image_floats * sizeof(float));
    j->threads = choose_threads(p->threads);
    j->capacity = (uint32_t)ZM_MIN(ZM_MAX(ZM_MIN(fitting, BLOCK_ROWS), 1), p->count);
    j->threads = ZM_MIN(j->threads, j->capacity);
    b->population = population;
    b->image_floats = (size_t)image_floats;
    b->images = zm_calloc(j->capacity, image_floats * sizeof(float));
    b->infos = zm_calloc(j->capacity, sizeof *b->infos);
    j->workers = zm_calloc(j->threads, sizeof *j->workers);
    if (!b->images || !b->infos || !j->workers)
        return ZM_FAIL(ZM_ERR_MEMORY, "simulate: %lu cutouts of %lu pixels a side",
                       (unsigned long)j->capacity, (unsigned long)size);
    for (uint32_t i = 0; i < j->threads; i++) {
        j->workers[i].block = b;
        ZM_TRY(zm_cutout_scratch_create(size, &j->workers[i].scratch));
    }
    return ZM_OK;
}

static void finish_job(job *j)
{
    for (uint32_t i = 0; j->workers && i < j->threads; i++)
        zm_cutout_scratch_destroy(&j->workers[i].scratch);
    free(j->workers);
    free(j->block.images);
    free(j->block.infos);
    pthread_mutex_destroy(&j->block.lock);
}

// One line of provenance; of the catalogue the name only, a path would leak the host.
static void describe(const zm_simulate_params *p, char *text, size_t text_bytes)
{
    const char *name = p->catalog ? p->catalog : "analytic population";
    const char *slash = strrchr(name, '/');
    snprintf(text, text_bytes, "zmae %s simulate, seed %llu, %s", ZM_VERSION,
             (unsigned long long)p->seed, slash ? slash + 1 : name);
}

static zm_status run_job(const zm_simulate_params *params,
                         const zm_population *population, uint32_t size,
                         void (*progress)(void *, uint64_t, uint64_t), void *user)
{
    job j = {.params = params};
    if (pthread_mutex_init(&j.block.lock, NULL) != 0)
        return ZM_FAIL(ZM_ERR_MEMORY, "simulate: no mutex");
    char origin[256];
    describe(params, origin, sizeof origin);
    const zm_dataset_info info = {.count = params->count,
                                  .height = size,
                                  .width = size,
                                  .simulated = true,
                                  .mag_kind = ZM_MAG_APERTURE,
                                  .origin = origin};
    zm_status st = prepare_job(&j, population, size);
    if (st == ZM_OK)
        st = zm_dataset_writer_create(params->out, &info, &j.writer);
    if (st == ZM_OK)
        st = write_rows(&j, progress, user);
    if (st == ZM_OK)
        st = zm_dataset_writer_finish(&j.writer);
    if (st != ZM_OK)
        zm_dataset_writer_abort(&j.writer);
    finish_job(&j);
    return st;
}

zm_status zm_simulate(const zm_simulate_params *params,
                      void (*progress)(void *user, uint64_t done, uint64_t count),
                      void *user, const zm_log *log)
{
    const uint32_t size = params->size ? params->size : DEFAULT_SIZE_PX;
    zm_catalog *catalog = NULL;
    zm_population *population = NULL;
    ZM_TRY(check_params(params, size));
    if (params->catalog)
        ZM_TRY(zm_catalog_read(params->catalog, &catalog));
    if (catalog && params->count > catalog->count)
        zm_log_write(log, ZM_LOG_WARN,
                     "%s has %llu rows: later cutouts show the same galaxies again",
                     params->catalog, (unsigned long long)catalog->count);
    zm_log_write(log, ZM_LOG_DEBUG, "simulate: at most %u threads",
                 (unsigned)choose_threads(params->threads));
    zm_status st = zm_population_create(catalog, params->seed, &population);
    if (st == ZM_OK)
        st = run_job(params, population, size, progress, user);
    zm_population_destroy(&population);
    zm_catalog_destroy(&catalog);
    return st;
}
