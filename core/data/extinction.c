#include "core/data/extinction.h"

#include <math.h>

#include "core/data/photometry.h"

static bool is_given(double a_mag)
{
    return a_mag > -1.0 && a_mag < 100.0;
}

double zm_extinction_mag(double given, double ebv, int band)
{
    return is_given(given) ? given : zm_extinction_per_ebv[band] * ebv;
}

static double product(const double a[ZM_BANDS], const double b[ZM_BANDS])
{
    double sum = 0.0;
    for (int band = 0; band < ZM_BANDS; band++)
        sum += a[band] * b[band];
    return sum;
}

// E(B-V) and the squared misfit, both for one set of coefficients.
static double fit_ebv(const double a_mag[ZM_BANDS], const double per_ebv[ZM_BANDS],
                      double *misfit)
{
    const double ebv = product(a_mag, per_ebv) / product(per_ebv, per_ebv);
    for (int b = 0; b < ZM_BANDS; b++) {
        const double miss = a_mag[b] - ebv * per_ebv[b];
        *misfit += miss * miss;
    }
    return ebv;
}

double zm_ebv_fit_row(zm_ebv_fit *fit, const double a_mag[ZM_BANDS])
{
    for (int b = 0; b < ZM_BANDS; b++)
        if (!is_given(a_mag[b]))
            return (double)NAN;
    fit_ebv(a_mag, zm_extinction_per_ebv, &fit->sf11);
    return fit_ebv(a_mag, zm_sfd_extinction_per_ebv, &fit->sfd98);
}

// A table that follows SF11 was fitted through the coefficients of SFD98: all its values
// are off by one factor.
double zm_ebv_fit_factor(const zm_ebv_fit *fit)
{
    const double *sfd98 = zm_sfd_extinction_per_ebv;
    return fit->sf11 < fit->sfd98
               ? product(sfd98, sfd98) / product(zm_extinction_per_ebv, sfd98)
               : 1.0;
}
