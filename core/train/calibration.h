// Recalibration of predicted redshift distributions, learnt on held-out objects
// (calibrate.h) and kept with the model.
#ifndef ZM_CALIBRATION_H
#define ZM_CALIBRATION_H

#include <jansson.h>

#include "core/nn/head.h"

typedef enum zm_calibration_kind {
    ZM_CALIBRATION_NONE,
    ZM_CALIBRATION_TEMPERATURE, // logits / T, standard deviation * T
    ZM_CALIBRATION_QUANTILE,    // the same, and then F(z) becomes map(F(z))
} zm_calibration_kind;

enum { ZM_CALIBRATION_KNOTS = 101 };
#define ZM_CALIBRATION_T_MIN 0.01
#define ZM_CALIBRATION_T_MAX 100.0

typedef struct zm_calibration {
    zm_calibration_kind kind;
    double temperature; // ZM_CALIBRATION_T_MIN to _MAX; not read where kind is none
    double map[ZM_CALIBRATION_KNOTS]; // at the knots; from 0 to 1, not decreasing
    uint64_t objects;                 // that it was learnt on
} zm_calibration;

const char *zm_calibration_name(zm_calibration_kind kind); // "none", "temperature", ...
zm_status zm_calibration_parse(const char *name, zm_calibration_kind *out);

// Where the map is given: sin^2(pi j / 200), 0 <= j < ZM_CALIBRATION_KNOTS, from 0 to 1.
// Knots crowd at both ends because the redshifts that a model missed lie there: on an
// even grid all that are beyond the first 0.01 of F would stay in one lump.
double zm_calibration_knot(uint32_t j);

// What a head's outputs say, recalibrated: zm_pdf_of_head at the temperature; then, of
// kind quantile, p[k] = map(F(edge[k + 1])) - map(F(edge[k])), linear between the knots.
// calibration NULL or of kind none: as the head says. Not of ZM_HEAD_POINT.
//   out  (zm_head_outputs); p  (bins) out
// Source: Bordoloi, Lilly & Amara 2010 (MNRAS 406, 881) for the map of the PIT.
void zm_pdf_calibrate(const zm_calibration *calibration, const zm_head *head,
                      const float *out, double *p);

// As a JSON object for the model's metadata: kind, temperature, map, objects. A new
// reference; NULL where kind is none or memory is out.
json_t *zm_calibration_json(const zm_calibration *calibration);

// From such an object, or NULL (none). ZM_ERR_FORMAT names path and what is wrong.
zm_status zm_calibration_read(const json_t *json, const char *path, zm_calibration *out);

#endif
