// Philox4x32-10, bit for bit core/rng.c; what random numbers need of log, cos and sin is
// here too, because Vulkan leaves the accuracy of the built-in ones too open.
#define ZM_RNG_MASK    2u
#define ZM_RNG_AUGMENT 3u
#define ZM_RNG_NOISE   4u

// High word of a b, by 16-bit partial products.
uint mul_high(uint a, uint b)
{
    uint a0 = a & 0xFFFFu, a1 = a >> 16, b0 = b & 0xFFFFu, b1 = b >> 16;
    uint m = a1 * b0 + (a0 * b0 >> 16);
    uint n = a0 * b1 + (m & 0xFFFFu);
    return a1 * b1 + (m >> 16) + (n >> 16);
}

// key: low and high half of the seed; counter: index, step, object, domain
uvec4 philox(uvec2 key, uvec4 counter)
{
    for (uint round = 0u; round < 10u; round++) {
        uint high0 = mul_high(0xD2511F53u, counter.x), low0 = 0xD2511F53u * counter.x;
        uint high1 = mul_high(0xCD9E8D57u, counter.z), low1 = 0xCD9E8D57u * counter.z;
        counter = uvec4(high1 ^ counter.y ^ key.x, low1, high0 ^ counter.w ^ key.y, low0);
        key += uvec2(0x9E3779B9u, 0xBB67AE85u);
    }
    return counter;
}

// [0, 1) in steps of 2^-24
float uniform_24(uint word) { return float(word >> 8) * 5.9604644775390625e-8; }

// 2 atanh(s) for |s| <= 1/3
float twice_atanh(float s)
{
    float z = s * s;
    float sum = 1.0 / 13.0;
    sum = sum * z + 1.0 / 11.0;
    sum = sum * z + 1.0 / 9.0;
    sum = sum * z + 1.0 / 7.0;
    sum = sum * z + 1.0 / 5.0;
    sum = sum * z + 1.0 / 3.0;
    return 2.0 * (s + s * z * sum);
}

// log(x) of a positive normal x = 2^e m, m in [2/3, 4/3): e ln 2 + 2 atanh((m - 1) / (m
// + 1))
float natural_log(float x)
{
    uint above = floatBitsToUint(x) - 0x3F2AAAABu; // the bits of 2/3
    int e = int(above) >> 23;
    float m = uintBitsToFloat((above & 0x7FFFFFu) + 0x3F2AAAABu);
    return float(e) * 0.693147181 + twice_atanh((m - 1.0) / (m + 1.0));
}

// (cos, sin) of 2 pi u, u in [0, 1): Taylor series in the nearest quarter turn
vec2 turn(float u)
{
    uint quarter = uint(4.0 * u + 0.5);
    float t = (4.0 * u - float(quarter)) * 1.570796327, z = t * t;
    float s = t + t * z *
                      (((2.75573192e-6 * z - 1.98412698e-4) * z + 8.33333333e-3) * z -
                       1.66666667e-1);
    float c = 1.0 + z * ((((-2.75573192e-7 * z + 2.48015873e-5) * z - 1.38888889e-3) * z +
                          4.16666667e-2) *
                             z -
                         0.5);
    vec2 v = (quarter & 1u) != 0u ? vec2(-s, c) : vec2(c, s);
    return (quarter & 2u) != 0u ? -v : v;
}

// A normal number from one block (Box-Muller).
float normal(uvec2 key, uvec4 counter)
{
    uvec4 word = philox(key, counter);
    float u = 1.0 - uniform_24(word.x); // (0, 1]
    return sqrt(max(-2.0 * natural_log(u), 0.0)) * turn(uniform_24(word.y)).x;
}
