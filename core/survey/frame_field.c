#include "core/survey/frame_field.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/data/dataset_impl.h"
#include "core/data/photometry.h"

enum { MIN_SIDE = 6, MAX_SIDE = 16384 };

static const double radians = 0.017453292519943295; // of a degree
static const double arcsec = 0.017453292519943295 / 3600.0;

void zm_sky_vector(double ra_deg, double dec_deg, double out[3])
{
    const double ra = ra_deg * radians, dec = dec_deg * radians;
    out[0] = cos(dec) * cos(ra);
    out[1] = cos(dec) * sin(ra);
    out[2] = sin(dec);
}

static double angle_between(const double a[3], const double b[3])
{
    double square = 0.0; // the chord is exact for small angles, unlike the cosine
    for (int i = 0; i < 3; i++)
        square += (a[i] - b[i]) * (a[i] - b[i]);
    return 2.0 * asin(fmin(sqrt(square) / 2.0, 1.0));
}

// SDSS keeps SOFTBIAS in the headers of corrected frames, whose pixels have none.
static zm_status check_pixels(const char *path, zm_fits *fits, const zm_fits_image *image)
{
    double soft_bias = 0.0;
    const int bitpix = zm_fits_hdus(fits)->hdus[image->hdu].bitpix;
    if (bitpix > 0 && zm_fits_key_f64(image->header, "SOFTBIAS", &soft_bias) &&
        soft_bias != 0.0)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: HDU %u: expected a corrected frame in nanomaggies (BUNIT), "
                       "found an fpC image: raw counts with SOFTBIAS = %g",
                       path, (unsigned)image->hdu, soft_bias);
    if (image->unit[0] && !zm_dataset_is_nanomaggy(image->unit))
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: HDU %u: expected BUNIT nanomaggy, found \"%s\"", path,
                       (unsigned)image->hdu, image->unit);
    if (image->naxis != 2 || image->width < MIN_SIDE || image->height < MIN_SIDE ||
        image->width > MAX_SIDE || image->height > MAX_SIDE)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: HDU %u: expected an image of 2 axes, %d to %d pixels each, "
                       "found %u axes, %u x %u",
                       path, (unsigned)image->hdu, MIN_SIDE, MAX_SIDE,
                       (unsigned)image->naxis, (unsigned)image->width,
                       (unsigned)image->height);
    return ZM_OK;
}

// Run, column and band by the header, where it says them, must be the name's. (FRAME is
// no field number: it counts along each CCD.)
static zm_status check_identity(const char *path, const zm_fits_image *image,
                                const zm_field_id *id, int band)
{
    char filter[ZM_FITS_TEXT] = "";
    const char expected[2] = {"ugriz"[band], '\0'};
    double run = id->run, camcol = id->camcol;
    zm_fits_key_f64(image->header, "RUN", &run);
    zm_fits_key_f64(image->header, "CAMCOL", &camcol);
    if (!zm_fits_key_string(image->header, "FILTER", filter))
        snprintf(filter, sizeof filter, "%s", expected);
    if (run == id->run && camcol == id->camcol && strcmp(filter, expected) == 0)
        return ZM_OK;
    return ZM_FAIL(
        ZM_ERR_FORMAT,
        "%s: HDU %u: expected RUN %d CAMCOL %d FILTER %s as in its name, found "
        "%.9g, %.9g, %.8s",
        path, (unsigned)image->hdu, (int)id->run, (int)id->camcol, expected, run, camcol,
        filter);
}

// Where the frame is on the sky, and whether its pixels have the size of SDSS's.
static zm_status locate(const char *path, zm_frame *frame)
{
    const double x = (frame->image->width - 1.0) / 2;
    const double y = (frame->image->height - 1.0) / 2;
    const double pixels[10] = {x, y, x + 1, y, x, y + 1, 0, 0, 2 * x, 2 * y};
    double sky[10], v[5][3], back[2], normal[3];
    zm_wcs_to_sky(frame->wcs, 5, pixels, sky);
    for (int i = 0; i < 5; i++)
        zm_sky_vector(sky[2 * i], sky[2 * i + 1], v[i]);
    for (int i = 0; i < 3; i++) {
        const int j = (i + 1) % 3, k = (i + 2) % 3;
        normal[i] = (v[1][j] - v[0][j]) * (v[2][k] - v[0][k]) -
                    (v[1][k] - v[0][k]) * (v[2][j] - v[0][j]);
    }
    const double area =
        sqrt(normal[0] * normal[0] + normal[1] * normal[1] + normal[2] * normal[2]);
    const double scale = sqrt(area) / arcsec;
    if (!(scale > 0.8 * ZM_PIXEL_ARCSEC && scale < 1.2 * ZM_PIXEL_ARCSEC))
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: world coordinates: expected pixels of about %g arcsec, found "
                       "%.4g",
                       path, ZM_PIXEL_ARCSEC, scale);
    zm_wcs_to_pixel(frame->wcs, 1, sky, back);
    if (!(fabs(back[0] - x) < 0.01 && fabs(back[1] - y) < 0.01))
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: world coordinates: the way to the sky and back misses by "
                       "%.3g, %.3g pixels",
                       path, back[0] - x, back[1] - y);
    memcpy(frame->centre, v[0], sizeof frame->centre);
    frame->radius = fmax(angle_between(v[0], v[3]), angle_between(v[0], v[4])) * 1.05;
    return ZM_OK;
}

static zm_status load_frame(const char *path, const char *helper, const zm_field_id *id,
                            int band, zm_frame *frame)
{
    zm_fits *fits = NULL;
    zm_status st = zm_fits_open(path, helper, &fits);
    if (st == ZM_OK)
        st = zm_fits_image_load(fits, -1, 0, &frame->image);
    if (st == ZM_OK)
        st = check_pixels(path, fits, frame->image);
    zm_fits_close(&fits);
    if (st == ZM_OK)
        st = check_identity(path, frame->image, id, band);
    if (st == ZM_OK)
        st = zm_wcs_create(path, frame->image->header, &frame->wcs);
    return st == ZM_OK ? locate(path, frame) : st;
}

static void drop_frame(zm_frame *frame, zm_status status, const char *why)
{
    zm_fits_image_destroy(&frame->image);
    zm_wcs_destroy(&frame->wcs);
    frame->status = status;
    snprintf(frame->fault, sizeof frame->fault, "%s", why);
}

// A thread's share: the next band that nobody has taken, until there is none.
typedef struct load_job {
    const zm_field_files *files;
    const char *helper;
    zm_frame_field *field;
    pthread_mutex_t lock;
    int next;
} load_job;

static void *load_bands(void *user)
{
    load_job *job = user;
    for (;;) {
        pthread_mutex_lock(&job->lock);
        const int band = job->next++;
        pthread_mutex_unlock(&job->lock);
        if (band >= ZM_BANDS)
            return NULL;
        zm_frame *frame = &job->field->band[band];
        const char *path = job->files->path[band];
        if (!path)
            continue;
        const zm_status st = load_frame(path, job->helper, &job->files->id, band, frame);
        if (st != ZM_OK)
            drop_frame(frame, st, zm_error_detail());
    }
}

// Bands of a field lie within some arcseconds of each other: one that lies elsewhere than
// most has wrong coordinates.
static void check_agreement(const zm_field_files *files, zm_frame_field *field)
{
    const double limit = 60.0 * arcsec;
    bool lost[ZM_BANDS] = {false};
    uint32_t present = 0;
    for (int a = 0; a < ZM_BANDS; a++)
        present += field->band[a].image != NULL;
    for (int a = 0; a < ZM_BANDS; a++) {
        uint32_t near = 0;
        for (int b = 0; field->band[a].image && b < ZM_BANDS; b++)
            near += field->band[b].image &&
                    angle_between(field->band[a].centre, field->band[b].centre) < limit;
        lost[a] = field->band[a].image && 2 * near <= present && present > 1;
    }
    for (int a = 0; a < ZM_BANDS; a++) {
        char why[400];
        if (!lost[a])
            continue;
        snprintf(why, sizeof why,
                 "%s: world coordinates: expected the place of the other bands of its "
                 "field, found one more than 60 arcsec away",
                 files->path[a]);
        drop_frame(&field->band[a], ZM_ERR_FORMAT, why);
    }
}

void zm_frame_field_load(const zm_field_files *files, const char *helper,
                         uint32_t threads, zm_frame_field *out)
{
    load_job job = {.files = files, .helper = helper, .field = out};
    pthread_t others[ZM_BANDS - 1];
    uint32_t started = 0;
    *out = (zm_frame_field){.id = files->id};
    pthread_mutex_init(&job.lock, NULL);
    while (started + 1 < ZM_MIN(threads, (uint32_t)ZM_BANDS) &&
           pthread_create(&others[started], NULL, load_bands, &job) == 0)
        started++;
    load_bands(&job);
    for (uint32_t i = 0; i < started; i++)
        pthread_join(others[i], NULL);
    pthread_mutex_destroy(&job.lock);
    check_agreement(files, out);
    for (int band = 0; band < ZM_BANDS; band++)
        out->frames += out->band[band].image != NULL;
}

void zm_frame_field_finish(zm_frame_field *field)
{
    for (int band = 0; band < ZM_BANDS; band++) {
        zm_fits_image_destroy(&field->band[band].image);
        zm_wcs_destroy(&field->band[band].wcs);
    }
    *field = (zm_frame_field){0};
}
