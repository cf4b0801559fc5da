// SDSS magnitudes and aperture photometry: one function for simulate, prepare, predict
// and the browser.
#ifndef ZM_PHOTOMETRY_H
#define ZM_PHOTOMETRY_H

#include "core/base.h"

#define ZM_PIXEL_ARCSEC 0.396

// asinh softening b per band (u g r i z), Lupton, Gunn & Szalay 1999, SDSS values.
extern const double zm_asinh_softening[ZM_BANDS];

// A_band / E(B-V), Schlafly & Finkbeiner 2011, SDSS bands, R_V = 3.1.
extern const double zm_extinction_per_ebv[ZM_BANDS];

// The same after Schlegel, Finkbeiner & Davis 1998, as SDSS used it for extinction_* and
// dered_* before; see extinction.h.
extern const double zm_sfd_extinction_per_ebv[ZM_BANDS];

// asinh magnitude of a flux in nanomaggies (finite for negative flux), and its inverse:
// m = -2.5/ln 10 * (asinh(f / f0 / 2b) + ln b), f0 = 1e9 nanomaggies.
double zm_asinh_mag(double flux_nmgy, int band);
double zm_asinh_flux(double mag, int band);

// Part of pixel (row, column), counted from 0, that lies in the aperture: 0 to 1.
double zm_aperture_weight(uint32_t height, uint32_t width, uint32_t row, uint32_t column);

// Dereddened asinh magnitudes in an aperture of 3 arcsec radius round the centre of a
// cutout (the centre of pixel (size+1)/2 in FITS counting); pixels cut by the circle
// count by the part of a 5 x 5 sub-grid that lies inside.
//   image   (ZM_BANDS, height, width) nanomaggies
//   ebv     E(B-V) in mag; NaN: not dereddened, ZM_FLAG_NOT_DEREDDENED is set
//   mags    out, (ZM_BANDS)
//   flags   in and out: bits of dataset.h are added
// A pixel that is not finite counts 0 and is flagged.
void zm_aperture_mags(const float *image, uint32_t height, uint32_t width, float ebv,
                      float mags[ZM_BANDS], uint32_t *flags);

#endif
