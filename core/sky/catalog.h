// Catalogues of real fluxes and redshifts that simulated galaxies can take over.
#ifndef ZM_CATALOG_H
#define ZM_CATALOG_H

#include "core/base.h"

typedef struct zm_catalog_row {
    double ra_deg, dec_deg;    // NaN where the catalogue has none
    float flux_nmgy[ZM_BANDS]; // as observed, not dereddened; may be <= 0
    float z;
    float ebv;        // Schlegel, Finkbeiner & Davis 1998 scale, mag
    float r50_arcsec; // Petrosian half-light radius in r, NaN where unknown
} zm_catalog_row;

typedef struct zm_catalog {
    uint64_t count; // > 0
    zm_catalog_row *rows;
} zm_catalog;

// Reads the first binary table of a plain FITS file that has these columns, in any case:
//   MODELFLUX    5 numbers, u g r i z, nanomaggies
//   EXTINCTION   5 numbers, mag; E(B-V) is the least-squares fit over the bands of the
//                SFD98 or the SF11 coefficients, whichever describes the table better
//   Z            1 number
//   RA, DEC      1 number each, degrees; optional, together
//   PETROTH50, PETROR50, PETRO_TH50 or PETROR50_R   1 or 5 numbers, arcsec; optional
// Every row is kept, faint ones too. A missing column, a wrong shape, a value that is not
// finite, an extinction outside -1..100 and a redshift outside -0.02..10 are
// ZM_ERR_FORMAT; a missing file is ZM_ERR_IO.
zm_status zm_catalog_read(const char *path, zm_catalog **out);
void zm_catalog_destroy(zm_catalog **catalog);

#endif
