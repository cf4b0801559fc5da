// The cases of tests/golden: networks and data drawn by the rule of philox.py, results
// that PyTorch computed in double precision.
#ifndef ZM_TESTS_GOLDEN_H
#define ZM_TESTS_GOLDEN_H

#include <criterion/criterion.h>
#include <jansson.h>

#include "core/train/model.h"

typedef struct zm_golden {
    const char *name;
    json_t *json;
    uint64_t seed;
    uint32_t count, batch; // objects, objects of a training step
    zm_model *model;       // weights drawn, checksums compared
    float *images;         // (count, 5, S, S), as in a file
    float *mags, *z;       // (count, 5), (count)
    float *noise;          // (count, patches), or NULL
} zm_golden;

void zm_golden_open(const char *name, zm_golden *golden);
void zm_golden_close(zm_golden *golden);

// One recorded pass over objects 0, 1, ...
typedef struct zm_golden_pass {
    zm_tape *tape;
    zm_tensor *loss, *pred, *hidden, *outputs; // outputs of a redshift model
} zm_golden_pass;

// Moves the model to the device, then runs the first rows objects once: inference, or
// the forward and backward pass of training.
void zm_golden_run(zm_golden *golden, zm_gpu *gpu, uint32_t rows, bool training,
                   zm_golden_pass *out);
void zm_golden_finish(zm_golden *golden, zm_golden_pass *pass);

// count reals of a device as doubles; the caller frees them.
double *zm_golden_fetch(zm_gpu *gpu, zm_slice slice, uint64_t count);

// Largest difference between values and an array of the golden file (listed elements,
// and the norm), relative to the array's largest magnitude, or to scale where that is
// larger. Fails the test where the sizes differ.
double zm_golden_error(const zm_golden *golden, const char *what, const json_t *array,
                       const double *values, uint64_t count, double scale);

// The same for a number.
double zm_golden_number_error(const json_t *want, double found);

// The data set as a file.
void zm_golden_write_data(const zm_golden *golden, const char *path);

// Draws one tensor by the rule.
void zm_golden_draw(const char *name, uint32_t rank, const uint32_t *dims, uint64_t seed,
                    float *out);

json_t *zm_golden_json(const char *name); // of tests/golden/NAME.json

#endif
