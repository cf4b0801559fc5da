// Spectra of stellar populations and nebulae, and their flux through the SDSS bands at
// any redshift.
#ifndef ZM_GALAXY_SED_H
#define ZM_GALAXY_SED_H

#include "core/base.h"

typedef enum zm_sed_kind {
    ZM_SED_OLD,        // quiescent, strong 4000 Angstrom break
    ZM_SED_MIDDLE,     // about 1 Gyr, Balmer break
    ZM_SED_YOUNG,      // constant star formation, without lines
    ZM_SED_LINES_RICH, // HII regions of spirals: Halpha, [NII], weak [OIII]
    ZM_SED_LINES_POOR, // HII regions of dwarfs: strong [OIII], little [NII]
    ZM_SED_COUNT
} zm_sed_kind;

// Rest-frame continuum f_lambda, 1 at 5500 Angstrom; 0 for the two kinds that are lines.
double zm_sed_continuum(zm_sed_kind kind, double wavelength_a);

// SDSS system response, 0 outside the band.
double zm_filter_response(int band, double wavelength_a);

// Mean wavelength of the response.
extern const double zm_filter_wavelength_a[ZM_BANDS];

// Largest redshift of the tables.
#define ZM_SED_Z_MAX 0.8

#define ZM_SED_Z_STEPS 320

// Fluxes in nanomaggies (AB), of a source with rest-frame f_lambda = 1e-17 erg / s / cm^2
// / Angstrom at 5500 Angstrom and bolometric flux kept constant: the factor 1 / (1 + z)
// of the continuum is in, the distance is not. The line kinds have Halpha with the
// energy of 1 Angstrom of that continuum.
typedef struct zm_sed_table {
    float flux_nmgy[ZM_SED_COUNT][ZM_SED_Z_STEPS + 1][ZM_BANDS];
} zm_sed_table;
void zm_sed_table_fill(zm_sed_table *table);

// Interpolates a table; z is clamped to 0..ZM_SED_Z_MAX.
double zm_sed_flux(const zm_sed_table *table, zm_sed_kind kind, double z, int band);

// Part of the light at a rest-frame wavelength that internal dust transmits.
// Source: Charlot & Fall 2000, exponent -0.7.
double zm_sed_dust(double a_v_mag, double wavelength_a);

#endif
