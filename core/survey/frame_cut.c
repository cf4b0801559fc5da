#include "core/survey/frame_cut.h"

#include <math.h>
#include <stdlib.h>

#include "core/data/photometry.h"

struct zm_frame_cutter {
    uint32_t size, nodes;
    double *sky;   // (nodes, nodes, 2)
    double *pixel; // (nodes, nodes, 2)
};

static const double degree = 0.017453292519943295;

zm_status zm_frame_cutter_create(uint32_t size, zm_frame_cutter **out)
{
    zm_frame_cutter *c = calloc(1, sizeof *c);
    if (c) {
        c->size = size;
        c->nodes = zm_warp_nodes(size);
        const uint64_t values = 2 * (uint64_t)c->nodes * c->nodes;
        c->sky = zm_calloc(values, sizeof *c->sky);
        c->pixel = zm_calloc(values, sizeof *c->pixel);
    }
    if (!c || !c->sky || !c->pixel) {
        zm_frame_cutter_destroy(&c);
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory to cut %u pixels", (unsigned)size);
    }
    *out = c;
    return ZM_OK;
}

void zm_frame_cutter_destroy(zm_frame_cutter **cutter)
{
    if (!*cutter)
        return;
    free((*cutter)->sky);
    free((*cutter)->pixel);
    free(*cutter);
    *cutter = NULL;
}

bool zm_field_fit_better(const zm_field_fit *a, const zm_field_fit *b)
{
    return a->bands != b->bands ? a->bands > b->bands : a->margin_px > b->margin_px;
}

static void add_band(const zm_fits_image *image, const double pixel[2], zm_field_fit *fit)
{
    const double x = fmin(pixel[0], image->width - 1.0 - pixel[0]);
    const double y = fmin(pixel[1], image->height - 1.0 - pixel[1]);
    const double margin = fmin(x, y);
    if (isnan(pixel[0]) || isnan(pixel[1]))
        return;
    if (margin >= 0.0) {
        fit->margin_px = fit->bands ? fmin(fit->margin_px, margin) : margin;
        fit->bands++;
    } else if (fit->bands == 0) {
        fit->margin_px = fmax(fit->margin_px, margin);
    }
}

void zm_field_fit_all(const zm_frame_field *field, uint32_t count, const double *sky,
                      zm_field_fit *out)
{
    double pixels[2 * ZM_WCS_BATCH];
    for (uint32_t i = 0; i < count; i++)
        out[i] = (zm_field_fit){0, -INFINITY};
    for (int b = 0; b < ZM_BANDS; b++) {
        const zm_frame *frame = &field->band[b];
        if (!frame->image)
            continue;
        for (uint32_t at = 0; at < count; at += ZM_WCS_BATCH) {
            const uint32_t n = ZM_MIN(count - at, (uint32_t)ZM_WCS_BATCH);
            zm_wcs_to_pixel(frame->wcs, n, sky + 2 * (size_t)at, pixels);
            for (uint32_t i = 0; i < n; i++)
                add_band(frame->image, pixels + 2 * i, &out[at + i]);
        }
    }
}

// Source: Calabretta & Greisen 2002, section 5.1.3 (TAN), as vectors: the pixel's
// direction is the centre's plus its offsets along east and north.
void zm_cutout_sky(double ra_deg, double dec_deg, uint32_t size, double *sky)
{
    const double scale = ZM_PIXEL_ARCSEC / 3600.0 * degree;
    const double middle = (size - 1.0) / 2;
    const uint32_t nodes = zm_warp_nodes(size);
    const double ra = ra_deg * degree, dec = dec_deg * degree;
    const double east[3] = {-sin(ra), cos(ra), 0.0};
    const double north[3] = {-sin(dec) * cos(ra), -sin(dec) * sin(ra), cos(dec)};
    double centre[3];
    zm_sky_vector(ra_deg, dec_deg, centre);
    for (uint32_t i = 0; i < nodes; i++) {
        for (uint32_t j = 0; j < nodes; j++, sky += 2) {
            const double xi = -scale * (j * (double)ZM_WARP_STEP - middle);
            const double eta = scale * (i * (double)ZM_WARP_STEP - middle);
            double v[3];
            for (int k = 0; k < 3; k++)
                v[k] = centre[k] + xi * east[k] + eta * north[k];
            sky[0] = atan2(v[1], v[0]) / degree;
            sky[1] = atan2(v[2], hypot(v[0], v[1])) / degree;
        }
    }
}

static void set_flags(const uint32_t covered[ZM_BANDS], const zm_frame_field *field,
                      uint32_t pixels, zm_row *row)
{
    const uint32_t mine = ZM_FLAG_OFF_FRAME | ZM_FLAG_MISSING_BAND | ZM_FLAG_NO_IMAGE;
    uint64_t total = 0;
    uint32_t found = 0;
    for (int b = 0; b < ZM_BANDS; b++) {
        total += covered[b];
        if (covered[b] == 0)
            found |= ZM_FLAG_MISSING_BAND;
        if (field->band[b].image && covered[b] < pixels)
            found |= ZM_FLAG_OFF_FRAME;
    }
    row->flags &= ~mine;
    row->flags |= total ? found : (uint32_t)ZM_FLAG_NO_IMAGE;
    row->coverage = (float)((double)total / (ZM_BANDS * (double)pixels));
}

void zm_frame_cut(zm_frame_cutter *c, const zm_frame_field *field,
                  const zm_lanczos *lanczos, zm_row *row, float *image)
{
    const uint32_t pixels = c->size * c->size;
    uint32_t covered[ZM_BANDS] = {0};
    zm_cutout_sky(row->ra_deg, row->dec_deg, c->size, c->sky);
    for (int b = 0; b < ZM_BANDS; b++) {
        const zm_frame *frame = &field->band[b];
        float *out = image + (size_t)b * pixels;
        if (!frame->image) {
            for (uint32_t i = 0; i < pixels; i++)
                out[i] = NAN;
            continue;
        }
        zm_wcs_to_pixel(frame->wcs, c->nodes * c->nodes, c->sky, c->pixel);
        const zm_warp warp = {.size = c->size, .nodes = c->nodes, .pixel = c->pixel};
        covered[b] = zm_lanczos_resample(lanczos, frame->image->data, frame->image->width,
                                         frame->image->height, &warp,
                                         (float)zm_warp_area(&warp), out);
    }
    set_flags(covered, field, pixels, row);
}
