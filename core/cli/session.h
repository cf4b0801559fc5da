// What predict, calibrate and reconstruct share: data, a device, and a model there.
#ifndef ZM_SESSION_H
#define ZM_SESSION_H

#include "core/cli/cli.h"
#include "core/train/model.h"
#include "core/train/predictor.h"

typedef struct zm_session {
    zm_log log;
    zm_model *model;
    zm_dataset *ds;
    zm_gpu *gpu;
    zm_predictor *predictor;
} zm_session;

// Opens the data and the device only.
zm_status zm_session_open_data(zm_session *session, const char *data,
                               const zm_common *common);

// Opens the data and the device, moves the model (already in session->model) there and
// prepares a predictor for batches of at most batch cutouts.
zm_status zm_session_open(zm_session *session, const char *data, const zm_common *common,
                          uint32_t batch);

// Predicts rows [first, first + n), n at most the predictor's batch; waits.
zm_status zm_session_predict(zm_session *session, uint32_t first, uint32_t n,
                             float *values, uint32_t *flags);

// ZM_ERR_FORMAT where some inputs could not be read; out holds the rest.
zm_status zm_session_skipped(const zm_session *session, const char *out);

void zm_session_close(zm_session *session);

#endif
