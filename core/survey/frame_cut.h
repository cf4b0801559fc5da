// One object out of the frames of a field: five bands on one grid.
#ifndef ZM_FRAME_CUT_H
#define ZM_FRAME_CUT_H

#include "core/data/dataset.h"
#include "core/survey/frame_field.h"
#include "core/survey/resample.h"

// How well a field holds a position; greater is better, compared in this order.
typedef struct zm_field_fit {
    uint32_t bands;   // whose frames contain it
    double margin_px; // least distance to an edge in those; below 0 where bands is 0: how
                      // far outside the nearest it lies
} zm_field_fit;

// Fits of count positions.
//   sky   (count, 2) RA and Dec, degrees
//   out   (count)
void zm_field_fit_all(const zm_frame_field *field, uint32_t count, const double *sky,
                      zm_field_fit *out);
bool zm_field_fit_better(const zm_field_fit *a, const zm_field_fit *b);

// Memory that one thread needs to cut; create once, use for many objects.
typedef struct zm_frame_cutter zm_frame_cutter;
zm_status zm_frame_cutter_create(uint32_t size, zm_frame_cutter **out);
void zm_frame_cutter_destroy(zm_frame_cutter **cutter);

// Cuts the object of a row: tangential projection round its position, north up (row 0 is
// south), east left (column 0 is east), 0.396 arcsec a pixel, the position at FITS pixel
// (size + 1) / 2, each band resampled once through its own coordinates, flux kept.
//   row     ra_deg, dec_deg given; coverage set to the part of (ZM_BANDS, size, size)
//   that
//           has a value; ZM_FLAG_OFF_FRAME, _MISSING_BAND and _NO_IMAGE are set or
//           cleared
//   image   out, (ZM_BANDS, size, size) nanomaggies per pixel, NaN where nothing is
void zm_frame_cut(zm_frame_cutter *cutter, const zm_frame_field *field,
                  const zm_lanczos *lanczos, zm_row *row, float *image);

// The positions of the pixels of such a cutout at its warp nodes, (nodes, nodes, 2).
void zm_cutout_sky(double ra_deg, double dec_deg, uint32_t size, double *sky);

#endif
