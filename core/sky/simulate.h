// Simulated SDSS ugriz cutouts with known redshift.
#ifndef ZM_SIMULATE_H
#define ZM_SIMULATE_H

#include "core/data/dataset.h"

typedef struct zm_simulate_params {
    uint64_t count;
    uint64_t seed;
    uint32_t size;       // pixels a side [64]
    const char *catalog; // FITS table with MODELFLUX, Z, EXTINCTION; NULL = analytic
    uint32_t threads;    // [all allowed CPUs]
    const char *out;     // *.fits or safetensors
} zm_simulate_params;

// Simulates and writes count cutouts. Row i depends on (seed, i) and the catalogue only,
// never on count or threads. progress may be NULL.
zm_status zm_simulate(const zm_simulate_params *params,
                      void (*progress)(void *user, uint64_t done, uint64_t count),
                      void *user, const zm_log *log);

#endif
