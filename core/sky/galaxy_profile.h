// Surface-brightness profiles of galaxies, drawn as mixtures of Gaussians: fast, exactly
// normalised, and free of the aliasing that point sampling of a cusp gives.
#ifndef ZM_GALAXY_PROFILE_H
#define ZM_GALAXY_PROFILE_H

#include "core/base.h"

// Every profile is drawn convolved with a round Gaussian of this sigma, so that pixels
// sample it well. The PSF kernels (sky_model.h) take it into account.
#define ZM_PROFILE_SMOOTH_PX 0.7

typedef enum zm_profile_kind {
    ZM_PROFILE_POINT,    // a star
    ZM_PROFILE_GAUSSIAN, // a star-forming clump
    ZM_PROFILE_EXP,      // Sersic n = 1, discs
    ZM_PROFILE_DEV,      // Sersic n = 4, bulges
} zm_profile_kind;

typedef struct zm_profile {
    zm_profile_kind kind;
    double x_px, y_px; // centre; 0 = centre of the first pixel, y is the row
    double r50_px;     // semi-major axis of the ellipse with half of the light
    double axis_ratio; // minor to major, 0 < q <= 1
    double angle_rad;  // of the major axis, from +x towards +y
} zm_profile;

// A single-band image in the caller's memory.
typedef struct zm_canvas {
    float *pixels; // (height, width)
    uint32_t height, width;
} zm_canvas;

// Adds a profile of the given total flux (integral over the infinite plane).
// Source: Hogg & Lang 2013 (arXiv:1210.6563); the mixtures were fitted anew to the
// surface brightness and growth curve of Sersic profiles over 0.02 to 9 r50.
void zm_profile_add(const zm_profile *profile, double flux, zm_canvas *canvas);

#endif
