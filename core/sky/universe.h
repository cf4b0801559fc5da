// Distances, and how many galaxies of which luminosity a magnitude-limited survey sees at
// which redshift.
#ifndef ZM_UNIVERSE_H
#define ZM_UNIVERSE_H

#include "core/base.h"
#include "core/rng.h"

#define ZM_UNIVERSE_Z_GRID 450 // steps of 0.001
#define ZM_UNIVERSE_M_GRID 220 // steps of 0.05 mag

// Brightening of galaxies per unit redshift, mag. Source: Blanton et al. 2003.
#define ZM_UNIVERSE_EVOLUTION_MAG 1.6

// Tables for flat space, H0 = 70 km / s / Mpc, Omega_m = 0.3.
typedef struct zm_universe {
    double distance_mpc[ZM_UNIVERSE_Z_GRID + 1]; // comoving
    double brighter[ZM_UNIVERSE_M_GRID + 1]; // galaxies brighter than M, arbitrary unit
    double cumulative_z[2][ZM_UNIVERSE_Z_GRID + 1]; // for each selection
} zm_universe;
void zm_universe_fill(zm_universe *universe);

double zm_universe_modulus(const zm_universe *universe, double z); // magnitudes
double zm_universe_kpc_per_arcsec(const zm_universe *universe, double z);

// Draws a galaxy of the survey: seven in ten with r < 17.8 like the SDSS main sample, the
// others with r < 19.6, the tail up to z = 0.45. Luminosities follow the Schechter
// function of Blanton et al. 2003 in r.
//   z         out
//   abs_mag   out: in r, today's (without evolution)
void zm_universe_draw(const zm_universe *universe, zm_rng *rng, double *z,
                      double *abs_mag);

#endif
