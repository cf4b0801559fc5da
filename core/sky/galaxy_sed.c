#include "core/sky/galaxy_sed.h"

#include <math.h>

#define LIGHT_A_PER_S     2.99792458e18
#define AB_ZERO_FNU       3.631e-20 // erg / s / cm^2 / Hz
#define CONTINUUM_FLAMBDA 1e-17
#define STEP_A            5.0

// Continua at these rest-frame wavelengths, linear in between, f_lambda over that at 5500
// Angstrom. Between 3850 and 4060 Angstrom the old one doubles: the break whose passage
// through g and r is most of what colours know of redshift. Values: medians in windows
// of 80 Angstrom or less, off the emission lines, of the luminous-red-galaxy template
// and of two of the five NMF templates of Blanton & Roweis 2007 (kcorrect v4, BSD).
#define NODES 41
static const double node_a[NODES] = {
    1900.0, 2100.0, 2300.0, 2500.0,  2650.0, 2800.0, 2950.0, 3100.0, 3300.0,
    3500.0, 3620.0, 3700.0, 3780.0,  3860.0, 3930.0, 3985.0, 4060.0, 4160.0,
    4260.0, 4310.0, 4380.0, 4500.0,  4650.0, 4800.0, 4920.0, 5060.0, 5170.0,
    5280.0, 5450.0, 5700.0, 5890.0,  6100.0, 6400.0, 6650.0, 7000.0, 7500.0,
    8000.0, 8600.0, 9300.0, 10200.0, 11500.0};
static const double node_flux[3][NODES] = {
    [ZM_SED_OLD] = {0.025, 0.037, 0.035, 0.029, 0.081, 0.060, 0.156, 0.208, 0.285,
                    0.281, 0.327, 0.364, 0.333, 0.334, 0.407, 0.519, 0.616, 0.632,
                    0.674, 0.640, 0.739, 0.873, 0.911, 0.973, 0.971, 0.928, 0.875,
                    0.979, 1.002, 1.016, 1.016, 1.050, 1.027, 0.997, 0.992, 1.026,
                    0.949, 0.906, 0.849, 0.897, 0.767},
    [ZM_SED_MIDDLE] = {0.352, 0.396, 0.338, 0.297, 0.404, 0.344, 0.491, 0.530, 0.578,
                       0.571, 0.599, 0.641, 0.790, 0.829, 1.124, 1.291, 1.362, 1.315,
                       1.299, 1.160, 1.222, 1.272, 1.234, 1.219, 1.146, 1.097, 1.058,
                       1.054, 1.010, 0.963, 0.921, 0.902, 0.837, 0.786, 0.727, 0.672,
                       0.603, 0.551, 0.479, 0.420, 0.337},
    [ZM_SED_YOUNG] = {0.950, 1.014, 0.999, 1.044, 1.168, 1.216, 1.324, 1.290, 1.214,
                      1.084, 1.082, 1.077, 1.184, 1.268, 1.517, 1.523, 1.551, 1.506,
                      1.468, 1.407, 1.367, 1.355, 1.298, 1.191, 1.137, 1.110, 1.065,
                      1.047, 1.003, 0.956, 0.906, 0.881, 0.809, 0.761, 0.703, 0.659,
                      0.564, 0.486, 0.387, 0.326, 0.249},
};

// Emission lines relative to Halpha: a metal-rich and a metal-poor HII region with case B
// Balmer decrement. Source: Osterbrock & Ferland 2006; ratios as in Anders &
// Fritze-v. Alvensleben 2003, rounded.
typedef struct line {
    double wavelength_a, rich, poor;
} line;
static const line lines[] = {
    {3728.0, 0.75, 0.85}, {3869.0, 0.01, 0.15}, {4102.0, 0.09, 0.09},
    {4341.0, 0.16, 0.16}, {4861.0, 0.35, 0.35}, {4959.0, 0.08, 0.50},
    {5007.0, 0.25, 1.50}, {5876.0, 0.04, 0.04}, {6300.0, 0.04, 0.03},
    {6548.0, 0.13, 0.02}, {6563.0, 1.00, 1.00}, {6584.0, 0.38, 0.07},
    {6717.0, 0.17, 0.10}, {6731.0, 0.13, 0.07}, {9069.0, 0.08, 0.10},
    {9532.0, 0.20, 0.25},
};

// System response with 1.3 airmasses, averaged over camera columns, thinned to every
// second point; linear in between. Source: Doi et al. 2010 and M. Doi's curves of 2001
// as kcorrect distributes them.
typedef struct response {
    double first_a, step_a;
    int count;
    double value[26];
} response;
static const response responses[ZM_BANDS] = {
    {2980.0, 50.0, 24, {0.0000, 0.0097, 0.0270, 0.0630, 0.1074, 0.1474, 0.1817, 0.2070,
                        0.2244, 0.2380, 0.2449, 0.2480, 0.2464, 0.2446, 0.2387, 0.2193,
                        0.1861, 0.1380, 0.0828, 0.0282, 0.0080, 0.0019, 0.0007, 0.0000}},
    {3630.0, 100.0, 23, {0.0000, 0.0040, 0.0212, 0.1336, 0.2849, 0.3760, 0.4217, 0.4518,
                         0.4748, 0.4893, 0.5070, 0.5156, 0.5216, 0.5304, 0.5399, 0.5415,
                         0.5155, 0.2732, 0.0436, 0.0074, 0.0018, 0.0009, 0.0000}},
    {5230.0, 100.0, 21, {0.0000, 0.0013, 0.0146, 0.1750, 0.4382, 0.5898, 0.6442,
                         0.6640, 0.6750, 0.6727, 0.6810, 0.6907, 0.6902, 0.6870,
                         0.6603, 0.4136, 0.0979, 0.0147, 0.0038, 0.0014, 0.0000}},
    {6430.0, 100.0, 23, {0.0000, 0.0006, 0.0013, 0.0145, 0.1196, 0.3569, 0.5232, 0.5769,
                         0.5803, 0.5585, 0.5375, 0.5223, 0.4976, 0.4697, 0.4479, 0.4312,
                         0.4184, 0.3783, 0.1494, 0.0176, 0.0029, 0.0013, 0.0000}},
    {7730.0, 140.0, 26, {0.0000, 0.0003, 0.0027, 0.0211, 0.0647, 0.0985, 0.1116,
                         0.1105, 0.0988, 0.0833, 0.0702, 0.0618, 0.0527, 0.0447,
                         0.0365, 0.0272, 0.0188, 0.0120, 0.0070, 0.0039, 0.0024,
                         0.0016, 0.0010, 0.0006, 0.0003, 0.0000}},
};

const double zm_filter_wavelength_a[ZM_BANDS] = {3520.0, 4694.0, 6179.0, 7510.0, 8953.0};

double zm_sed_continuum(zm_sed_kind kind, double wavelength_a)
{
    if (kind > ZM_SED_YOUNG)
        return 0.0;
    const double *flux = node_flux[kind];
    if (wavelength_a <= node_a[0])
        return flux[0];
    if (wavelength_a >= node_a[NODES - 1])
        return flux[NODES - 1];
    int low = 0, high = NODES - 1;
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        if (node_a[middle] <= wavelength_a)
            low = middle;
        else
            high = middle;
    }
    const double t = (wavelength_a - node_a[low]) / (node_a[high] - node_a[low]);
    return flux[low] + t * (flux[high] - flux[low]);
}

double zm_filter_response(int band, double wavelength_a)
{
    const response *r = &responses[band];
    const double place = (wavelength_a - r->first_a) / r->step_a;
    if (!(place >= 0.0) || place >= (double)(r->count - 1))
        return 0.0;
    const int i = (int)place;
    return r->value[i] + (place - (double)i) * (r->value[i + 1] - r->value[i]);
}

double zm_sed_dust(double a_v_mag, double wavelength_a)
{
    return pow(10.0, -0.4 * a_v_mag * pow(wavelength_a / 5500.0, -0.7));
}

static double line_ratio(const line *l, zm_sed_kind kind)
{
    return kind == ZM_SED_LINES_RICH ? l->rich : l->poor;
}

// Photons counted from the kind at redshift z; both sums are over the same grid, so that
// its step cancels.
static double band_photons(zm_sed_kind kind, double z, int band)
{
    const response *r = &responses[band];
    const double last_a = r->first_a + r->step_a * (double)(r->count - 1);
    double sum = 0.0;
    if (kind <= ZM_SED_YOUNG) {
        for (double w = r->first_a; w < last_a; w += STEP_A)
            sum += zm_sed_continuum(kind, w / (1.0 + z)) / (1.0 + z) * w *
                   zm_filter_response(band, w) * STEP_A;
        return sum * CONTINUUM_FLAMBDA;
    }
    for (size_t i = 0; i < ZM_COUNT_OF(lines); i++) {
        const double w = lines[i].wavelength_a * (1.0 + z);
        sum += line_ratio(&lines[i], kind) * w * zm_filter_response(band, w);
    }
    return sum * CONTINUUM_FLAMBDA;
}

static double band_photons_ab(int band)
{
    const response *r = &responses[band];
    const double last_a = r->first_a + r->step_a * (double)(r->count - 1);
    double sum = 0.0;
    for (double w = r->first_a; w < last_a; w += STEP_A)
        sum += AB_ZERO_FNU * LIGHT_A_PER_S / w * zm_filter_response(band, w) * STEP_A;
    return sum;
}

void zm_sed_table_fill(zm_sed_table *table)
{
    for (int b = 0; b < ZM_BANDS; b++) {
        const double unit = 1e9 / band_photons_ab(b);
        for (int kind = 0; kind < ZM_SED_COUNT; kind++)
            for (int i = 0; i <= ZM_SED_Z_STEPS; i++) {
                const double z = ZM_SED_Z_MAX * (double)i / ZM_SED_Z_STEPS;
                table->flux_nmgy[kind][i][b] =
                    (float)(unit * band_photons((zm_sed_kind)kind, z, b));
            }
    }
}

double zm_sed_flux(const zm_sed_table *table, zm_sed_kind kind, double z, int band)
{
    const double place = fmin(fmax(z / ZM_SED_Z_MAX, 0.0), 1.0) * ZM_SED_Z_STEPS;
    const int i = ZM_MIN((int)place, ZM_SED_Z_STEPS - 1);
    const double t = place - (double)i;
    return (1.0 - t) * (double)table->flux_nmgy[kind][i][band] +
           t * (double)table->flux_nmgy[kind][i + 1][band];
}
