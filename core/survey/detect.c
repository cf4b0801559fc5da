#include "core/survey/detect.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include <sep.h>

enum {
    MESH_PX = 64, // of the background
    MESH_FILTER = 3,
    DEBLEND_LEVELS = 32,
    MAX_PIXELS = 1 << 28,
    // What libsep sets aside. A crowded frame overflows the first, usual, amounts, and
    // then gets the second: room for every pixel.
    USUAL_STACK = 300000,
    USUAL_PARTS = 1024,
    LARGE_PARTS = 16384,
};

static const double deblend_contrast = 0.005;
static const double clean_strength = 1.0;

// The noise is a spline through the mesh and may undershoot beside a bright galaxy.
static const float least_relative_noise = 0.1f;

// The amounts above and the error texts are global in libsep.
static pthread_mutex_t libsep = PTHREAD_MUTEX_INITIALIZER;

// Arrays of one image as libsep wants them.
typedef struct planes {
    float *pixels; // a copy, less the background
    float *noise;
    uint8_t *mask; // 1: not finite
    sep_image image;
} planes;

static zm_status refuse(int code, const char *step)
{
    char message[128] = "";
    char why[1024] = "";
    sep_get_errmsg(code, message);
    sep_get_errdetail(why);
    return ZM_FAIL(ZM_ERR_FORMAT, "detection: %s failed: %s%s%s", step, message,
                   why[0] ? ": " : "", why);
}

static void planes_finish(planes *p)
{
    free(p->pixels);
    free(p->noise);
    free(p->mask);
}

static zm_status planes_init(const float *image, uint32_t width, uint32_t height,
                             planes *p)
{
    const uint64_t n = (uint64_t)width * height;
    uint64_t masked = 0;
    *p = (planes){0};
    p->pixels = zm_calloc(n, sizeof *p->pixels);
    p->noise = zm_calloc(n, sizeof *p->noise);
    p->mask = zm_calloc(n, sizeof *p->mask);
    if (!p->pixels || !p->noise || !p->mask) {
        planes_finish(p);
        return ZM_FAIL(ZM_ERR_MEMORY, "detection: no memory for %u x %u pixels",
                       (unsigned)width, (unsigned)height);
    }
    for (uint64_t i = 0; i < n; i++) {
        const bool good = isfinite(image[i]);
        p->pixels[i] = good ? image[i] : 0.0f;
        p->mask[i] = !good;
        masked += !good;
    }
    p->image = (sep_image){.data = p->pixels,
                           .mask = p->mask,
                           .dtype = SEP_TFLOAT,
                           .ndtype = SEP_TFLOAT,
                           .mdtype = SEP_TBYTE,
                           .w = (int)width,
                           .h = (int)height,
                           .maskthresh = 0.5};
    if (masked == n) {
        planes_finish(p);
        return ZM_FAIL(ZM_ERR_FORMAT, "detection: no pixel is finite");
    }
    return ZM_OK;
}

// Subtracts the background and makes the noise map.
static zm_status flatten(planes *p)
{
    const uint64_t n = (uint64_t)p->image.w * (uint64_t)p->image.h;
    sep_bkg *background = NULL;
    int code = sep_background(&p->image, MESH_PX, MESH_PX, MESH_FILTER, MESH_FILTER, 0.0,
                              &background);
    if (code != 0)
        return refuse(code, "background");
    const float rms = sep_bkg_globalrms(background);
    code = sep_bkg_subarray(background, p->pixels, SEP_TFLOAT);
    if (code == 0)
        code = sep_bkg_rmsarray(background, p->noise, SEP_TFLOAT);
    sep_bkg_free(background);
    if (code != 0)
        return refuse(code, "background");
    bool noisy = false; // without any libsep takes 1 for the global rms
    for (uint64_t i = 0; i < n; i++)
        noisy = noisy || p->noise[i] > 0.0f;
    if (!noisy || !(rms > 0.0f))
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "detection: the image has no noise to set a threshold by");
    for (uint64_t i = 0; i < n; i++)
        p->noise[i] = fmaxf(p->noise[i], least_relative_noise * rms);
    p->image.noise = p->noise;
    p->image.noise_type = SEP_NOISE_STDDEV;
    return ZM_OK;
}

// libsep 1.2.1 allocates two columns of its catalogue twice: 8 bytes for each source
// found stay behind, which nobody can free.
static zm_status extract(const planes *p, const zm_detect_args *args, sep_catalog **out)
{
    static const float kernel[9] = {1, 2, 1, 2, 4, 2, 1, 2, 1};
    const size_t all = (size_t)p->image.w * (size_t)p->image.h;
    const size_t stacks[] = {ZM_MIN(all, (size_t)USUAL_STACK), all};
    const int parts[] = {USUAL_PARTS, LARGE_PARTS};
    const float threshold = args->threshold_sigma > 0 ? args->threshold_sigma : 3.0f;
    const int area = args->min_area > 0 ? (int)ZM_MIN(args->min_area, INT32_MAX) : 8;
    int code = 0;
    for (size_t i = 0; i < ZM_COUNT_OF(stacks); i++) {
        sep_set_extract_pixstack(stacks[i]);
        sep_set_sub_object_limit(parts[i]);
        code = sep_extract(&p->image, threshold, SEP_THRESH_REL, area, kernel, 3, 3,
                           SEP_FILTER_CONV, DEBLEND_LEVELS, deblend_contrast, 1,
                           clean_strength, out);
        if (code == 0)
            return ZM_OK;
    }
    return refuse(code, "extraction");
}

static int by_flux(const void *a, const void *b)
{
    const zm_detection *p = a, *q = b;
    return (p->flux_nmgy < q->flux_nmgy) - (p->flux_nmgy > q->flux_nmgy);
}

static int by_position(const void *a, const void *b)
{
    const zm_detection *p = a, *q = b;
    if (p->y != q->y)
        return p->y < q->y ? -1 : 1;
    if (p->x != q->x)
        return p->x < q->x ? -1 : 1;
    return by_flux(a, b);
}

static uint32_t translate_flags(short flags)
{
    return (flags & SEP_OBJ_MERGED ? ZM_DETECTION_BLENDED : 0u) |
           (flags & SEP_OBJ_TRUNC ? ZM_DETECTION_CUT_OFF : 0u) |
           (flags & SEP_OBJ_SINGU ? ZM_DETECTION_SINGULAR : 0u);
}

static zm_status collect(const sep_catalog *c, const planes *p,
                         const zm_detect_args *args, zm_detections *out)
{
    zm_detections found = {0};
    const double margin = args->margin;
    if (c->nobj <= 0) {
        *out = found;
        return ZM_OK;
    }
    found.items = zm_calloc((uint64_t)c->nobj, sizeof *found.items);
    if (!found.items)
        return ZM_FAIL(ZM_ERR_MEMORY, "detection: no memory for %d sources", c->nobj);
    for (int i = 0; i < c->nobj; i++) {
        const double left = c->x[i] + 0.5, below = c->y[i] + 0.5; // from the edges
        const double nearest =
            fmin(fmin(left, p->image.w - left), fmin(below, p->image.h - below));
        // Pixels of 1e30 and more can make a position that is no number.
        if (!isfinite(c->x[i] + c->y[i]) || nearest < margin)
            continue;
        found.items[found.count++] = (zm_detection){
            .x = c->x[i] + 1, // libsep counts from 0
            .y = c->y[i] + 1,
            .flux_nmgy = c->flux[i],
            .a_px = c->a[i],
            .b_px = c->b[i],
            .theta_rad = c->theta[i],
            .flags = translate_flags(c->flag[i]),
        };
    }
    if (args->max_sources > 0 && found.count > args->max_sources) {
        qsort(found.items, found.count, sizeof *found.items, by_flux);
        found.count = args->max_sources;
    }
    qsort(found.items, found.count, sizeof *found.items, by_position);
    *out = found;
    return ZM_OK;
}

zm_status zm_detect(const float *image, uint32_t width, uint32_t height,
                    const zm_detect_args *args, zm_detections *out)
{
    planes p;
    sep_catalog *catalog = NULL;
    if (width == 0 || height == 0 || (uint64_t)width * height > MAX_PIXELS)
        return ZM_FAIL(ZM_ERR_SHAPE, "detection: expected 1 to %d pixels, found %u x %u",
                       MAX_PIXELS, (unsigned)width, (unsigned)height);
    ZM_TRY(planes_init(image, width, height, &p));
    pthread_mutex_lock(&libsep);
    zm_status st = flatten(&p);
    if (st == ZM_OK)
        st = extract(&p, args, &catalog);
    pthread_mutex_unlock(&libsep);
    if (st == ZM_OK)
        st = collect(catalog, &p, args, out);
    sep_catalog_free(catalog);
    planes_finish(&p);
    return st;
}

void zm_detections_finish(zm_detections *list)
{
    free(list->items);
    *list = (zm_detections){0};
}
