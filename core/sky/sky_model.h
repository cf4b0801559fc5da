// What lies between a galaxy and its pixels: Galactic dust, seeing, sky noise. Numbers
// are those of SDSS corrected frames.
#ifndef ZM_SKY_MODEL_H
#define ZM_SKY_MODEL_H

#include "core/rng.h"
#include "core/sky/galaxy_profile.h"

// Rms of the sky per pixel in nanomaggies.
extern const double zm_sky_noise_nmgy[ZM_BANDS];

// Detected electrons per nanomaggy, for the Poisson noise of the sources.
extern const double zm_sky_gain_e_per_nmgy[ZM_BANDS];

// Pixels that a PSF reaches in each direction; draw that much round a cutout.
#define ZM_PSF_REACH_PX 16

// PSF of one band: three Gaussians.
typedef struct zm_psf {
    double weight[3]; // sum 1
    double sigma_x_px[3], sigma_y_px[3];
    double shift_x_px, shift_y_px; // registration error of the band
} zm_psf;

// The observing conditions of one cutout.
typedef struct zm_sky {
    zm_psf psf[ZM_BANDS];
    double noise_nmgy[ZM_BANDS];    // rms per pixel
    double residual_nmgy[ZM_BANDS]; // sky left over by the subtraction
    double correlation;             // of the noise of neighbouring pixels
} zm_sky;

// Draws conditions: seeing, band registration, noise level and its correlation.
zm_sky zm_sky_draw(zm_rng *rng);

// Draws an E(B-V) like those of the SDSS main galaxy sample.
double zm_sky_draw_ebv(zm_rng *rng);

// Transmitted part of the light in one band: 10^(-0.4 A_band), SF11 coefficients.
double zm_sky_transmission(double ebv, int band);

// Convolves a canvas that holds profiles (already smoothed by ZM_PROFILE_SMOOTH_PX) to
// the PSF and writes its inner part.
//   canvas   (size + 2 * ZM_PSF_REACH_PX) squared, one band
//   scratch  (height of canvas * size) floats
//   out      (size, size), overwritten
void zm_psf_convolve(const zm_psf *psf, const zm_canvas *canvas, uint32_t size,
                     float *scratch, float *out);

// Adds residual sky, sky noise and the Poisson noise of the sources to one band. The
// noise is correlated between neighbours, as the one resampling that registers the bands
// leaves it, with the rms of zm_sky.
//   scratch  ((side + 2)^2 * 2) floats
//   image    square, noiseless in, noisy out
void zm_sky_add_noise(const zm_sky *sky, int band, zm_rng *rng, float *scratch,
                      const zm_canvas *image);

#endif
