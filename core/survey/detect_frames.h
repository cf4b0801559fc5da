// A list of positions from the frames themselves: what is to be cut out where there is no
// catalogue.
#ifndef ZM_DETECT_FRAMES_H
#define ZM_DETECT_FRAMES_H

#include "core/survey/detect.h"
#include "core/survey/frame_list.h"
#include "core/survey/source_list.h"

enum { ZM_DETECT_BAND = 2 }; // r: the deepest

typedef struct zm_detect_frames_args {
    zm_detect_args detect;
    const char *helper; // as in zm_fits_open
    uint32_t threads;   // at least 1; each holds a frame
    // Told after every field; false stops. Both may be NULL.
    bool (*progress)(void *user, uint64_t fields, uint64_t field_count);
    void *user;
} zm_detect_frames_args;

// Pixels from the edge of an r frame within which a cutout of that size may leave it or
// another band's frame: half of its diagonal (north is up in the cutout, not in the
// frame), and the shift between the bands, up to 13 pixels, with the reach of the
// resampling.
uint32_t zm_detect_margin(uint32_t size);

// Finds the sources of the r frame of every field. Rows come by field, then by y and x in
// it; object_id is the row's number from 0, the position from the frame's coordinates,
// and the row names its field. Of a source that two fields hold, within 1 arcsec, the
// first stays. Nothing else is known: magnitudes are to be measured.
//   out   faults: fields whose r frame is missing or cannot be used; each is named
//   through
//         log. Freed by zm_source_list_finish
// Errors: ZM_ERR_FORMAT where no field gives a source; ZM_ERR_MEMORY, ZM_ERR_INTERRUPTED.
zm_status zm_detect_frames(const zm_frame_list *frames, const zm_detect_frames_args *args,
                           const zm_log *log, zm_source_list *out);

#endif
