#version 450
// noise[b, j] = word j % 4 of Philox(seed; j / 4, step, objects[b], ZM_RNG_MASK), its
// high 24 bits as a number in [0, 1)
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "philox.glsl"
#include "elements.glsl"
RUBUFFER(0, STEP, step_number); // (1)
RUBUFFER(1, OBJECTS, objects);  // (batch)
BUFFER(2, NOISE, noise);        // (batch, patches)  out
PARAMS { ZM_PARAMS_mask_noise } p;

void main()
{
    EACH(i, p.batch * p.patches)
    {
        uint j = i % p.patches;
        uint object = objects[i / p.patches];
        uvec4 counter = uvec4(j / 4u, step_number[0], object, ZM_RNG_MASK);
        noise[i] = uniform_24(philox(uvec2(p.seed_lo, p.seed_hi), counter)[j % 4u]);
    }
}
