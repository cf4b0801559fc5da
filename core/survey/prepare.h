// SDSS frames and a list of positions to a data set of registered cutouts.
#ifndef ZM_PREPARE_H
#define ZM_PREPARE_H

#include "core/survey/detect.h"
#include "core/survey/source_list.h"

enum { ZM_PREPARE_MIN_PX = 16, ZM_PREPARE_MAX_PX = 1024 };

typedef struct zm_prepare_params {
    const char *frames;  // folder, see zm_frame_list_read
    const char *catalog; // see zm_source_list_read; not used with detect
    // Not NULL: the rows are the sources found on the frames, see zm_detect_frames.
    const zm_detect_args *detect;
    const char *out;    // *.fits or safetensors
    const char *helper; // as in zm_dataset_open
    uint32_t size;      // side of a cutout, pixels
    uint32_t threads;   // 0 = all processors
    zm_mag_choice mags;
    // Told after every field; false stops. May be NULL.
    bool (*progress)(void *user, uint64_t fields, uint64_t field_count, uint64_t cutouts);
    bool (*detecting)(void *user, uint64_t fields, uint64_t field_count); // before it
    void *user;
} zm_prepare_params;

// One row of output for every row of the catalogue, in its order. A row is cut from the
// field that its run, camcol and field name where that holds it, else from the field that
// contains it best: in most bands, then farthest from the edges. Every frame is decoded
// once, and at most two fields are in memory, the next being decoded while one is cut.
//
// What cannot be used (rows, frames) is named through log and flagged in the output,
// which is then complete for the rest, and the result is ZM_ERR_FORMAT: only then is
// there an output beside an error. Other errors leave none: ZM_ERR_FORMAT: no usable
// frame or catalogue, ZM_ERR_IO, ZM_ERR_MEMORY, ZM_ERR_USAGE, ZM_ERR_INTERRUPTED.
zm_status zm_prepare(const zm_prepare_params *params, const zm_log *log);

#endif
