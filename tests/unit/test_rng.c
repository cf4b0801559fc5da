#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "core/base.h"
#include "core/rng.h"

// Source: kat_vectors of the Random123 distribution (Salmon et al. 2011).
Test(rng, philox_gives_the_known_answers)
{
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
         {UINT32_MAX, UINT32_MAX},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < ZM_COUNT_OF(known); i++) {
        uint32_t out[4];
        zm_philox(known[i].key, known[i].counter, out);
        for (int w = 0; w < 4; w++)
            cr_assert_eq(out[w], known[i].out[w], "vector %zu word %d: %08x", i, w,
                         out[w]);
    }
}

Test(rng, a_stream_is_the_blocks_in_order)
{
    zm_rng rng = zm_rng_init(0x123456789abcdef0u, ZM_RNG_NOISE, 42, 7);
    const uint32_t key[2] = {0x9abcdef0u, 0x12345678u};
    for (uint32_t block = 0; block < 3; block++) {
        const uint32_t counter[4] = {block, 7, 42, ZM_RNG_NOISE};
        uint32_t out[4];
        zm_philox(key, counter, out);
        for (int w = 0; w < 4; w++)
            cr_assert_eq(zm_rng_u32(&rng), out[w], "block %u word %d", block, w);
    }
}

Test(rng, streams_differ_by_each_coordinate)
{
    const zm_rng streams[] = {zm_rng_init(1, ZM_RNG_TEST, 1, 1),
                              zm_rng_init(2, ZM_RNG_TEST, 1, 1),
                              zm_rng_init(1 + (1ull << 32), ZM_RNG_TEST, 1, 1),
                              zm_rng_init(1, ZM_RNG_MASK, 1, 1),
                              zm_rng_init(1, ZM_RNG_TEST, 2, 1),
                              zm_rng_init(1, ZM_RNG_TEST, 1, 2)};
    uint32_t first[ZM_COUNT_OF(streams)];
    for (size_t i = 0; i < ZM_COUNT_OF(streams); i++) {
        zm_rng rng = streams[i];
        first[i] = zm_rng_u32(&rng);
        for (size_t j = 0; j < i; j++)
            cr_assert_neq(first[i], first[j], "streams %zu and %zu", j, i);
    }
}

Test(rng, uniform_numbers_stay_in_range_and_have_the_mean_of_half)
{
    enum { N = 100000 };
    zm_rng rng = zm_rng_init(3, ZM_RNG_TEST, 0, 0);
    double sum_float = 0, sum_double = 0;
    for (int i = 0; i < N; i++) {
        const float f = zm_rng_float(&rng);
        const double d = zm_rng_double(&rng);
        cr_assert(f >= 0 && f < 1 && d >= 0 && d < 1);
        sum_float += (double)f;
        sum_double += d;
    }
    const double sigma = 1 / sqrt(12.0 * N); // of a mean of N
    cr_assert_float_eq(sum_float / N, 0.5, 5 * sigma);
    cr_assert_float_eq(sum_double / N, 0.5, 5 * sigma);
}

Test(rng, numbers_below_n_are_uniform)
{
    enum { N = 7, DRAWS = 70000 };
    zm_rng rng = zm_rng_init(4, ZM_RNG_TEST, 0, 0);
    int counts[N] = {0};
    for (int i = 0; i < DRAWS; i++) {
        const uint32_t x = zm_rng_below(&rng, N);
        cr_assert_lt(x, (uint32_t)N);
        counts[x]++;
    }
    const double expected = (double)DRAWS / N, sigma = sqrt(expected);
    for (int i = 0; i < N; i++)
        cr_assert_float_eq(counts[i], expected, 5 * sigma, "%d came %d times", i,
                           counts[i]);
    cr_assert_eq(zm_rng_below(&rng, 1), 0u);
}

Test(rng, normal_numbers_have_mean_zero_and_variance_one)
{
    enum { N = 100000 };
    zm_rng rng = zm_rng_init(5, ZM_RNG_TEST, 0, 0);
    double sum = 0, squares = 0;
    for (int i = 0; i < N; i++) {
        const double x = zm_rng_normal(&rng);
        sum += x;
        squares += x * x;
    }
    cr_assert_float_eq(sum / N, 0, 5 / sqrt(N));
    cr_assert_float_eq(squares / N, 1, 5 * sqrt(2.0 / N));
}

// Source: the FNV-1a test vectors of Fowler, Noll and Vo.
Test(rng, names_hash_as_fnv1a)
{
    cr_assert_eq(zm_hash_name(""), 0x811c9dc5u);
    cr_assert_eq(zm_hash_name("a"), 0xe40c292cu);
    cr_assert_eq(zm_hash_name("foobar"), 0xbf9cf968u);
}
