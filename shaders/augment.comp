#version 450
// out[b, i, j, c] = stretch(scale[c] * S(b, i, j, c)) + noise * normal
// S: the sample of image b where output pixel (i, j) comes from. With the output's centre
// as origin, (x, y) = (j, i) - (out_size - 1) / 2 is mirrored, turned by quarter turns
// and then by an angle, and looked up round the centre of the crop whose corner is
// floor((in_size - out_size) / 2). Without ZM_AUG_ANGLE that is an exact copy of one
// pixel, with it bilinear, 0 outside of the image.
//   draws of an image   Philox(seed; 0, step, objects[b], ZM_RNG_AUGMENT):
//                       word 0 bit 0 mirrors x, bit 1 mirrors y (ZM_AUG_FLIP);
//                       word 1 bits 0-1 are the quarter turns (ZM_AUG_ROT90);
//                       word 2 / 2^32 is the angle in turns (ZM_AUG_ANGLE)
//   normal              Box-Muller of words 0 and 1 of Philox(seed; (i out_size + j)
//                       channels + c, step, objects[b], ZM_RNG_NOISE)
//   stretch             asinh or none
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "philox.glsl"
#include "elements.glsl"
RBUFFER(0, IMG, img);           // (batch, in_size, in_size, channels)
RUBUFFER(1, OBJECTS, objects);  // (batch)
RUBUFFER(2, STEP, step_number); // (1)
RBUFFER(3, SCALE, scale);       // (channels)
BUFFER(4, OUT, result);         // (batch, out_size, out_size, channels)  out
PARAMS { ZM_PARAMS_augment } p;

// sign(x) log(1 + t), t = |x| + x^2 / (1 + sqrt(1 + x^2)): relative error below 1e-6 for
// small x too. Infinities and NaN go through.
float stretch_asinh(float x)
{
    if ((floatBitsToUint(x) & 0x7F800000u) == 0x7F800000u)
        return x;
    float a = abs(x);
    float t = a + a * (a / (1.0 + sqrt(1.0 + a * a)));
    float y;
    if (a > 1e9)
        y = natural_log(a) + 0.693147181;
    else if (t > 1.0)
        y = natural_log(1.0 + t);
    else
        y = twice_atanh(t / (2.0 + t));
    return x < 0.0 ? -y : y;
}

// img at (row, col), 0 outside
float pixel(uint b, int row, int col, uint c)
{
    int size = int(p.in_size);
    if (row < 0 || col < 0 || row >= size || col >= size)
        return 0.0;
    return img[((b * p.in_size + uint(row)) * p.in_size + uint(col)) * p.channels + c];
}

void main()
{
    uvec2 key = uvec2(p.seed_lo, p.seed_hi);
    uint area = p.out_size * p.out_size;
    int last = int(p.out_size) - 1;
    int corner = (int(p.in_size) - int(p.out_size)) / 2;
    EACH(i, p.batch * area)
    {
        uint b = i / area, at = i % area;
        uvec4 word = philox(key, uvec4(0u, step_number[0], objects[b], ZM_RNG_AUGMENT));
        // twice the offset from the centre, an integer for odd and even sizes
        int x = 2 * int(at % p.out_size) - last, y = 2 * int(at / p.out_size) - last;
        if ((p.flags & ZM_AUG_FLIP) != 0u) {
            x = (word.x & 1u) != 0u ? -x : x;
            y = (word.x & 2u) != 0u ? -y : y;
        }
        if ((p.flags & ZM_AUG_ROT90) != 0u)
            for (uint q = 0u; q < (word.y & 3u); q++) {
                int old = x;
                x = -y;
                y = old;
            }
        int col = corner + (x + last) / 2, row = corner + (y + last) / 2;
        float right = 0.0, down = 0.0; // parts of the next column and row
        bool between = (p.flags & ZM_AUG_ANGLE) != 0u;
        if (between) {
            vec2 angle = turn(uniform_24(word.z));
            float u = (angle.x * float(x) - angle.y * float(y) + float(last)) * 0.5;
            float v = (angle.y * float(x) + angle.x * float(y) + float(last)) * 0.5;
            right = u - floor(u);
            down = v - floor(v);
            col = corner + int(floor(u));
            row = corner + int(floor(v));
        }
        for (uint c = 0u; c < p.channels; c++) {
            float value = pixel(b, row, col, c);
            if (between) {
                float top = value + right * (pixel(b, row, col + 1, c) - value);
                float low = pixel(b, row + 1, col, c);
                low += right * (pixel(b, row + 1, col + 1, c) - low);
                value = top + down * (low - top);
            }
            value *= scale[c];
            if (p.stretch == ZM_STRETCH_ASINH)
                value = stretch_asinh(value);
            if (p.noise > 0.0)
                value += p.noise * normal(key, uvec4(at * p.channels + c, step_number[0],
                                                     objects[b], ZM_RNG_NOISE));
            result[i * p.channels + c] = value;
        }
    }
}
