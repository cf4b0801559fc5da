// Images of FITS files as float, and keywords of their headers.
#include "core/io/fits_impl.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t default_max_pixels = UINT64_C(1) << 28;
static const uint64_t max_axis = UINT64_C(1) << 24;

// Width, height and depth of an HDU, after the axes of length 1 at its end.
static zm_status image_shape(const zm_fits *fits, uint32_t index, uint64_t max_pixels,
                             zm_fits_image *image, uint64_t *pixels)
{
    const zm_fits_hdu *hdu = &fits->list.hdus[index];
    uint64_t axes[3] = {1, 1, 1};
    uint32_t naxis = hdu->naxis;
    while (naxis > 2 && hdu->axes[naxis - 1] == 1)
        naxis--;
    if (hdu->kind != ZM_FITS_IMAGE || naxis == 0 || naxis > 3)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: HDU %u: expected an image of at most 3 axes, found %s of %u",
                       fits->path, (unsigned)index, zm_fits_kind_name(hdu->kind),
                       (unsigned)hdu->naxis);
    *pixels = 1;
    for (uint32_t i = 0; i < naxis; i++) {
        axes[i] = hdu->axes[i];
        if (axes[i] > max_axis || !zm_mul_u64(*pixels, axes[i], pixels) ||
            *pixels > max_pixels)
            return ZM_FAIL(ZM_ERR_FORMAT,
                           "%s: HDU %u: expected at most %" PRIu64
                           " pixels, found axis %u of %" PRIu64,
                           fits->path, (unsigned)index, max_pixels, (unsigned)i + 1,
                           axes[i]);
    }
    image->hdu = index;
    image->naxis = naxis;
    image->width = (uint32_t)axes[0];
    image->height = (uint32_t)axes[1];
    image->depth = (uint32_t)axes[2];
    return ZM_OK;
}

// cfitsio must see the very image that the guard has measured.
static zm_status check_agreement(zm_fits *fits, const zm_fits_hdu *hdu, uint32_t index)
{
    int status = 0;
    int bitpix = 0;
    int naxis = 0;
    int type = 0;
    LONGLONG axes[ZM_FITS_MAX_AXES] = {0};
    char text[FLEN_ERRMSG];
    fits_get_hdu_type(fits->f, &type, &status);
    fits_get_img_paramll(fits->f, ZM_FITS_MAX_AXES, &bitpix, &naxis, axes, &status);
    if (status != 0)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: HDU %u: %s", fits->path, (unsigned)index,
                       zm_fits_message(status, text));
    bool same = type == IMAGE_HDU && naxis == (int)hdu->naxis && bitpix == hdu->bitpix;
    for (uint32_t i = 0; same && i < hdu->naxis; i++)
        same = axes[i] >= 0 && (uint64_t)axes[i] == hdu->axes[i];
    return same ? ZM_OK
                : ZM_FAIL(ZM_ERR_FORMAT, "%s: HDU %u: contradictory header", fits->path,
                          (unsigned)index);
}

static zm_status load_pixels(zm_fits *fits, uint32_t index, uint64_t pixels, float *data)
{
    int status = 0;
    int any = 0;
    char text[FLEN_ERRMSG];
    float undefined = NAN;
    // Without a value for undefined pixels cfitsio leaves floats as they are, bit by bit.
    const bool is_float = fits->list.hdus[index].bitpix == -32;
    if (fits_read_img(fits->f, TFLOAT, 1, (LONGLONG)pixels, is_float ? NULL : &undefined,
                      data, &any, &status) != 0)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: HDU %u: %s", fits->path, (unsigned)index,
                       zm_fits_message(status, text));
    return ZM_OK;
}

zm_status zm_fits_image_load(zm_fits *fits, int32_t hdu, uint64_t max_pixels,
                             zm_fits_image **out)
{
    uint64_t pixels = 0;
    const int32_t chosen = hdu < 0 ? zm_fits_find_image(fits) : hdu;
    if (chosen < 0)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: expected an image, found none in %u HDUs%s%s",
                       fits->path, (unsigned)fits->list.count,
                       fits->list.note[0] ? "; " : "", fits->list.note);
    const uint32_t index = (uint32_t)chosen;
    ZM_TRY(zm_fits_verify(fits, index));
    zm_fits_image *image = calloc(1, sizeof *image);
    if (!image)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for an image", fits->path);
    zm_status st = image_shape(fits, index, max_pixels ? max_pixels : default_max_pixels,
                               image, &pixels);
    if (st == ZM_OK)
        st = check_agreement(fits, &fits->list.hdus[index], index);
    if (st == ZM_OK && !(image->data = zm_calloc(pixels, sizeof *image->data)))
        st = ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for %" PRIu64 " pixels", fits->path,
                     pixels);
    if (st == ZM_OK)
        st = load_pixels(fits, index, pixels, image->data);
    if (st == ZM_OK)
        st = zm_fits_header(fits, index, &image->header);
    if (st != ZM_OK) {
        zm_fits_image_destroy(&image);
        return st;
    }
    memcpy(image->unit, fits->list.hdus[index].unit, sizeof image->unit);
    *out = image;
    return ZM_OK;
}

zm_status zm_fits_image_read(const char *path, const char *helper, int32_t hdu,
                             zm_fits_image **out)
{
    zm_fits *fits = NULL;
    ZM_TRY(zm_fits_open(path, helper, &fits));
    const zm_status st = zm_fits_image_load(fits, hdu, 0, out);
    zm_fits_close(&fits);
    return st;
}

void zm_fits_image_destroy(zm_fits_image **image)
{
    if (!*image)
        return;
    free((*image)->data);
    free((*image)->header);
    free(*image);
    *image = NULL;
}

// The value field of the first card of that name.
static bool find_value(const char *header, const char *key, char value[FLEN_VALUE])
{
    const size_t n = strlen(key);
    for (size_t left = strlen(header); left >= ZM_FITS_CARD; left -= ZM_FITS_CARD) {
        if (strncmp(header, key, n) == 0 && header[n + strspn(header + n, " ")] == '=' &&
            n + strspn(header + n, " ") < 9) {
            char card[ZM_FITS_CARD + 1];
            char comment[FLEN_COMMENT];
            int status = 0;
            memcpy(card, header, ZM_FITS_CARD);
            card[ZM_FITS_CARD] = '\0';
            ffpsvc(card, value, comment, &status);
            if (status != 0)
                fits_clear_errmsg();
            return status == 0;
        }
        header += ZM_FITS_CARD;
    }
    return false;
}

bool zm_fits_key_f64(const char *header, const char *key, double *out)
{
    char value[FLEN_VALUE] = "";
    if (!find_value(header, key, value))
        return false;
    for (char *c = value; *c; c++)
        if (*c == 'D' || *c == 'd') // FORTRAN's exponent of doubles
            *c = 'E';
    char *end;
    const double v = strtod(value, &end);
    if (end == value || *end != '\0')
        return false;
    *out = v;
    return true;
}

bool zm_fits_key_bool(const char *header, const char *key)
{
    char value[FLEN_VALUE] = "";
    return find_value(header, key, value) && value[0] == 'T';
}

bool zm_fits_key_string(const char *header, const char *key, char out[ZM_FITS_TEXT])
{
    char value[FLEN_VALUE] = "";
    if (!find_value(header, key, value) || value[0] != '\'')
        return false;
    zm_fits_unquote(value, out);
    return true;
}
