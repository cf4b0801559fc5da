#include "core/data/photometry.h"

#include <assert.h>
#include <math.h>

#include "core/data/dataset.h"

const double zm_asinh_softening[ZM_BANDS] = {1.4e-10, 0.9e-10, 1.2e-10, 1.8e-10, 7.4e-10};
const double zm_extinction_per_ebv[ZM_BANDS] = {4.239, 3.303, 2.285, 1.698, 1.263};
const double zm_sfd_extinction_per_ebv[ZM_BANDS] = {5.155, 3.793, 2.751, 2.086, 1.479};

static const double zero_point_nmgy = 1e9;
static const double pogson = 1.0857362047581295; // 2.5 / ln 10
static const double aperture_arcsec = 3.0;
enum { SUB_GRID = 5 };

double zm_asinh_mag(double flux_nmgy, int band)
{
    assert(band >= 0 && band < ZM_BANDS);
    const double b = zm_asinh_softening[band];
    return -pogson * (asinh(flux_nmgy / zero_point_nmgy / (2.0 * b)) + log(b));
}

double zm_asinh_flux(double mag, int band)
{
    assert(band >= 0 && band < ZM_BANDS);
    const double b = zm_asinh_softening[band];
    return 2.0 * b * zero_point_nmgy * sinh(-mag / pogson - log(b));
}

double zm_aperture_weight(uint32_t height, uint32_t width, uint32_t row, uint32_t column)
{
    const double radius = aperture_arcsec / ZM_PIXEL_ARCSEC;
    const double dy = (double)row - ((double)height - 1.0) / 2.0;
    const double dx = (double)column - ((double)width - 1.0) / 2.0;
    const double distance = hypot(dx, dy);
    if (distance > radius + 1.0)
        return 0.0;
    if (distance < radius - 1.0)
        return 1.0;
    int inside = 0;
    for (int i = 0; i < SUB_GRID; i++) {
        for (int j = 0; j < SUB_GRID; j++) {
            const double y = dy + (i + 0.5) / SUB_GRID - 0.5;
            const double x = dx + (j + 0.5) / SUB_GRID - 0.5;
            inside += x * x + y * y <= radius * radius;
        }
    }
    return (double)inside / (SUB_GRID * SUB_GRID);
}

void zm_aperture_mags(const float *image, uint32_t height, uint32_t width, float ebv,
                      float mags[ZM_BANDS], uint32_t *flags)
{
    const size_t plane = (size_t)height * width;
    double flux_nmgy[ZM_BANDS] = {0};
    for (uint32_t y = 0; y < height; y++) {
        for (uint32_t x = 0; x < width; x++) {
            const double weight = zm_aperture_weight(height, width, y, x);
            if (weight == 0.0)
                continue;
            for (int band = 0; band < ZM_BANDS; band++) {
                const float pixel = image[(size_t)band * plane + (size_t)y * width + x];
                if (isfinite(pixel))
                    flux_nmgy[band] += weight * (double)pixel;
                else
                    *flags |= ZM_FLAG_MASKED | ZM_FLAG_CENTRE_MASKED;
            }
        }
    }
    if (!isfinite(ebv))
        *flags |= ZM_FLAG_NOT_DEREDDENED;
    for (int band = 0; band < ZM_BANDS; band++) {
        if (flux_nmgy[band] <= 0.0)
            *flags |= ZM_FLAG_FAINT;
        const double extinction =
            isfinite(ebv) ? zm_extinction_per_ebv[band] * (double)ebv : 0.0;
        mags[band] = (float)(zm_asinh_mag(flux_nmgy[band], band) - extinction);
    }
}
