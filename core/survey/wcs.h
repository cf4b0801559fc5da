// World coordinates of an image through wcslib: every projection and distortion that it
// knows, equatorial and in degrees.
#ifndef ZM_WCS_H
#define ZM_WCS_H

#include "core/base.h"

typedef struct zm_wcs zm_wcs;

// From the cards of a header (zm_fits_image.header).
//   label   what messages call the file
// Errors (ZM_ERR_FORMAT): no celestial axes, other than RA and Dec in J2000, singular,
// coordinates that cannot be computed.
// Parsing is serialised: wcslib's parsers are not safe in several threads.
zm_status zm_wcs_create(const char *label, const char *header, zm_wcs **out);
void zm_wcs_destroy(zm_wcs **wcs);

// Positions to pixels, counted from 0 (the centre of the first pixel is 0, 0).
//   sky      (count, 2) RA and Dec, degrees
//   pixels   out, (count, 2) x and y; NaN where the projection has no such point
// Calls from several threads take turns.
enum { ZM_WCS_BATCH = 64 }; // points that go to wcslib at a time
void zm_wcs_to_pixel(zm_wcs *wcs, uint32_t count, const double *sky, double *pixels);

// Pixels, counted from 0, to positions; the same arrays the other way round.
void zm_wcs_to_sky(zm_wcs *wcs, uint32_t count, const double *pixels, double *sky);

#endif
