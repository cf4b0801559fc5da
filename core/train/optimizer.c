#include "core/train/optimizer.h"

#include <math.h>
#include <stdlib.h>

#include "core/ops/ops.h"

enum { HYPER_WORDS = 8, MAX_CHUNKS = 64 };

static zm_status upload_table(zm_optimizer *o)
{
    const uint64_t rows = o->params->weights / ZM_PARAM_ALIGN;
    float *table = zm_calloc(rows, 2 * sizeof *table);
    if (!table)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for the optimizer's table");
    for (uint32_t i = 0; i < o->params->slot_count; i++) {
        const zm_param_slot *s = &o->params->slots[i];
        if (s->kind == ZM_PARAM_STATISTIC)
            continue;
        const uint64_t first = s->offset / ZM_PARAM_ALIGN;
        const uint64_t last = (s->offset + s->count - 1) / ZM_PARAM_ALIGN;
        for (uint64_t r = first; r <= last; r++) {
            table[2 * r] = s->frozen ? 0.0f : s->lr_scale;
            table[2 * r + 1] = s->decay ? 1.0f : 0.0f;
        }
    }
    const zm_status st = zm_gpu_upload(o->gpu, zm_buf_whole(o->table), table);
    free(table);
    return st;
}

static zm_tensor *wrap(zm_optimizer *o, zm_buf *buf, uint64_t first, uint64_t count)
{
    const zm_slice slice = {buf, first * sizeof(float), count * sizeof(float)};
    return zm_tape_wrap(o->tape, slice, NULL, 1, (uint32_t[]){(uint32_t)count});
}

// Arenas are cut into chunks that every device binds; a chunk's part of the table must
// start on the device's alignment too.
static void record(zm_optimizer *o)
{
    const zm_caps *caps = zm_gpu_caps(o->gpu);
    const uint64_t unit = ZM_PARAM_ALIGN * ZM_MAX(caps->align / 8, 1u);
    uint64_t chunk = ZM_MIN(caps->max_binding / sizeof(float), (uint64_t)1 << 28);
    chunk = chunk / unit * unit;
    zm_tensor *grads[MAX_CHUNKS];
    uint32_t n = 0;
    const uint64_t total = o->params->weights;
    for (uint64_t at = 0; at < total && n < MAX_CHUNKS; at += chunk)
        grads[n++] = wrap(o, o->params->grad_buf, at, ZM_MIN(chunk, total - at));
    if (n * chunk < total)
        zm_tape_fail(o->tape,
                     ZM_FAIL(ZM_ERR_MEMORY, "%llu parameters are too many for %s",
                             (unsigned long long)total, caps->name));
    o->hyper = zm_tape_input(o->tape, ZM_F32, 1, (uint32_t[]){HYPER_WORDS});
    o->sumsq = zm_sumsq(o->tape, grads, n);
    zm_tape_keep(o->tape, o->sumsq);
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t at = i * chunk, count = ZM_MIN(chunk, total - at);
        zm_adamw(o->tape, wrap(o, o->params->weight_buf, at, count), grads[i],
                 wrap(o, o->m, at, count), wrap(o, o->v, at, count),
                 wrap(o, o->table, at / ZM_PARAM_ALIGN * 2, count / ZM_PARAM_ALIGN * 2),
                 o->hyper, o->sumsq);
    }
}

zm_status zm_optimizer_init(zm_optimizer *o, zm_gpu *gpu, zm_params *params)
{
    *o = (zm_optimizer){.gpu = gpu, .params = params};
    const uint64_t bytes = params->weights * sizeof(float);
    ZM_TRY(zm_buf_create(gpu, bytes, &o->m));
    ZM_TRY(zm_buf_create(gpu, bytes, &o->v));
    ZM_TRY(zm_buf_create(gpu, bytes / ZM_PARAM_ALIGN * 2, &o->table));
    ZM_TRY(upload_table(o));
    ZM_TRY(zm_tape_create(gpu, false, &o->tape));
    record(o);
    return zm_tape_compile(o->tape);
}

void zm_optimizer_finish(zm_optimizer *o)
{
    zm_tape_destroy(&o->tape);
    zm_buf_destroy(&o->m);
    zm_buf_destroy(&o->v);
    zm_buf_destroy(&o->table);
}

zm_status zm_optimizer_update(zm_optimizer *o, const zm_optimizer_step *s,
                              zm_ticket *norm)
{
    const double t = (double)s->number;
    const float hyper[HYPER_WORDS] = {(float)s->lr,
                                      s->beta1,
                                      s->beta2,
                                      s->eps,
                                      s->weight_decay,
                                      (float)(1.0 - pow((double)s->beta1, t)),
                                      (float)(1.0 - pow((double)s->beta2, t)),
                                      s->clip};
    ZM_TRY(zm_gpu_upload(o->gpu, zm_tape_slice(o->tape, o->hyper), hyper));
    ZM_TRY(zm_tape_replay(o->tape));
    return zm_gpu_read(o->gpu, zm_tape_slice(o->tape, o->sumsq), norm);
}

zm_status zm_optimizer_download(zm_optimizer *o, float *m, float *v)
{
    ZM_TRY(zm_arena_download(o->gpu, o->m, o->params->weights, m));
    return zm_arena_download(o->gpu, o->v, o->params->weights, v);
}

zm_status zm_optimizer_upload(zm_optimizer *o, const float *m, const float *v)
{
    ZM_TRY(zm_arena_upload(o->gpu, o->m, o->params->weights, m));
    return zm_arena_upload(o->gpu, o->v, o->params->weights, v);
}
