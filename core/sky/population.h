// Which galaxies there are: redshift, luminosity, spectrum, size and shape, drawn from
// the statistics of the SDSS main sample or built round the rows of a catalogue.
#ifndef ZM_POPULATION_H
#define ZM_POPULATION_H

#include "core/rng.h"
#include "core/sky/catalog.h"

// Sub-streams (the step) of ZM_RNG_SIMULATE for one row; noise uses one for each band.
enum {
    ZM_STREAM_GALAXY = 0,
    ZM_STREAM_SKY = 1,
    ZM_STREAM_FIELD = 2,
    ZM_STREAM_PLACE = 3,
    ZM_STREAM_NOISE = 16,
    ZM_STREAM_ORDER = 0xffff, // the permutation of the catalogue; row 0
};

// The light of a galaxy is in three parts of one centre.
typedef enum zm_part {
    ZM_PART_BULGE, // Sersic n = 4
    ZM_PART_DISC,  // Sersic n = 1
    ZM_PART_CLUMPS // star-forming knots in the disc
} zm_part;
#define ZM_PARTS 3

typedef struct zm_galaxy {
    double ra_deg, dec_deg; // NaN where unknown
    float z, ebv;
    double flux_nmgy[ZM_PARTS][ZM_BANDS]; // total, as observed through Galactic dust
    double r50_arcsec[ZM_PARTS];          // semi-major, of bulge and disc
    double axis_ratio[ZM_PARTS];
    double angle_rad;
} zm_galaxy;

// A fainter source in the same cutout.
typedef struct zm_neighbour {
    double flux_nmgy[ZM_BANDS];
    bool star;
    double r50_arcsec, axis_ratio, angle_rad;
} zm_neighbour;

typedef struct zm_population zm_population;

// catalog stays the caller's and must outlive the population; NULL = analytic: Schechter
// luminosity function (Blanton et al. 2003), r < 17.8 for most and r < 19.6 for the
// tail up to z = 0.45, early and late types by luminosity, sizes by Shen et al. 2003.
zm_status zm_population_create(const zm_catalog *catalog, uint64_t seed,
                               zm_population **out);
void zm_population_destroy(zm_population **population);
uint64_t zm_population_seed(const zm_population *population);

// Galaxy of a row; depends on (seed, row) and the catalogue only. With a catalogue the
// summed flux of the parts is its flux, and rows 0..catalog->count-1 take every catalogue
// row once.
void zm_population_draw(const zm_population *population, uint32_t row, zm_galaxy *galaxy);

// Draws a neighbour brighter than r = 22, counts rising as 10^(0.35 r).
void zm_population_draw_neighbour(zm_rng *rng, zm_neighbour *neighbour);

// Mean number of them per square arcsecond.
#define ZM_NEIGHBOURS_PER_ARCSEC2 (1.6 / 640.0)

#endif
