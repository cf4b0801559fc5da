#include "core/sky/universe.h"

#include <math.h>

#define PI           3.14159265358979323846
#define HUBBLE_MPC   4282.7494 // c / H0
#define OMEGA_MATTER 0.3

// Grid of redshifts for distances and the redshift distribution.
#define Z_GRID ZM_UNIVERSE_Z_GRID
#define Z_STEP 0.001
#define Z_MIN  0.004

// Grid of absolute magnitudes.
#define M_BRIGHT (-24.5)
#define M_STEP   0.05
#define M_GRID   ZM_UNIVERSE_M_GRID

// Blanton et al. 2003, r band, h = 0.7.
#define SCHECHTER_M     (-21.21)
#define SCHECHTER_ALPHA (-1.05)

// Magnitudes per unit redshift: enough to place the limit of a selection.
#define MEAN_K_CORRECTION 1.1

// The two selections, and the part of the rows that follow the deeper one.
static const double r_limits[2] = {17.8, 19.6};
#define DEEP_PART 0.3

static double interpolate(const double *values, int last, double place)
{
    const double p = fmin(fmax(place, 0.0), (double)last);
    const int i = ZM_MIN((int)p, last - 1);
    return values[i] + (p - (double)i) * (values[i + 1] - values[i]);
}

// Place in an ascending table where value lies, between grid points.
static double find_place(const double *values, int last, double value)
{
    int low = 0, high = last;
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        if (values[middle] <= value)
            low = middle;
        else
            high = middle;
    }
    const double width = values[high] - values[low];
    return (double)low + (width > 0.0 ? fmin((value - values[low]) / width, 1.0) : 0.5);
}

static double comoving_mpc(const zm_universe *u, double z)
{
    const double last = Z_GRID * Z_STEP;
    const double inside = interpolate(u->distance_mpc, Z_GRID, z / Z_STEP);
    return z <= last ? inside : inside * z / last;
}

double zm_universe_modulus(const zm_universe *u, double z)
{
    return 25.0 + 5.0 * log10(comoving_mpc(u, z) * (1.0 + z));
}

double zm_universe_kpc_per_arcsec(const zm_universe *u, double z)
{
    return comoving_mpc(u, z) / (1.0 + z) * 1000.0 * PI / (180.0 * 3600.0);
}

// Faintest absolute magnitude (today's, without evolution) that a limit lets in.
static double faintest_mag(const zm_universe *u, double r_limit, double z)
{
    return r_limit - zm_universe_modulus(u, z) -
           (MEAN_K_CORRECTION - ZM_UNIVERSE_EVOLUTION_MAG) * z;
}

void zm_universe_fill(zm_universe *u)
{
    for (int i = 1; i <= Z_GRID; i++) {
        const double z = ((double)i - 0.5) * Z_STEP;
        const double cubed = (1.0 + z) * (1.0 + z) * (1.0 + z);
        u->distance_mpc[i] =
            u->distance_mpc[i - 1] +
            HUBBLE_MPC * Z_STEP / sqrt(OMEGA_MATTER * cubed + 1.0 - OMEGA_MATTER);
    }
    for (int i = 1; i <= M_GRID; i++) {
        const double m = M_BRIGHT + ((double)i - 0.5) * M_STEP;
        const double light = pow(10.0, -0.4 * (m - SCHECHTER_M));
        u->brighter[i] =
            u->brighter[i - 1] + pow(light, SCHECHTER_ALPHA + 1.0) * exp(-light) * M_STEP;
    }
    for (int s = 0; s < 2; s++)
        for (int i = 1; i <= Z_GRID; i++) {
            const double z = ((double)i - 0.5) * Z_STEP;
            const double d = comoving_mpc(u, z);
            const double faintest = faintest_mag(u, r_limits[s], z);
            const double shell =
                d * d * (u->distance_mpc[i] - u->distance_mpc[i - 1]) *
                interpolate(u->brighter, M_GRID, (faintest - M_BRIGHT) / M_STEP);
            u->cumulative_z[s][i] = u->cumulative_z[s][i - 1] + (z < Z_MIN ? 0.0 : shell);
        }
}

void zm_universe_draw(const zm_universe *u, zm_rng *rng, double *z, double *abs_mag)
{
    const int deep = zm_rng_double(rng) < DEEP_PART;
    const double *cdf = u->cumulative_z[deep];
    *z = Z_STEP * find_place(cdf, Z_GRID, zm_rng_double(rng) * cdf[Z_GRID]);
    const double place = (faintest_mag(u, r_limits[deep], *z) - M_BRIGHT) / M_STEP;
    const double brighter = interpolate(u->brighter, M_GRID, place);
    *abs_mag = M_BRIGHT +
               M_STEP * find_place(u->brighter, M_GRID, zm_rng_double(rng) * brighter);
}
