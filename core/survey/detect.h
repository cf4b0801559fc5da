// Sources on a frame, found by libsep, the library form of SExtractor.
#ifndef ZM_DETECT_H
#define ZM_DETECT_H

#include "core/base.h"

// Bits of zm_detection.flags.
enum {
    ZM_DETECTION_BLENDED = 1u << 0,  // was parted from a neighbour
    ZM_DETECTION_CUT_OFF = 1u << 1,  // touches the edge of the frame
    ZM_DETECTION_SINGULAR = 1u << 2, // all light on one line: no shape
};

typedef struct zm_detection {
    double x, y;      // FITS pixel coordinates: the centre of the first pixel is (1, 1)
    float flux_nmgy;  // of the pixels above the threshold, background subtracted
    float a_px, b_px; // rms of the light along the major and the minor axis
    float theta_rad;  // of the major axis, from +x towards +y
    uint32_t flags;   // ZM_DETECTION_*
} zm_detection;

typedef struct zm_detections {
    zm_detection *items; // (count), by y, then x
    uint32_t count;      // may be 0
} zm_detections;

typedef struct zm_detect_args {
    float threshold_sigma; // above the background, in units of its local rms [3]
    uint32_t min_area;     // pixels above the threshold [8]
    uint32_t margin; // sources closer than so many pixels to an edge are left out [0]
    uint32_t max_sources; // only so many, the brightest [0 = all]
} zm_detect_args;

// Finds the sources of a frame: background and its rms on a mesh of 64 pixels, detection
// on the image smoothed by 3 x 3 pixels, deblending with 32 levels and a contrast of
// 0.005.
//   image   (height, width) nanomaggies, unchanged; pixels that are not finite are masked
//   out     freed by zm_detections_finish
// libsep keeps global state, so calls from several threads take turns.
// Errors: ZM_ERR_FORMAT where the image has no noise (constant, or nothing finite) or is
// too crowded for libsep; ZM_ERR_SHAPE where it is empty or has more than 2^28 pixels;
// ZM_ERR_MEMORY.
// Source: Bertin & Arnouts 1996 (A&AS 117, 393), whose defaults are used where nothing is
// said; Barbary 2016 (JOSS 1, 58) for the library.
zm_status zm_detect(const float *image, uint32_t width, uint32_t height,
                    const zm_detect_args *args, zm_detections *out);
void zm_detections_finish(zm_detections *list);

#endif
