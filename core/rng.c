#include "core/rng.h"

#include <math.h>

enum { ROUNDS = 10 };

void zm_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4])
{
    uint32_t k0 = key[0], k1 = key[1];
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    for (int round = 0; round < ROUNDS; round++) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        const uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

zm_rng zm_rng_init(uint64_t seed, zm_rng_domain domain, uint32_t object, uint32_t step)
{
    zm_rng rng = {.key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
                  .counter = {0, step, object, (uint32_t)domain},
                  .used = 4};
    return rng;
}

uint32_t zm_rng_u32(zm_rng *rng)
{
    if (rng->used == 4) {
        zm_philox(rng->key, rng->counter, rng->block);
        rng->counter[0]++;
        rng->used = 0;
    }
    return rng->block[rng->used++];
}

uint32_t zm_rng_below(zm_rng *rng, uint32_t n)
{
    const uint32_t limit = UINT32_MAX - UINT32_MAX % n; // reject the uneven tail
    uint32_t x;
    do {
        x = zm_rng_u32(rng);
    } while (x >= limit);
    return x % n;
}

float zm_rng_float(zm_rng *rng)
{
    return (float)(zm_rng_u32(rng) >> 8) * 0x1p-24f;
}

double zm_rng_double(zm_rng *rng)
{
    const uint32_t high = zm_rng_u32(rng) >> 5, low = zm_rng_u32(rng) >> 6;
    return ((double)high * 67108864.0 + (double)low) * 0x1p-53;
}

double zm_rng_normal(zm_rng *rng)
{
    if (rng->has_spare) {
        rng->has_spare = 0;
        return rng->spare;
    }
    const double u = 1.0 - zm_rng_double(rng); // (0, 1]
    const double angle = 6.283185307179586 * zm_rng_double(rng);
    const double radius = sqrt(-2.0 * log(u));
    rng->spare = radius * sin(angle);
    rng->has_spare = 1;
    return radius * cos(angle);
}

uint32_t zm_hash_name(const char *name)
{
    uint32_t h = 2166136261u;
    for (; *name; name++)
        h = (h ^ (uint32_t)(unsigned char)*name) * 16777619u;
    return h;
}
