// What an autoencoder painted, turned back into flux.
#ifndef ZM_RECONSTRUCTION_H
#define ZM_RECONSTRUCTION_H

#include "core/data/dataset.h"
#include "core/train/model.h"

typedef struct zm_reconstruction {
    uint32_t count, side;
    float *original;        // (count, side, side, ZM_BANDS) nanomaggies
    float *painted;         // the same; every patch as predicted, visible ones too
    double sigma[ZM_BANDS]; // noise of a pixel in nanomaggies, > 0
} zm_reconstruction;

// Of the first count rows of a data set.
//   pred  (count, patches, P * P * ZM_BANDS)  what zm_predictor_paint gives, each patch
//         (row, column, band)
// The stretch is undone; a model of normalised patches gets mean and variance of the
// original patch, as in the pictures of He et al. 2022. sigma: of the model's stretch,
// else measured on these rows.
zm_status zm_reconstruction_make(const zm_model *model, zm_dataset *ds, uint32_t count,
                                 const float *pred, zm_reconstruction *out);
void zm_reconstruction_finish(zm_reconstruction *reconstruction);

#endif
