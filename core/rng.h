// Counter-based random numbers: Philox4x32-10 gives the same numbers on every backend,
// thread and device, because a number depends only on (seed, domain, object, step,
// index). Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
#ifndef ZM_RNG_H
#define ZM_RNG_H

#include <stdint.h>

// What the numbers are for. Domains never share numbers. The values are part of the file
// format in effect (resumed runs, repeated simulations): never renumber.
typedef enum zm_rng_domain {
    ZM_RNG_INIT = 1,     // initial weights; object = hash of the tensor's name
    ZM_RNG_MASK = 2,     // patch masks; object = data-set row, step = training step
    ZM_RNG_AUGMENT = 3,  // flips, rotations; object = data-set row, step = training step
    ZM_RNG_NOISE = 4,    // pixel noise; the same
    ZM_RNG_SHUFFLE = 5,  // order of objects; step = epoch
    ZM_RNG_SPLIT = 6,    // training/validation split
    ZM_RNG_SIMULATE = 7, // galaxies; object = row
    ZM_RNG_TEST = 8,     // inputs drawn by tests; object = hash of the tensor's name
    ZM_RNG_BOOTSTRAP = 9 // bootstrap errors of metrics
} zm_rng_domain;

// One block of four 32-bit numbers.
//   key      2 words: low and high half of the seed
//   counter  4 words: index, step, object, domain
void zm_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]);

// A stream walks the index of one (seed, domain, object, step). Zero-cost to make.
typedef struct zm_rng {
    uint32_t key[2];
    uint32_t counter[4]; // [0] = next block
    uint32_t block[4];
    uint32_t used; // numbers of block already given; 4 = none left
    double spare;  // second normal of a pair
    uint32_t has_spare;
} zm_rng;

zm_rng zm_rng_init(uint64_t seed, zm_rng_domain domain, uint32_t object, uint32_t step);
uint32_t zm_rng_u32(zm_rng *rng);
uint32_t zm_rng_below(zm_rng *rng, uint32_t n); // uniform on 0..n-1, unbiased; n > 0
float zm_rng_float(zm_rng *rng);                // (u32 >> 8) * 2^-24: [0, 1)
double zm_rng_double(zm_rng *rng);              // 53 bits: [0, 1)
double zm_rng_normal(zm_rng *rng); // Box-Muller on pairs of doubles, mean 0, variance 1

// FNV-1a hash of a name, the object number for weights and test inputs.
uint32_t zm_hash_name(const char *name);

#endif
