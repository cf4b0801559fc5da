// The five frames of a field in memory, with their coordinates.
#ifndef ZM_FRAME_FIELD_H
#define ZM_FRAME_FIELD_H

#include "core/io/fits.h"
#include "core/survey/frame_list.h"
#include "core/survey/wcs.h"

typedef struct zm_frame {
    zm_fits_image *image; // (height, width) nanomaggies per pixel; NULL = none
    zm_wcs *wcs;          // of it, or NULL
    double centre[3];     // direction of the middle, unit vector
    double radius;        // of the circle round all its pixels, radians
    char fault[400];      // why there is no image although there is a file, or ""
    zm_status status;     // of the fault
} zm_frame;

typedef struct zm_frame_field {
    zm_field_id id;
    zm_frame band[ZM_BANDS];
    uint32_t frames; // that have an image
} zm_frame_field;

// Reads the frames of a field, several at a time. What is wrong with a file is kept in
// fault: unreadable or truncated, not a two-dimensional image in nanomaggies at about
// 0.396 arcsec, raw counts (fpC), no usable coordinates, a header that says another field
// or band than the name, a place on the sky away from the other bands'.
//   helper    as in zm_fits_open
//   threads   at least 1
// zm_frame_field_finish frees, and accepts a zeroed one.
void zm_frame_field_load(const zm_field_files *files, const char *helper,
                         uint32_t threads, zm_frame_field *out);
void zm_frame_field_finish(zm_frame_field *field);

// Direction of a position, as a unit vector.
void zm_sky_vector(double ra_deg, double dec_deg, double out[3]);

#endif
