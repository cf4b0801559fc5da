// The world coordinates of a header, and nothing else of it.
#ifndef ZM_WCS_HEADER_H
#define ZM_WCS_HEADER_H

#include "core/base.h"

// Writes afresh the keywords of celestial coordinates on two axes that a header has:
// CTYPE, CUNIT, CRPIX, CRVAL, CDELT, CROTA2, CD, PC, PV, LONPOLE, LATPOLE, RADESYS,
// EQUINOX and the polynomials of SIP. wcslib 7.12 writes beyond its buffers on cards that
// are not as they should be, so it gets these only.
//   out     cards of 80 characters with END; the caller frees
//   cards   how many
// Errors: ZM_ERR_FORMAT, naming label and keyword; ZM_ERR_MEMORY.
zm_status zm_wcs_header_clean(const char *label, const char *header, char **out,
                              uint32_t *cards);

#endif
