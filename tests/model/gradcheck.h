// Gradients against central differences, in double precision on the CPU. A case builds
// one op (or a model) from leaves; zm_check_case runs it for every shape and magnitude:
//   - as inputs (gradients written), as parameters (gradients added to what is there),
//     and with one leaf at a time wanting its gradient: all three must agree;
//   - without gradients (the fused paths of inference): the loss must agree;
//   - twice: memory that others have used must not show.
//
// Step h = 1e-5 of the leaf's magnitude. The difference quotient of a loss L is off by
// h^2 |L'''| / 6, relative to L' about 1e-10 for functions of curvature 1, and by the
// rounding of L / h: ZM_CHECK_RELATIVE of the leaf's largest gradient covers the first,
// ZM_CHECK_ROUNDING * DBL_EPSILON * L / h the second.
#ifndef ZM_TESTS_GRADCHECK_H
#define ZM_TESTS_GRADCHECK_H

#include <criterion/criterion.h>

#include "core/nn/params.h"
#include "core/ops/ops.h"
#include "core/rng.h"

#define ZM_CHECK_RELATIVE 1e-7
#define ZM_CHECK_ROUNDING 64
#define ZM_CHECK_STEP     1e-5

enum { ZM_CHECK_LEAVES = 512, ZM_CHECK_SHAPES = 8, ZM_CHECK_INDICES = 4 };

typedef enum zm_check_mode {
    ZM_CHECK_FORWARD, // no gradients
    ZM_CHECK_INPUTS,  // leaves are inputs
    ZM_CHECK_PARAMS,  // leaves are parameters
    ZM_CHECK_ONLY,    // one leaf is a parameter, the rest constants
} zm_check_mode;

typedef struct zm_check_leaf {
    zm_tensor *tensor;   // of the present tape
    zm_buf *value, *add; // where it is, where its gradient is added
    uint64_t offset;     // bytes, in both
    uint64_t count;
    double *host, *gradient, *found;
    double magnitude;
    bool constant, borrowed;       // no gradient; the buffers are not the check's
    uint32_t skip_begin, skip_end; // elements whose gradient is left out on purpose
} zm_check_leaf;

typedef struct zm_check {
    zm_gpu *gpu;
    zm_tape *tape;
    zm_check_mode mode;
    uint32_t only;
    const uint32_t *shape; // of the present run
    double scale;          // magnitude of the present run
    zm_rng rng;
    zm_check_leaf leaves[ZM_CHECK_LEAVES];
    uint32_t count, next;
    struct {
        zm_tensor *tensor;
        uint32_t *values;
    } indices[ZM_CHECK_INDICES];
    uint32_t index_count;
    zm_params params;  // of models
    void *model;       // of models: memory of the case, freed after the run
    bool own_loss;     // build returns a loss; else one is made of its result
    double grad_scale; // of that loss [1]
    double worst;      // largest error so far, in units of the bound
} zm_check;

// How the values of a leaf are drawn.
typedef enum zm_check_draw {
    ZM_CHECK_SYMMETRIC, // uniform in (-m, m)
    ZM_CHECK_OFF_ZERO,  // the same, but at least m / 50 from 0: no kink within a step
    ZM_CHECK_POSITIVE,  // uniform in (m / 2, 3 m / 2)
    ZM_CHECK_SPREAD,    // all different, by at least 2 m / count: no ties for a maximum
} zm_check_draw;

typedef struct zm_check_case {
    const char *name;
    zm_tensor *(*build)(zm_check *check);
    uint32_t shapes[ZM_CHECK_SHAPES][6]; // up to the first that begins with 0
    double scales[3];                    // up to the first 0
    uint32_t samples; // elements checked of a leaf [all up to 300]; the largest always
    double step;      // [ZM_CHECK_STEP]
} zm_check_case;

// A leaf that wants its gradient, and one that does not. dims beyond rank are ignored.
zm_tensor *zm_check_leaf_of(zm_check *check, zm_check_draw draw, double magnitude,
                            uint32_t rank, uint32_t a, uint32_t b, uint32_t c,
                            uint32_t d);
zm_tensor *zm_check_constant(zm_check *check, zm_check_draw draw, double magnitude,
                             uint32_t rank, uint32_t a, uint32_t b, uint32_t c,
                             uint32_t d);
// Elements [begin, end) of the leaf made last get no gradient by design.
void zm_check_skip(zm_check *check, uint32_t begin, uint32_t end);
// (rows, cols) numbers below limit, different within a row.
zm_tensor *zm_check_index(zm_check *check, uint32_t rows, uint32_t cols, uint32_t limit);
// Draws check->params and makes every slot that is not frozen a leaf; once a run.
void zm_check_draw_params(zm_check *check);

// The bytes of a leaf in one of its buffers.
zm_slice zm_check_slice(zm_buf *buf, const zm_check_leaf *leaf);

// Builds and records a case for coverage only, with gradients; the tape is the caller's.
void zm_check_record(const zm_check_case *one, const uint32_t *shape, zm_check *check);
void zm_check_finish(zm_check *check);

// Runs all shapes and magnitudes.
void zm_check_run(const zm_check_case *one);

#endif
