#include "core/sky/sky_model.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/data/photometry.h"

#define KERNEL_TAPS (2 * ZM_PSF_REACH_PX + 1)

const double zm_sky_noise_nmgy[ZM_BANDS] = {0.037, 0.014, 0.028, 0.038, 0.15};

// CCD gain (1.6 3.9 4.7 4.8 4.7 electrons per count, column averages of Gunn et al.
// 1998) over the median nanomaggies per count of five corrected frames (HDU 1).
const double zm_sky_gain_e_per_nmgy[ZM_BANDS] = {165.0, 1020.0, 915.0, 715.0, 138.0};

// Measured on isolated stars (peak > 25 sigma) of five SDSS corrected fields: adaptive
// second moments give the width of each star, the mode of the widths the stellar
// sequence; radial profiles of its members, median-stacked to 15 pixels, were fitted
// jointly per band in units of that width. 22 of the 25 frames gave the 4 to 67 stars
// needed (not r of 1043-5-25, g and z of 8162-6-80). Widths are medians over these
// fields; that of r takes in the mode of the left-out frame. The profiles include the
// pixel response, so they are sampled, not integrated. Residual of the fit 2 to 4 % (i: 9
// %) within 2.5 widths. FWHM at the tabulated width: 1.42 1.33 1.27 1.20 1.22 arcsec.
typedef struct star_shape {
    double width_px; // median adaptive sigma
    double weight[3];
    double sigma[3]; // in units of width_px
} star_shape;
static const star_shape star_shapes[ZM_BANDS] = {
    {1.619, {0.6060, 0.3270, 0.0670}, {0.882, 1.660, 4.543}},
    {1.528, {0.5784, 0.3513, 0.0703}, {0.864, 1.626, 4.176}},
    {1.427, {0.6632, 0.2645, 0.0723}, {0.906, 1.823, 4.514}},
    {1.359, {0.6795, 0.2375, 0.0830}, {0.910, 1.966, 5.492}},
    {1.368, {0.6313, 0.2667, 0.1020}, {0.903, 1.732, 4.500}},
};

// Scatter between the five fields, rounded.
#define SEEING_SCATTER       0.14 // of ln width, common to the bands
#define SEEING_BAND_SCATTER  0.05 // of ln width, per band
#define SEEING_ELLIPTICITY   0.04 // of ln (width_x / width_y)
#define REGISTRATION_RMS_PX  0.05
#define NOISE_LEVEL_SCATTER  0.08 // of ln rms, per band
#define RESIDUAL_SKY_SCATTER 0.05 // in units of the rms

// Registered SDSS cutouts have 0.16 (frames: 0.03); it depends on the sub-pixel phase.
#define CORRELATION_MIN 0.03
#define CORRELATION_MAX 0.29

zm_sky zm_sky_draw(zm_rng *rng)
{
    zm_sky sky;
    const double seeing = SEEING_SCATTER * zm_rng_normal(rng);
    const double ellipticity = SEEING_ELLIPTICITY * zm_rng_normal(rng);
    for (int b = 0; b < ZM_BANDS; b++) {
        const star_shape *star = &star_shapes[b];
        zm_psf *psf = &sky.psf[b];
        const double scatter = seeing + SEEING_BAND_SCATTER * zm_rng_normal(rng);
        const double width = star->width_px * exp(fmin(fmax(scatter, -0.3), 0.4));
        for (int k = 0; k < 3; k++) {
            psf->weight[k] = star->weight[k];
            psf->sigma_x_px[k] = star->sigma[k] * width * exp(0.5 * ellipticity);
            psf->sigma_y_px[k] = star->sigma[k] * width * exp(-0.5 * ellipticity);
        }
        psf->shift_x_px = REGISTRATION_RMS_PX * zm_rng_normal(rng);
        psf->shift_y_px = REGISTRATION_RMS_PX * zm_rng_normal(rng);
        // Unit mean square, so that the rms over many cutouts is the table's.
        const double level = exp(NOISE_LEVEL_SCATTER * zm_rng_normal(rng) -
                                 NOISE_LEVEL_SCATTER * NOISE_LEVEL_SCATTER);
        sky.noise_nmgy[b] = zm_sky_noise_nmgy[b] * level;
        sky.residual_nmgy[b] =
            zm_sky_noise_nmgy[b] * RESIDUAL_SKY_SCATTER * zm_rng_normal(rng);
    }
    sky.correlation =
        CORRELATION_MIN + (CORRELATION_MAX - CORRELATION_MIN) * zm_rng_double(rng);
    return sky;
}

double zm_sky_draw_ebv(zm_rng *rng)
{
    // Log-normal: 1 % below 0.007, median 0.026, 1 % above 0.12 in kcorrect's sample of
    // 10,000 main-sample galaxies.
    return fmin(0.026 * exp(0.63 * zm_rng_normal(rng)), 0.5);
}

double zm_sky_transmission(double ebv, int band)
{
    return pow(10.0, -0.4 * zm_extinction_per_ebv[band] * ebv);
}

typedef struct kernel {
    float taps[KERNEL_TAPS];
    uint32_t reach; // taps on a side
} kernel;

// Gaussian of unit sum round the shifted centre.
static kernel make_kernel(double sigma_px, double shift_px)
{
    const double extra =
        sigma_px * sigma_px - ZM_PROFILE_SMOOTH_PX * ZM_PROFILE_SMOOTH_PX;
    const double sigma = sqrt(fmax(extra, 0.16)); // 0.4 px: below, sampling fails
    const int reach = (int)fmin(ceil(4.0 * sigma + fabs(shift_px)), ZM_PSF_REACH_PX);
    kernel k = {.reach = (uint32_t)reach};
    double value[KERNEL_TAPS], sum = 0.0;
    for (int i = -reach; i <= reach; i++) {
        const double d = ((double)i - shift_px) / sigma;
        value[i + reach] = exp(-0.5 * d * d);
        sum += value[i + reach];
    }
    for (int i = 0; i <= 2 * reach; i++)
        k.taps[i] = (float)(value[i] / sum);
    return k;
}

// out[x] += sum over t of taps[t] in[x + t * step]. Blocks of constant length keep the
// sums in vector registers, also at -O2.
#define LANES 16
static void correlate_row(const kernel *k, const float *in, size_t step, uint32_t n,
                          float *out)
{
    const uint32_t count = 2 * k->reach + 1;
    uint32_t x = 0;
    for (; x + LANES <= n; x += LANES) {
        float sum[LANES] = {0};
        for (uint32_t t = 0; t < count; t++) {
            const float *from = in + x + (size_t)t * step;
            for (int lane = 0; lane < LANES; lane++)
                sum[lane] += k->taps[t] * from[lane];
        }
        for (int lane = 0; lane < LANES; lane++)
            out[x + (uint32_t)lane] += sum[lane];
    }
    for (; x < n; x++) {
        float sum = 0.0f;
        for (uint32_t t = 0; t < count; t++)
            sum += k->taps[t] * in[x + (size_t)t * step];
        out[x] += sum;
    }
}

void zm_psf_convolve(const zm_psf *psf, const zm_canvas *canvas, uint32_t size,
                     float *scratch, float *out)
{
    const uint32_t wide = size + 2 * ZM_PSF_REACH_PX;
    assert(canvas->width == wide && canvas->height == wide);
    memset(out, 0, (size_t)size * size * sizeof *out);
    for (int i = 0; i < 3; i++) {
        // Correlation with the mirrored kernel is convolution, hence the minus.
        const kernel kx = make_kernel(psf->sigma_x_px[i], -psf->shift_x_px);
        kernel ky = make_kernel(psf->sigma_y_px[i], -psf->shift_y_px);
        for (uint32_t t = 0; t < 2 * ky.reach + 1; t++)
            ky.taps[t] *= (float)psf->weight[i];
        const uint32_t border = ZM_PSF_REACH_PX - ky.reach;
        memset(scratch, 0, (size_t)wide * size * sizeof *scratch);
        for (uint32_t y = border; y < wide - border; y++)
            correlate_row(&kx,
                          canvas->pixels + (size_t)y * wide + ZM_PSF_REACH_PX - kx.reach,
                          1, size, scratch + (size_t)y * size);
        for (uint32_t y = 0; y < size; y++)
            correlate_row(&ky, scratch + (size_t)(y + border) * size, size, size,
                          out + (size_t)y * size);
    }
}

// Single-precision Box-Muller: twice as fast as zm_rng_normal, and float pixels need no
// more. The argument of the logarithm is never 0.
static void fill_normals(zm_rng *rng, size_t n, float *out)
{
    for (size_t i = 0; i < n; i += 2) {
        const float u = ((float)(zm_rng_u32(rng) >> 9) + 0.5f) * 0x1p-23f;
        const float angle = (float)(zm_rng_u32(rng) >> 8) * (6.28318531f * 0x1p-24f);
        const float radius = sqrtf(-2.0f * logf(u));
        out[i] = radius * cosf(angle);
        if (i + 1 < n)
            out[i + 1] = radius * sinf(angle);
    }
}

// Smoothing with (a, 1, a) both ways gives neighbours the correlation 2a / (1 + 2a^2).
static float smoothing_of(double correlation)
{
    return (float)((1.0 - sqrt(1.0 - 2.0 * correlation * correlation)) /
                   (2.0 * correlation));
}

void zm_sky_add_noise(const zm_sky *sky, int band, zm_rng *rng, float *scratch,
                      const zm_canvas *image)
{
    assert(image->width == image->height);
    const uint32_t size = image->width;
    const uint32_t wide = size + 2;
    float *noise = scratch, *rows = scratch + (size_t)wide * wide;
    const float variance = (float)(sky->noise_nmgy[band] * sky->noise_nmgy[band]);
    const float per_flux = (float)(1.0 / zm_sky_gain_e_per_nmgy[band]);
    const float a = smoothing_of(sky->correlation);
    const float unit = 1.0f / (1.0f + 2.0f * a * a);
    fill_normals(rng, (size_t)wide * wide, noise);
    for (uint32_t y = 0; y < wide; y++) {
        const float *in = noise + (size_t)y * wide;
        for (uint32_t x = 0; x < size; x++)
            rows[(size_t)y * size + x] = in[x + 1] + a * (in[x] + in[x + 2]);
    }
    for (uint32_t y = 0; y < size; y++) {
        const float *in = rows + (size_t)y * size;
        for (uint32_t x = 0; x < size; x++) {
            const float n = in[x + size] + a * (in[x] + in[x + 2 * (size_t)size]);
            float *p = &image->pixels[(size_t)y * size + x];
            *p += (float)sky->residual_nmgy[band] +
                  unit * n * sqrtf(variance + fmaxf(*p, 0.0f) * per_flux);
        }
    }
}
