#include "core/train/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "core/io/path.h"
#include "core/io/safetensors.h"

static const char *const blocks[] = {"weights", "m", "v"};
enum { BLOCKS = 3 };

enum {
    META_MAGIC,
    META_STEP,
    META_BEST_STEP,
    META_BEST_LOSS,
    META_MICRO_BATCH,
    META_CONFIG,
    META_DEVICE,
    METAS
};
static const char *const meta_keys[METAS] = {
    "zmae_checkpoint", "step",   "best_step", "best_loss",
    "micro_batch",     "config", "device"};

// Steps of the checkpoints in a directory, newest first.
static zm_status list_steps(const char *dir, uint64_t **out, size_t *count)
{
    *out = NULL;
    *count = 0;
    DIR *d = opendir(dir);
    if (!d)
        return errno == ENOENT ? ZM_OK
                               : ZM_FAIL(ZM_ERR_IO, "%s: %s", dir, strerror(errno));
    zm_status st = ZM_OK;
    size_t capacity = 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        uint64_t step;
        int end = 0;
        if (sscanf(e->d_name, "step-%" SCNu64 ".ckpt%n", &step, &end) != 1 || end == 0 ||
            e->d_name[end] != '\0')
            continue;
        if (*count == capacity) {
            capacity = capacity ? 2 * capacity : 16;
            uint64_t *grown = realloc(*out, capacity * sizeof *grown);
            if (!grown) {
                st = ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to list it", dir);
                break;
            }
            *out = grown;
        }
        size_t at = (*count)++;
        for (; at > 0 && (*out)[at - 1] < step; at--)
            (*out)[at] = (*out)[at - 1];
        (*out)[at] = step;
    }
    closedir(d);
    return st;
}

static char *path_of(const char *dir, uint64_t step)
{
    const size_t size = strlen(dir) + 40;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s/step-%" PRIu64 ".ckpt", dir, step);
    return path;
}

bool zm_checkpoint_any(const char *dir)
{
    uint64_t *steps = NULL;
    size_t count = 0;
    const zm_status st = list_steps(dir, &steps, &count);
    free(steps);
    return st == ZM_OK && count > 0;
}

// Keeps the checkpoint of step newest and those before it that are to stay. A later one
// was passed over as damaged: it must not count as one of them.
static void remove_old(const char *dir, uint64_t newest)
{
    uint64_t *steps = NULL;
    size_t count = 0, kept = 0;
    if (list_steps(dir, &steps, &count) == ZM_OK)
        for (size_t i = 0; i < count; i++) {
            if (steps[i] <= newest && kept++ < ZM_CHECKPOINT_KEEP)
                continue;
            char *path = path_of(dir, steps[i]);
            if (path)
                remove(path);
            free(path);
        }
    free(steps);
}

// True of the temporary names of what a run writes, and of nothing else.
static bool is_half_written(const char *name)
{
    static const char *const files[] = {"model.safetensors", "best.safetensors",
                                        "config.json", "log.jsonl", "log.csv"};
    const char *suffix = strstr(name, ".tmp-");
    if (!suffix || !suffix[5] || strspn(suffix + 5, "0123456789") != strlen(suffix + 5))
        return false;
    const size_t n = (size_t)(suffix - name);
    for (size_t i = 0; i < ZM_COUNT_OF(files); i++)
        if (strlen(files[i]) == n && strncmp(name, files[i], n) == 0)
            return true;
    return strncmp(name, "step-", 5) == 0 && n > 10 &&
           strncmp(suffix - 5, ".ckpt", 5) == 0;
}

void zm_checkpoint_sweep(const char *dir)
{
    DIR *d = opendir(dir);
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char *path = is_half_written(e->d_name) ? zm_path_join(dir, e->d_name) : NULL;
        if (path)
            remove(path);
        free(path);
    }
    closedir(d);
}

static void hex(uint64_t value, char out[20])
{
    snprintf(out, 20, "%016" PRIx64, value);
}

// Checksum of the metadata: every value with the zero at its end.
static void meta_checksum(const char *const values[METAS], char out[20])
{
    uint64_t sum = 0;
    for (int i = 0; i < METAS; i++)
        sum = XXH64(values[i], strlen(values[i]) + 1, sum);
    hex(sum, out);
}

static zm_status write_meta(zm_st_writer *w, const zm_run_state *state)
{
    char step[24], best_step[24], micro[24], best[40], sum[20];
    snprintf(step, sizeof step, "%" PRIu64, state->step);
    snprintf(best_step, sizeof best_step, "%" PRIu64, state->best_step);
    snprintf(micro, sizeof micro, "%" PRIu32, state->micro_batch);
    snprintf(best, sizeof best, "%a", state->best_loss);
    const char *const values[METAS] = {
        [META_MAGIC] = "1",           [META_STEP] = step,
        [META_BEST_STEP] = best_step, [META_BEST_LOSS] = best,
        [META_MICRO_BATCH] = micro,   [META_CONFIG] = state->config,
        [META_DEVICE] = state->device};
    for (int i = 0; i < METAS; i++)
        ZM_TRY(zm_st_writer_meta(w, meta_keys[i], values[i]));
    meta_checksum(values, sum);
    return zm_st_writer_meta(w, "xxh64.meta", sum);
}

static zm_status write_all(zm_st_writer *w, const float *const data[BLOCKS],
                           const uint64_t counts[BLOCKS], const zm_run_state *state)
{
    ZM_TRY(write_meta(w, state));
    for (int i = 0; i < BLOCKS; i++) {
        char key[32], sum[20];
        snprintf(key, sizeof key, "xxh64.%s", blocks[i]);
        hex(XXH64(data[i], counts[i] * sizeof(float), 0), sum);
        ZM_TRY(zm_st_writer_meta(w, key, sum));
        ZM_TRY(zm_st_writer_declare(w, blocks[i], ZM_ST_F32, 1, &counts[i]));
    }
    for (int i = 0; i < BLOCKS; i++)
        ZM_TRY(zm_st_writer_data(w, data[i], counts[i] * sizeof(float)));
    return ZM_OK;
}

zm_status zm_checkpoint_save(const char *dir, zm_trainer *trainer, zm_model *model,
                             const zm_run_state *state)
{
    const zm_params *ps = &model->params;
    const uint64_t counts[BLOCKS] = {zm_params_host_count(ps), ps->weights, ps->weights};
    float *m = zm_calloc(ps->weights, sizeof *m), *v = zm_calloc(ps->weights, sizeof *v);
    char *path = path_of(dir, state->step);
    zm_st_writer *w = NULL;
    zm_status st = ZM_OK;
    if (!m || !v || !path)
        st = ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for a checkpoint", dir);
    if (st == ZM_OK)
        st = zm_trainer_save(trainer, m, v);
    if (st == ZM_OK)
        st = zm_st_writer_create(path, &w);
    if (st == ZM_OK) {
        const float *const data[BLOCKS] = {model->host, m, v};
        st = write_all(w, data, counts, state);
        if (st == ZM_OK)
            st = zm_st_writer_finish(&w);
        else
            zm_st_writer_abort(&w);
    }
    if (st == ZM_OK)
        remove_old(dir, state->step);
    free(m);
    free(v);
    free(path);
    return st;
}

static zm_status meta_text(const zm_safetensors *st, const char *key, const char **out)
{
    *out = zm_safetensors_meta(st, key);
    return *out ? ZM_OK
                : ZM_FAIL(ZM_ERR_FORMAT, "%s: not a checkpoint: no \"%s\"",
                          zm_safetensors_path(st), key);
}

static zm_status read_block(const zm_safetensors *st, int block, float **out,
                            uint64_t *count)
{
    char key[32];
    const char *want;
    const char *path = zm_safetensors_path(st);
    snprintf(key, sizeof key, "xxh64.%s", blocks[block]);
    ZM_TRY(meta_text(st, key, &want));
    const zm_st_entry *e = zm_safetensors_find(st, blocks[block]);
    if (!e || e->dtype != ZM_ST_F32 || e->rank != 1)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: no block \"%s\"", path, blocks[block]);
    *count = e->count;
    *out = zm_calloc(e->count, sizeof **out);
    if (!*out)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to read it", path);
    ZM_TRY(zm_safetensors_read_f32(st, e, 0, e->count, *out));
    char have[20];
    hex(XXH64(*out, e->count * sizeof(float), 0), have);
    if (strcmp(have, want) != 0)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: block \"%s\": checksum %s, expected %s", path,
                       blocks[block], have, want);
    return ZM_OK;
}

static zm_status read_all(const zm_safetensors *st, zm_checkpoint *c)
{
    const char *meta[METAS], *want;
    char have[20];
    for (int i = 0; i < METAS; i++)
        ZM_TRY(meta_text(st, meta_keys[i], &meta[i]));
    ZM_TRY(meta_text(st, "xxh64.meta", &want));
    meta_checksum(meta, have);
    if (strcmp(have, want) != 0)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: metadata: checksum %s, expected %s",
                       zm_safetensors_path(st), have, want);
    ZM_TRY(read_block(st, 0, &c->host, &c->host_count));
    ZM_TRY(read_block(st, 1, &c->m, &c->moment_count));
    uint64_t second = 0;
    ZM_TRY(read_block(st, 2, &c->v, &second));
    if (second != c->moment_count)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: blocks m and v differ in length",
                       zm_safetensors_path(st));
    c->config = zm_strdup(meta[META_CONFIG]);
    c->device = zm_strdup(meta[META_DEVICE]);
    if (!c->config || !c->device)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory", zm_safetensors_path(st));
    c->state =
        (zm_run_state){.step = strtoull(meta[META_STEP], NULL, 10),
                       .best_step = strtoull(meta[META_BEST_STEP], NULL, 10),
                       .best_loss = strtod(meta[META_BEST_LOSS], NULL),
                       .micro_batch = (uint32_t)strtoul(meta[META_MICRO_BATCH], NULL, 10),
                       .config = c->config,
                       .device = c->device};
    return ZM_OK;
}

static void clear(zm_checkpoint *c)
{
    free(c->host);
    free(c->m);
    free(c->v);
    free(c->config);
    free(c->device);
    free(c->path);
    c->host = c->m = c->v = NULL;
    c->config = c->device = c->path = NULL;
}

zm_status zm_checkpoint_read(const char *path, zm_checkpoint *out)
{
    zm_safetensors *file = NULL;
    zm_checkpoint c = {.path = zm_strdup(path)};
    zm_status st = c.path ? zm_safetensors_open(path, &file)
                          : ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory", path);
    if (st == ZM_OK)
        st = read_all(file, &c);
    zm_safetensors_close(&file);
    if (st == ZM_OK)
        *out = c;
    else
        clear(&c);
    return st;
}

zm_status zm_checkpoint_load_newest(const char *dir, const zm_log *log,
                                    zm_checkpoint *out)
{
    uint64_t *steps = NULL;
    size_t count = 0;
    *out = (zm_checkpoint){0};
    zm_status st = list_steps(dir, &steps, &count);
    for (size_t i = 0; i < count && st == ZM_OK; i++) {
        const uint32_t damaged = out->damaged;
        char *path = path_of(dir, steps[i]);
        const zm_status one = path ? zm_checkpoint_read(path, out)
                                   : ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory", dir);
        free(path);
        out->damaged = damaged + (one != ZM_OK);
        if (one == ZM_OK)
            break;
        if (one == ZM_ERR_MEMORY) {
            st = one;
            break;
        }
        zm_log_write(log, ZM_LOG_WARN, "passing over a damaged checkpoint: %s",
                     zm_error_detail());
    }
    free(steps);
    return st;
}

void zm_checkpoint_finish(zm_checkpoint *c)
{
    clear(c);
}
