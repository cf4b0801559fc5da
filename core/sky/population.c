#include "core/sky/population.h"

#include <math.h>
#include <stdlib.h>

#include "core/sky/galaxy_sed.h"
#include "core/sky/sky_model.h"
#include "core/sky/universe.h"

#define PI     3.14159265358979323846
#define G_BAND 1
#define R_BAND 2

#define Z_CATALOG 0.003 // sizes of nearer catalogue rows are those at this redshift

struct zm_population {
    const zm_catalog *catalog;
    uint64_t seed;
    uint32_t *order; // permutation of the catalogue rows
    zm_sed_table *sed;
    zm_universe *universe;
};

static zm_status shuffle_rows(zm_population *p)
{
    if (p->catalog->count > UINT32_MAX)
        return ZM_FAIL(ZM_ERR_FORMAT, "expected at most %lu catalogue rows, found %llu",
                       (unsigned long)UINT32_MAX, (unsigned long long)p->catalog->count);
    const uint32_t n = (uint32_t)p->catalog->count;
    p->order = zm_calloc(n, sizeof *p->order);
    if (!p->order)
        return ZM_FAIL(ZM_ERR_MEMORY, "order of %lu catalogue rows", (unsigned long)n);
    zm_rng rng = zm_rng_init(p->seed, ZM_RNG_SIMULATE, 0, ZM_STREAM_ORDER);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t j = zm_rng_below(&rng, i + 1);
        p->order[i] = p->order[j];
        p->order[j] = i;
    }
    return ZM_OK;
}

zm_status zm_population_create(const zm_catalog *catalog, uint64_t seed,
                               zm_population **out)
{
    zm_population *p = zm_calloc(1, sizeof *p);
    zm_status st = ZM_OK;
    if (p) {
        p->sed = zm_calloc(1, sizeof *p->sed);
        p->universe = zm_calloc(1, sizeof *p->universe);
    }
    if (!p || !p->sed || !p->universe) {
        st = ZM_FAIL(ZM_ERR_MEMORY, "tables of the galaxy population");
        goto fail;
    }
    p->catalog = catalog;
    p->seed = seed;
    if (catalog)
        st = shuffle_rows(p);
    if (st != ZM_OK)
        goto fail;
    zm_universe_fill(p->universe);
    zm_sed_table_fill(p->sed);
    *out = p;
    return ZM_OK;
fail:
    zm_population_destroy(&p);
    return st;
}

void zm_population_destroy(zm_population **population)
{
    if (!*population)
        return;
    free((*population)->sed);
    free((*population)->universe);
    free((*population)->order);
    free(*population);
    *population = NULL;
}

static double clamp(double x, double low, double high)
{
    return fmin(fmax(x, low), high);
}

static double draw_between(zm_rng *rng, double low, double high)
{
    return low + (high - low) * zm_rng_double(rng);
}

static double draw_normal(zm_rng *rng, double mean, double sigma)
{
    return mean + sigma * zm_rng_normal(rng);
}

// Circularised half-light radius. Source: Shen et al. 2003, r band: eq. 14 for early
// types (a = 0.60, b = -4.63), eq. 15 for late types, eq. 16 for the scatter.
static double draw_r50_kpc(zm_rng *rng, double abs_mag, bool early)
{
    const double knee = abs_mag + 20.91;
    const double log_early = -0.4 * 0.60 * abs_mag - 4.63;
    const double log_late = -0.4 * 0.26 * abs_mag +
                            (0.51 - 0.26) * log10(1.0 + pow(10.0, -0.4 * knee)) - 1.71;
    const double scatter = 0.27 + (0.45 - 0.27) / (1.0 + pow(10.0, -0.8 * knee));
    // The early relation was measured for M < -19; dwarfs follow a flatter one.
    const double floor_kpc = early ? 1.0 : 0.5;
    const double r50 = pow(10.0, early ? log_early : log_late);
    return fmax(r50, floor_kpc) * exp(scatter * zm_rng_normal(rng));
}

// Sizes and orientation of bulge and disc from the total half-light radius.
static void draw_shape(zm_rng *rng, double r50_arcsec, double bulge_part, bool early,
                       zm_galaxy *g)
{
    const double cos_i = zm_rng_double(rng);
    const double q0 = 0.2;
    const double round_q = clamp(draw_normal(rng, 0.75, 0.15), 0.35, 1.0);
    const double disc_q =
        early ? round_q : sqrt(q0 * q0 + (1.0 - q0 * q0) * cos_i * cos_i);
    const double bulge_q = early ? round_q : clamp(0.5 + 0.5 * disc_q, 0.5, 1.0);
    // A disc seen at an angle keeps its major axis: 0.75 is the mean of sqrt(q) over
    // angles, by which the circularised sizes are smaller.
    const double major = r50_arcsec / (early ? sqrt(round_q) : 0.75);
    g->axis_ratio[ZM_PART_BULGE] = bulge_q;
    g->axis_ratio[ZM_PART_DISC] = g->axis_ratio[ZM_PART_CLUMPS] = disc_q;
    g->r50_arcsec[ZM_PART_BULGE] = clamp(major * (0.35 + 0.6 * bulge_part), 0.1, 60.0);
    g->r50_arcsec[ZM_PART_DISC] = clamp(major * (1.0 + 0.5 * bulge_part), 0.1, 60.0);
    g->r50_arcsec[ZM_PART_CLUMPS] = g->r50_arcsec[ZM_PART_DISC];
    g->angle_rad = draw_between(rng, 0.0, PI);
}

static double draw_bulge_part(zm_rng *rng, double abs_mag, bool early)
{
    if (early)
        return clamp(draw_normal(rng, 0.8, 0.2), 0.35, 1.0);
    const double mean = 0.08 + 0.05 * (-19.5 - abs_mag);
    return clamp(fabs(draw_normal(rng, mean, 0.12)), 0.0, 0.6);
}

// Light at rest-frame 5500 Angstrom of a part, by kind of spectrum; lines in Angstrom of
// equivalent width of Halpha.
typedef struct mixture {
    double light[ZM_SED_COUNT];
    double dust_a_v_mag;
} mixture;

typedef struct character {
    double abs_mag, z, disc_axis_ratio;
    bool early;
} character;

static void draw_mixtures(zm_rng *rng, const character *c, mixture mix[ZM_PARTS])
{
    const double poor = clamp(0.5 + 0.35 * (c->abs_mag + 19.3), 0.0, 1.0);
    const double width = 70.0 * exp(draw_normal(rng, 0.0, 0.4));
    // Star formation rises as (1 + z)^2.5.
    double young = 0.33 * pow(1.0 + c->z, 2.5) *
                   exp(0.16 * (c->abs_mag + 20.3) + draw_normal(rng, 0.0, 0.45));
    double middle = draw_between(rng, 0.05, 0.3);
    double dust = fabs(draw_normal(rng, 0.35, 0.25)) * (1.6 - c->disc_axis_ratio) *
                  clamp(1.0 - 0.3 * (c->abs_mag + 20.5), 0.2, 1.4);
    if (c->early) {
        young = fmax(draw_normal(rng, 0.004, 0.012), 0.0);
        middle = fmax(draw_normal(rng, 0.02, 0.05), 0.0);
        dust = fabs(draw_normal(rng, 0.0, 0.05));
    }
    young = fmin(young, 0.85);
    middle = fmin(middle, 1.0) * (1.0 - young);
    const double knots[ZM_SED_COUNT] = {0.0, 0.1, 0.9, 0.0, 0.0};
    const double disc[ZM_SED_COUNT] = {1.0 - young - middle, middle, young, 0.0, 0.0};
    const double bulge_young = c->early ? young : 0.2 * young;
    const double bulge[ZM_SED_COUNT] = {1.0 - bulge_young - 0.3 * middle, 0.3 * middle,
                                        bulge_young, 0.0, 0.0};
    for (int k = 0; k < ZM_SED_COUNT; k++) {
        mix[ZM_PART_BULGE].light[k] = bulge[k];
        mix[ZM_PART_DISC].light[k] = disc[k];
        mix[ZM_PART_CLUMPS].light[k] = knots[k];
    }
    for (int p = 0; p < ZM_PARTS; p++) {
        const double halpha = width * mix[p].light[ZM_SED_YOUNG];
        mix[p].light[ZM_SED_LINES_RICH] = halpha * (1.0 - poor);
        mix[p].light[ZM_SED_LINES_POOR] = halpha * poor;
        mix[p].dust_a_v_mag = p == ZM_PART_BULGE ? 0.5 * dust : dust;
    }
}

// Empirical: brings the median colours of the mixtures at redshifts 0.05 to 0.2 to those
// of 10,000 SDSS main-sample galaxies (kcorrect's test table), to which the templates are
// 0.03 mag too blue in r-i and i-z, the old ones 0.06 mag in u-g.
static double template_correction(zm_sed_kind kind, double rest_a)
{
    const double red = pow(fmax(rest_a, 6000.0) / 6000.0, 0.15);
    return kind == ZM_SED_OLD ? red * pow(fmin(rest_a, 4000.0) / 4000.0, 0.4) : red;
}

// Flux of a mixture. The metallicity tilt is a power of the wavelength.
static double mixture_flux(const zm_population *p, const mixture *mix, double tilt,
                           double z, int band)
{
    const double rest_a = zm_filter_wavelength_a[band] / (1.0 + z);
    double sum = 0.0;
    for (int k = 0; k < ZM_SED_COUNT; k++)
        if (mix->light[k] > 0.0)
            sum += mix->light[k] * zm_sed_flux(p->sed, (zm_sed_kind)k, z, band) *
                   template_correction((zm_sed_kind)k, rest_a);
    return sum * zm_sed_dust(mix->dust_a_v_mag, rest_a) * pow(rest_a / 5500.0, tilt);
}

static void draw_analytic(const zm_population *p, zm_rng *rng, zm_galaxy *g)
{
    double z = 0.0, abs_mag = 0.0;
    zm_universe_draw(p->universe, rng, &z, &abs_mag);
    const bool early = zm_rng_double(rng) < 1.0 / (1.0 + exp((abs_mag + 20.7) / 0.8));
    const double bulge = draw_bulge_part(rng, abs_mag, early);
    const double r50_arcsec =
        draw_r50_kpc(rng, abs_mag, early) / zm_universe_kpc_per_arcsec(p->universe, z);
    draw_shape(rng, r50_arcsec, bulge, early, g);
    mixture mix[ZM_PARTS];
    const character c = {abs_mag, z, g->axis_ratio[ZM_PART_DISC], early};
    draw_mixtures(rng, &c, mix);
    const double knots = early ? 0.0 : draw_between(rng, 0.0, 0.2);
    const double part[ZM_PARTS] = {bulge, (1.0 - bulge) * (1.0 - knots),
                                   (1.0 - bulge) * knots};
    const double tilt = 0.12 * (-21.2 - abs_mag) + draw_normal(rng, -0.05, 0.1);
    g->z = (float)z;
    g->ebv = (float)zm_sky_draw_ebv(rng);
    double rest_r = 0.0;
    for (int k = 0; k < ZM_PARTS; k++)
        rest_r += part[k] * mixture_flux(p, &mix[k], tilt, 0.0, R_BAND);
    const double seen_mag =
        abs_mag - ZM_UNIVERSE_EVOLUTION_MAG * z + zm_universe_modulus(p->universe, z);
    const double scale = pow(10.0, 0.4 * (22.5 - seen_mag)) / rest_r;
    for (int k = 0; k < ZM_PARTS; k++)
        for (int b = 0; b < ZM_BANDS; b++)
            g->flux_nmgy[k][b] = scale * part[k] * mixture_flux(p, &mix[k], tilt, z, b) *
                                 zm_sky_transmission((double)g->ebv, b);
    g->ra_deg = g->dec_deg = NAN;
}

// Magnitude of a ratio of fluxes that may be anything.
static double safe_colour(double blue, double red)
{
    return blue > 0.0 && red > 0.0 ? -2.5 * log10(blue / red) : 0.5;
}

// Parts of the light of a catalogue galaxy: bulges are redder, knots bluer than the
// whole.
static void split_flux(const zm_catalog_row *row, double bulge, double knots,
                       double gradient, zm_galaxy *g)
{
    static const double knot_colour[ZM_BANDS] = {1.9, 1.4, 1.0, 0.85, 0.75};
    for (int b = 0; b < ZM_BANDS; b++) {
        const double redder =
            gradient * log(zm_filter_wavelength_a[b] / zm_filter_wavelength_a[R_BAND]);
        const double odds = bulge / fmax(1.0 - bulge, 1e-6) * exp(redder);
        const double part = odds / (1.0 + odds);
        const double in_knots = knots * knot_colour[b];
        const double flux = (double)row->flux_nmgy[b];
        g->flux_nmgy[ZM_PART_BULGE][b] = part * flux;
        g->flux_nmgy[ZM_PART_DISC][b] = (1.0 - part) * (1.0 - in_knots) * flux;
        g->flux_nmgy[ZM_PART_CLUMPS][b] = (1.0 - part) * in_knots * flux;
    }
}

static void draw_from_catalog(const zm_population *p, uint32_t index, zm_rng *rng,
                              zm_galaxy *g)
{
    const zm_catalog_row *row = &p->catalog->rows[p->order[index % p->catalog->count]];
    const double z = clamp((double)row->z, Z_CATALOG, ZM_SED_Z_MAX);
    double flux[ZM_BANDS];
    for (int b = 0; b < ZM_BANDS; b++)
        flux[b] = (double)row->flux_nmgy[b] / zm_sky_transmission((double)row->ebv, b);
    // How much bluer than the quiescent galaxies of this redshift tells the type.
    const double quiescent = safe_colour(zm_sed_flux(p->sed, ZM_SED_OLD, z, G_BAND),
                                         zm_sed_flux(p->sed, ZM_SED_OLD, z, R_BAND));
    const double colour = safe_colour(flux[G_BAND], flux[R_BAND]);
    const double bluer = quiescent - colour;
    const bool early = zm_rng_double(rng) < 1.0 / (1.0 + exp((bluer - 0.16) / 0.045));
    const double k_correction = z * (0.2 + 1.1 * clamp(colour, 0.2, 1.5));
    const double abs_mag = clamp(22.5 - 2.5 * log10(fmax(flux[R_BAND], 1e-3)) -
                                     zm_universe_modulus(p->universe, z) - k_correction,
                                 -24.5, -14.0);
    const double bulge = draw_bulge_part(rng, abs_mag, early);
    double r50_arcsec =
        draw_r50_kpc(rng, abs_mag, early) / zm_universe_kpc_per_arcsec(p->universe, z);
    if (isfinite(row->r50_arcsec)) // measured through seeing of 1.3 arcsec
        r50_arcsec =
            sqrt(fmax((double)row->r50_arcsec * (double)row->r50_arcsec - 0.56, 0.04));
    draw_shape(rng, r50_arcsec, bulge, early, g);
    const double knots = early ? 0.0 : draw_between(rng, 0.0, 0.2);
    split_flux(row, bulge, knots, early ? 0.3 : 1.5, g);
    g->z = row->z;
    g->ebv = row->ebv;
    g->ra_deg = row->ra_deg;
    g->dec_deg = row->dec_deg;
}

uint64_t zm_population_seed(const zm_population *population)
{
    return population->seed;
}

void zm_population_draw(const zm_population *population, uint32_t row, zm_galaxy *galaxy)
{
    zm_rng rng = zm_rng_init(population->seed, ZM_RNG_SIMULATE, row, ZM_STREAM_GALAXY);
    if (population->catalog)
        draw_from_catalog(population, row, &rng, galaxy);
    else
        draw_analytic(population, &rng, galaxy);
}

void zm_population_draw_neighbour(zm_rng *rng, zm_neighbour *neighbour)
{
    const double r = fmax(22.0 + log10(1.0 - zm_rng_double(rng)) / 0.35, 16.0);
    const double gr = draw_between(rng, 0.3, 1.4);
    neighbour->star = zm_rng_double(rng) < 0.3;
    // Rough straight lines through the stellar locus and through faint galaxies.
    const double ug = neighbour->star ? 0.5 + 1.4 * gr : 0.6 + 0.7 * gr;
    const double ri =
        neighbour->star && gr > 1.25 ? draw_between(rng, 0.5, 1.1) : 0.05 + 0.38 * gr;
    const double iz = neighbour->star ? 0.5 * ri : 0.1 + 0.4 * ri;
    const double mag[ZM_BANDS] = {r + gr + ug, r + gr, r, r - ri, r - ri - iz};
    for (int b = 0; b < ZM_BANDS; b++)
        neighbour->flux_nmgy[b] =
            pow(10.0, 0.4 * (22.5 - mag[b] - draw_normal(rng, 0.0, 0.05)));
    neighbour->r50_arcsec = 0.8 * exp(draw_normal(rng, -0.1 * (r - 20.0), 0.35));
    neighbour->axis_ratio = draw_between(rng, 0.3, 1.0);
    neighbour->angle_rad = draw_between(rng, 0.0, PI);
}
