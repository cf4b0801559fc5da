// Recalibration of predicted redshift distributions, learnt on held-out objects.
#ifndef ZM_CALIBRATION_H
#define ZM_CALIBRATION_H

#include "core/nn/head.h"

typedef enum zm_calibration_kind {
    ZM_CALIBRATION_NONE,
    ZM_CALIBRATION_TEMPERATURE, // logits / T, standard deviation * T
    ZM_CALIBRATION_QUANTILE,    // F(z) becomes map(F(z))
} zm_calibration_kind;

enum { ZM_CALIBRATION_KNOTS = 101 };

typedef struct zm_calibration {
    zm_calibration_kind kind;
    double temperature;               // > 0
    double map[ZM_CALIBRATION_KNOTS]; // at 0, 0.01, ... 1; from 0 to 1, not decreasing
    uint64_t objects;                 // that it was learnt on
} zm_calibration;

#endif
