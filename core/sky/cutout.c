#include "core/sky/cutout.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/data/photometry.h"
#include "core/sky/sky_model.h"

#define PI 3.14159265358979323846

#define CENTRE_RMS_PX      0.12 // of the galaxy round the middle of the cutout
#define CENTRE_MAX_PX      0.35
#define KNOTS_MAX          14
#define NEIGHBOURS_MAX     64
#define NEIGHBOUR_MIN_PX   7.6 // 3 arcsec from the galaxy
#define SPIRAL_PITCH_SLOPE 2.8 // radians per unit of ln radius

struct zm_cutout_scratch {
    uint32_t size, wide; // pixels: cutout, cutout with the reach of the PSF round it
    float *part;         // (ZM_PARTS, wide, wide) light of unit flux
    float *field;        // (ZM_BANDS, wide, wide) everything before the atmosphere
    float *work;         // for convolution and noise
};

zm_status zm_cutout_scratch_create(uint32_t size, zm_cutout_scratch **out)
{
    if (size < ZM_CUTOUT_MIN_PX || size > ZM_CUTOUT_MAX_PX)
        return ZM_FAIL(ZM_ERR_USAGE, "cutout size: expected %d..%d pixels, found %lu",
                       ZM_CUTOUT_MIN_PX, ZM_CUTOUT_MAX_PX, (unsigned long)size);
    zm_cutout_scratch *s = zm_calloc(1, sizeof *s);
    if (!s)
        return ZM_FAIL(ZM_ERR_MEMORY, "scratch of a cutout");
    s->size = size;
    s->wide = size + 2 * ZM_PSF_REACH_PX;
    const uint64_t pixels = (uint64_t)s->wide * s->wide;
    s->part = zm_calloc(pixels * ZM_PARTS, sizeof *s->part);
    s->field = zm_calloc(pixels * ZM_BANDS, sizeof *s->field);
    s->work = zm_calloc(pixels * 2, sizeof *s->work);
    if (!s->part || !s->field || !s->work) {
        zm_cutout_scratch_destroy(&s);
        return ZM_FAIL(ZM_ERR_MEMORY, "scratch of a cutout of %lu pixels a side",
                       (unsigned long)size);
    }
    *out = s;
    return ZM_OK;
}

void zm_cutout_scratch_destroy(zm_cutout_scratch **scratch)
{
    if (!*scratch)
        return;
    free((*scratch)->part);
    free((*scratch)->field);
    free((*scratch)->work);
    free(*scratch);
    *scratch = NULL;
}

// Star-forming knots along two arms of a logarithmic spiral, unit flux together.
static void draw_knots(const zm_profile *disc, zm_rng *rng, zm_canvas *canvas)
{
    const uint32_t count = 4 + zm_rng_below(rng, KNOTS_MAX - 3);
    const double wind =
        zm_rng_double(rng) < 0.5 ? SPIRAL_PITCH_SLOPE : -SPIRAL_PITCH_SLOPE;
    const double phase = 2.0 * PI * zm_rng_double(rng);
    double part[KNOTS_MAX], sum = 0.0;
    for (uint32_t i = 0; i < count; i++) {
        part[i] = 0.2 + zm_rng_double(rng);
        sum += part[i];
    }
    const double c = cos(disc->angle_rad), s = sin(disc->angle_rad);
    for (uint32_t i = 0; i < count; i++) {
        const double radius = disc->r50_px * (0.4 + 1.4 * zm_rng_double(rng));
        const double angle = phase + wind * log(radius / disc->r50_px) +
                             PI * (double)(i % 2) + 0.25 * zm_rng_normal(rng);
        const double u = radius * cos(angle);
        const double v = radius * sin(angle) * disc->axis_ratio;
        const zm_profile knot = {
            .kind = ZM_PROFILE_GAUSSIAN,
            .x_px = disc->x_px + u * c - v * s,
            .y_px = disc->y_px + u * s + v * c,
            .r50_px = disc->r50_px * (0.1 + 0.12 * zm_rng_double(rng)),
            .axis_ratio = disc->axis_ratio,
            .angle_rad = disc->angle_rad,
        };
        zm_profile_add(&knot, part[i] / sum, canvas);
    }
}

// Draws each part once, with unit flux: its shape is the same in every band.
static void draw_galaxy(const zm_galaxy *g, zm_rng *rng, zm_cutout_scratch *s)
{
    static const zm_profile_kind kinds[] = {ZM_PROFILE_DEV, ZM_PROFILE_EXP};
    const size_t pixels = (size_t)s->wide * s->wide;
    const double middle = ((double)s->wide - 1.0) / 2.0;
    const double dx = CENTRE_RMS_PX * zm_rng_normal(rng);
    const double dy = CENTRE_RMS_PX * zm_rng_normal(rng);
    memset(s->part, 0, ZM_PARTS * pixels * sizeof *s->part);
    for (int k = 0; k < ZM_PARTS; k++) {
        if (g->flux_nmgy[k][2] == 0.0)
            continue;
        zm_canvas canvas = {s->part + (size_t)k * pixels, s->wide, s->wide};
        const zm_profile profile = {
            .kind = kinds[k == ZM_PART_BULGE ? 0 : 1],
            .x_px = middle + fmin(fmax(dx, -CENTRE_MAX_PX), CENTRE_MAX_PX),
            .y_px = middle + fmin(fmax(dy, -CENTRE_MAX_PX), CENTRE_MAX_PX),
            .r50_px = g->r50_arcsec[k] / ZM_PIXEL_ARCSEC,
            .axis_ratio = g->axis_ratio[k],
            .angle_rad = g->angle_rad,
        };
        if (k == ZM_PART_CLUMPS)
            draw_knots(&profile, rng, &canvas);
        else
            zm_profile_add(&profile, 1.0, &canvas);
    }
    for (int b = 0; b < ZM_BANDS; b++) {
        float *field = s->field + (size_t)b * pixels;
        const float scale[ZM_PARTS] = {(float)g->flux_nmgy[0][b],
                                       (float)g->flux_nmgy[1][b],
                                       (float)g->flux_nmgy[2][b]};
        for (size_t i = 0; i < pixels; i++)
            field[i] = scale[0] * s->part[i] + scale[1] * s->part[pixels + i] +
                       scale[2] * s->part[2 * pixels + i];
    }
}

static uint32_t draw_poisson(zm_rng *rng, double mean)
{
    const double limit = exp(-mean);
    uint32_t n = 0;
    for (double product = zm_rng_double(rng); product > limit && n < NEIGHBOURS_MAX; n++)
        product *= zm_rng_double(rng);
    return n;
}

static void draw_neighbours(zm_rng *rng, zm_cutout_scratch *s)
{
    const size_t pixels = (size_t)s->wide * s->wide;
    const double side = (double)s->wide;
    const double area = side * side * ZM_PIXEL_ARCSEC * ZM_PIXEL_ARCSEC;
    const uint32_t count = draw_poisson(rng, area * ZM_NEIGHBOURS_PER_ARCSEC2);
    for (uint32_t i = 0; i < count; i++) {
        zm_neighbour n;
        zm_population_draw_neighbour(rng, &n);
        const zm_profile profile = {
            .kind = n.star ? ZM_PROFILE_POINT : ZM_PROFILE_EXP,
            .x_px = side * zm_rng_double(rng) - 0.5,
            .y_px = side * zm_rng_double(rng) - 0.5,
            .r50_px = n.r50_arcsec / ZM_PIXEL_ARCSEC,
            .axis_ratio = n.axis_ratio,
            .angle_rad = n.angle_rad,
        };
        const double middle = 0.5 * (side - 1.0);
        if (hypot(profile.x_px - middle, profile.y_px - middle) < NEIGHBOUR_MIN_PX)
            continue;
        for (int b = 0; b < ZM_BANDS; b++) {
            zm_canvas canvas = {s->field + (size_t)b * pixels, s->wide, s->wide};
            zm_profile_add(&profile, n.flux_nmgy[b], &canvas);
        }
    }
}

static zm_rng stream(uint64_t seed, uint32_t index, uint32_t number)
{
    return zm_rng_init(seed, ZM_RNG_SIMULATE, index, number);
}

void zm_cutout_render(const zm_population *population, uint32_t index,
                      zm_cutout_scratch *scratch, float *image, zm_row *row)
{
    zm_cutout_scratch *s = scratch;
    const uint64_t seed = zm_population_seed(population);
    const size_t wide_pixels = (size_t)s->wide * s->wide;
    const size_t pixels = (size_t)s->size * s->size;
    zm_galaxy galaxy = {0};
    zm_population_draw(population, index, &galaxy);
    zm_rng sky_rng = stream(seed, index, ZM_STREAM_SKY);
    zm_rng field_rng = stream(seed, index, ZM_STREAM_FIELD);
    zm_rng place_rng = stream(seed, index, ZM_STREAM_PLACE);
    const zm_sky sky = zm_sky_draw(&sky_rng);
    draw_galaxy(&galaxy, &place_rng, s);
    draw_neighbours(&field_rng, s);
    for (int b = 0; b < ZM_BANDS; b++) {
        const zm_canvas canvas = {s->field + (size_t)b * wide_pixels, s->wide, s->wide};
        const zm_canvas out = {image + (size_t)b * pixels, s->size, s->size};
        zm_rng noise_rng = stream(seed, index, ZM_STREAM_NOISE + (uint32_t)b);
        zm_psf_convolve(&sky.psf[b], &canvas, s->size, s->work, out.pixels);
        zm_sky_add_noise(&sky, b, &noise_rng, s->work, &out);
    }
    *row = (zm_row){.object_id = (int64_t)index,
                    .ra_deg = galaxy.ra_deg,
                    .dec_deg = galaxy.dec_deg,
                    .z = galaxy.z,
                    .ebv = galaxy.ebv,
                    .label = -1};
    uint32_t flags = 0;
    zm_aperture_mags(image, s->size, s->size, galaxy.ebv, row->mags, &flags);
}
