#include "core/survey/wcs_header.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/io/fits.h"

enum { CARD = 80, MAX_CARDS = 400, MAX_PV = 39, MAX_ORDER = 9 };

typedef struct clean {
    const char *label, *header;
    char *out; // (MAX_CARDS * CARD + 1)
    uint32_t cards;
    zm_status status; // of the first keyword that is wrong
} clean;

static void add_card(clean *c, const char *text)
{
    char *card = c->out + (size_t)c->cards * CARD;
    const size_t n = strlen(text);
    if (c->cards == MAX_CARDS || n > CARD) {
        c->status =
            ZM_FAIL(ZM_ERR_INTERNAL, "%s: world coordinates: too many cards", c->label);
        return;
    }
    memset(card, ' ', CARD);
    memcpy(card, text, n);
    c->cards++;
}

static void take_number(clean *c, const char *key)
{
    double value;
    char text[CARD + 1];
    if (c->status != ZM_OK || !zm_fits_key_f64(c->header, key, &value))
        return;
    if (!(fabs(value) < 1e30)) {
        c->status = ZM_FAIL(ZM_ERR_FORMAT,
                            "%s: world coordinates: keyword %s: expected a number below "
                            "1e30, found %g",
                            c->label, key, value);
        return;
    }
    snprintf(text, sizeof text, "%-8s= %25.17G", key, value);
    add_card(c, text);
}

// Names of axes, units and systems are letters, digits, "-" and at most 12 characters.
static void take_word(clean *c, const char *key, const char *as)
{
    char value[ZM_FITS_TEXT] = "";
    char text[CARD + 1];
    if (c->status != ZM_OK || !zm_fits_key_string(c->header, key, value) || !value[0])
        return;
    bool good = strlen(value) <= 12;
    for (const char *p = value; *p; p++)
        good &= isalnum((unsigned char)*p) || *p == '-';
    if (!good) {
        c->status =
            ZM_FAIL(ZM_ERR_FORMAT,
                    "%s: world coordinates: keyword %s: expected a name of at most "
                    "12 letters, found another text",
                    c->label, key);
        return;
    }
    snprintf(text, sizeof text, "%-8s= '%-8.12s'", as, value);
    add_card(c, text);
}

static void take_axes(clean *c)
{
    static const char *const of_axis[] = {"CRPIX", "CRVAL", "CDELT"};
    char key[40];
    for (int i = 1; i <= 2; i++) {
        snprintf(key, sizeof key, "CTYPE%d", i);
        take_word(c, key, key);
        snprintf(key, sizeof key, "CUNIT%d", i);
        take_word(c, key, key);
        for (size_t k = 0; k < ZM_COUNT_OF(of_axis); k++) {
            snprintf(key, sizeof key, "%s%d", of_axis[k], i);
            take_number(c, key);
        }
        for (int j = 1; j <= 2; j++) {
            snprintf(key, sizeof key, "CD%d_%d", i, j);
            take_number(c, key);
            snprintf(key, sizeof key, "PC%d_%d", i, j);
            take_number(c, key);
        }
        for (int m = 0; m <= MAX_PV; m++) {
            snprintf(key, sizeof key, "PV%d_%d", i, m);
            take_number(c, key);
        }
    }
}

// One polynomial of SIP: its order, then its coefficients.
static void take_polynomial(clean *c, const char *name)
{
    double order;
    char key[40];
    char text[CARD + 1];
    snprintf(key, sizeof key, "%s_ORDER", name);
    if (c->status != ZM_OK || !zm_fits_key_f64(c->header, key, &order))
        return;
    if (!(order >= 0 && order <= MAX_ORDER && order == floor(order))) {
        c->status =
            ZM_FAIL(ZM_ERR_FORMAT,
                    "%s: world coordinates: keyword %s: expected 0 to %d, found %g",
                    c->label, key, MAX_ORDER, order);
        return;
    }
    snprintf(text, sizeof text, "%-8s= %20d", key, (int)order);
    add_card(c, text);
    for (int p = 0; p <= (int)order; p++) {
        for (int q = 0; p + q <= (int)order; q++) {
            snprintf(key, sizeof key, "%s_%d_%d", name, p, q);
            take_number(c, key);
        }
    }
}

zm_status zm_wcs_header_clean(const char *label, const char *header, char **out,
                              uint32_t *cards)
{
    static const char *const polynomials[] = {"A", "B", "AP", "BP"};
    static const char *const numbers[] = {"CROTA2", "LONPOLE", "LATPOLE", "EQUINOX"};
    char system[ZM_FITS_TEXT];
    clean c = {.label = label, .header = header};
    c.out = zm_calloc((uint64_t)MAX_CARDS * CARD + 1, 1);
    if (!c.out)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for its coordinates", label);
    add_card(&c, "NAXIS   =                    2");
    take_axes(&c);
    for (size_t i = 0; i < ZM_COUNT_OF(numbers); i++)
        take_number(&c, numbers[i]);
    // RADECSYS is what it was called before 2002, and what SDSS calls it
    const bool is_new = zm_fits_key_string(header, "RADESYS", system);
    take_word(&c, is_new ? "RADESYS" : "RADECSYS", "RADESYS");
    for (size_t i = 0; i < ZM_COUNT_OF(polynomials); i++)
        take_polynomial(&c, polynomials[i]);
    if (c.status == ZM_OK)
        add_card(&c, "END");
    if (c.status != ZM_OK) {
        free(c.out);
        return c.status;
    }
    *out = c.out;
    *cards = c.cards;
    return ZM_OK;
}
