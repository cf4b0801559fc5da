// Galactic extinction as catalogues give it: one rule for every reader.
#ifndef ZM_EXTINCTION_H
#define ZM_EXTINCTION_H

#include "core/base.h"

// Extinction of a band in mag: what the catalogue gives, else what E(B-V) amounts to by
// zm_extinction_per_ebv; NaN where it gives neither.
//   given   mag; NaN, or outside -1..100 (SDSS writes -9999): not given
//   ebv     E(B-V) in mag, NaN: not known
double zm_extinction_mag(double given, double ebv, int band);

// E(B-V) out of the extinctions of five bands. SDSS has multiplied one map of E(B-V) with
// two sets of coefficients, zm_sfd_extinction_per_ebv and later zm_extinction_per_ebv;
// the ratios of the bands tell over a whole table which it was. Starts as {0}.
typedef struct zm_ebv_fit {
    double sfd98, sf11; // sums of squared misfits
} zm_ebv_fit;

// Takes a row into account; its E(B-V) under the coefficients of SFD98, by least squares,
// or NaN where an extinction is not given.
double zm_ebv_fit_row(zm_ebv_fit *fit, const double a_mag[ZM_BANDS]);

// What the E(B-V) of all rows must be multiplied with: 1 where the table follows SFD98.
double zm_ebv_fit_factor(const zm_ebv_fit *fit);

#endif
