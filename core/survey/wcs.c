#include "core/survey/wcs.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <wcslib/wcs.h>
#include <wcslib/wcshdr.h>
#include <wcslib/wcsmath.h>

#include "core/survey/wcs_header.h"

struct zm_wcs {
    struct wcsprm *all; // as wcspih gives them; the first is used
    int count;
    pthread_mutex_t lock; // wcsprm holds scratch memory
};

static zm_status parse(const char *label, const char *header, zm_wcs *wcs)
{
    static pthread_mutex_t parser = PTHREAD_MUTEX_INITIALIZER;
    int rejected = 0;
    uint32_t cards = 0;
    char *copy = NULL; // wcspih writes into it
    ZM_TRY(zm_wcs_header_clean(label, header, &copy, &cards));
    pthread_mutex_lock(&parser);
    int status =
        wcspih(copy, (int)cards, WCSHDR_all, 0, &rejected, &wcs->count, &wcs->all);
    if (status == 0 && wcs->count > 0)
        status = wcsset(wcs->all);
    pthread_mutex_unlock(&parser);
    free(copy);
    if (status == 0 && wcs->count > 0)
        return ZM_OK;
    return ZM_FAIL(ZM_ERR_FORMAT, "%s: world coordinates: %s", label,
                   wcs->count > 0 ? wcs_errmsg[status] : "none in the header");
}

static zm_status check(const char *label, const struct wcsprm *p)
{
    if (p->naxis != 2 || p->lng < 0 || p->lat < 0)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: world coordinates: expected RA and Dec on 2 axes, found %s "
                       "and %s on %d",
                       label, p->naxis > 0 ? p->ctype[0] : "nothing",
                       p->naxis > 1 ? p->ctype[1] : "nothing", p->naxis);
    if (strncmp(p->lngtyp, "RA", 2) != 0)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: world coordinates: expected RA and Dec, found %s and %s",
                       label, p->ctype[0], p->ctype[1]);
    const bool other_equinox =
        !undefined(p->equinox) && p->equinox != 2000.0 && strcmp(p->radesys, "ICRS") != 0;
    if (strncmp(p->radesys, "FK4", 3) == 0 || other_equinox)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: world coordinates: expected ICRS or J2000, found \"%s\", "
                       "equinox %.6g",
                       label, p->radesys, undefined(p->equinox) ? 1950.0 : p->equinox);
    return ZM_OK;
}

zm_status zm_wcs_create(const char *label, const char *header, zm_wcs **out)
{
    zm_wcs *wcs = calloc(1, sizeof *wcs);
    if (!wcs || pthread_mutex_init(&wcs->lock, NULL) != 0) {
        free(wcs);
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for its coordinates", label);
    }
    zm_status st = parse(label, header, wcs);
    if (st == ZM_OK)
        st = check(label, wcs->all);
    if (st != ZM_OK) {
        zm_wcs_destroy(&wcs);
        return st;
    }
    *out = wcs;
    return ZM_OK;
}

void zm_wcs_destroy(zm_wcs **wcs)
{
    if (!*wcs)
        return;
    if ((*wcs)->all)
        wcsvfree(&(*wcs)->count, &(*wcs)->all);
    pthread_mutex_destroy(&(*wcs)->lock);
    free(*wcs);
    *wcs = NULL;
}

static void to_pixel(struct wcsprm *p, uint32_t count, const double *sky, double *pixels)
{
    double world[2 * ZM_WCS_BATCH];
    double phi[ZM_WCS_BATCH], theta[ZM_WCS_BATCH], image[2 * ZM_WCS_BATCH];
    int stat[ZM_WCS_BATCH] = {0};
    for (uint32_t i = 0; i < count; i++) {
        world[2 * i + (uint32_t)p->lng] = sky[2 * i];
        world[2 * i + (uint32_t)p->lat] = sky[2 * i + 1];
    }
    const int status = wcss2p(p, (int)count, 2, world, phi, theta, image, pixels, stat);
    for (uint32_t i = 0; i < 2 * count; i++) {
        // 9: some points have no image, stat says which; any other failure has none
        const bool good = status == 0 || (status == 9 && stat[i / 2] == 0);
        pixels[i] = good ? pixels[i] - 1.0 : (double)NAN;
    }
}

static void to_sky(struct wcsprm *p, uint32_t count, const double *pixels, double *sky)
{
    double from[2 * ZM_WCS_BATCH];
    double phi[ZM_WCS_BATCH], theta[ZM_WCS_BATCH];
    double image[2 * ZM_WCS_BATCH], world[2 * ZM_WCS_BATCH] = {0};
    int stat[ZM_WCS_BATCH] = {0};
    for (uint32_t i = 0; i < 2 * count; i++)
        from[i] = pixels[i] + 1.0;
    const int status = wcsp2s(p, (int)count, 2, from, image, phi, theta, world, stat);
    for (uint32_t i = 0; i < count; i++) {
        const bool good = status == 0 || (status == 8 && stat[i] == 0);
        sky[2 * i] = good ? world[2 * i + (uint32_t)p->lng] : (double)NAN;
        sky[2 * i + 1] = good ? world[2 * i + (uint32_t)p->lat] : (double)NAN;
    }
}

void zm_wcs_to_pixel(zm_wcs *wcs, uint32_t count, const double *sky, double *pixels)
{
    pthread_mutex_lock(&wcs->lock);
    for (uint32_t at = 0; at < count; at += ZM_WCS_BATCH)
        to_pixel(wcs->all, ZM_MIN(count - at, (uint32_t)ZM_WCS_BATCH),
                 sky + 2 * (size_t)at, pixels + 2 * (size_t)at);
    pthread_mutex_unlock(&wcs->lock);
}

void zm_wcs_to_sky(zm_wcs *wcs, uint32_t count, const double *pixels, double *sky)
{
    pthread_mutex_lock(&wcs->lock);
    for (uint32_t at = 0; at < count; at += ZM_WCS_BATCH)
        to_sky(wcs->all, ZM_MIN(count - at, (uint32_t)ZM_WCS_BATCH),
               pixels + 2 * (size_t)at, sky + 2 * (size_t)at);
    pthread_mutex_unlock(&wcs->lock);
}
