#include "core/cli/session.h"

#include <stdlib.h>

zm_status zm_session_open_data(zm_session *s, const char *data, const zm_common *common)
{
    ZM_TRY(zm_dataset_open(data, zm_cli_helper(), &s->log, &s->ds));
    if (s->ds->count == 0 || s->ds->count > UINT32_MAX)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: %llu readable cutouts", s->ds->path,
                       (unsigned long long)s->ds->count);
    return zm_cli_open_gpu(common, &s->gpu);
}

zm_status zm_session_open(zm_session *s, const char *data, const zm_common *common,
                          uint32_t batch)
{
    ZM_TRY(zm_session_open_data(s, data, common));
    ZM_TRY(zm_params_allocate(&s->model->params, s->gpu, false));
    ZM_TRY(zm_params_upload(&s->model->params, s->model->host));
    const uint32_t rows = (uint32_t)ZM_MIN((uint64_t)batch, s->ds->count);
    ZM_TRY(
        zm_predictor_create(s->gpu, s->model, s->ds, rows, common->seed, &s->predictor));
    zm_log_write(&s->log, ZM_LOG_DEBUG, "%s: batch %u, %.1f MiB",
                 zm_gpu_caps(s->gpu)->name, zm_predictor_batch(s->predictor),
                 (double)zm_predictor_memory(s->predictor) / 1048576.0);
    return ZM_OK;
}

zm_status zm_session_predict(zm_session *s, uint32_t first, uint32_t n, float *values,
                             uint32_t *flags)
{
    uint32_t *rows = zm_calloc(n, sizeof *rows);
    if (!rows)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for a batch");
    for (uint32_t i = 0; i < n; i++)
        rows[i] = first + i;
    zm_status st = zm_predictor_submit(s->predictor, rows, n);
    free(rows);
    if (st == ZM_OK)
        st = zm_gpu_wait(s->gpu);
    return st == ZM_OK ? zm_predictor_result(s->predictor, values, flags) : st;
}

zm_status zm_session_skipped(const zm_session *s, const char *out)
{
    if (s->ds->skipped == 0)
        return ZM_OK;
    return ZM_FAIL(ZM_ERR_FORMAT, "%s: %llu inputs were skipped, %s holds the rest",
                   s->ds->path, (unsigned long long)s->ds->skipped, out);
}

void zm_session_close(zm_session *s)
{
    zm_predictor_destroy(&s->predictor);
    if (s->model)
        zm_params_finish_device(&s->model->params);
    zm_gpu_destroy(&s->gpu);
    zm_model_destroy(&s->model);
    zm_dataset_close(&s->ds);
}
