// The table that predict writes: CSV, or a FITS binary table for *.fits.
#ifndef ZM_PREDICTIONS_H
#define ZM_PREDICTIONS_H

#include "core/data/dataset.h"
#include "core/gpu.h"

typedef struct zm_predictions {
    const zm_dataset *ds;
    const float *z_phot;   // (ds->count)
    const uint32_t *flags; // (ds->count)
    const char *model;     // path of the model
    const zm_caps *device;
    bool simulated; // the model was trained on a simulated sky
} zm_predictions;

// Writes all rows in input order, atomically. Columns: object_id, ra, dec, z_phot, flags,
// and z_spec where any row has one.
zm_status zm_predictions_write(const char *path, const zm_predictions *predictions);

#endif
