#version 450
// y = maximum of 3 x 3, stride 1, padding 1; which = its tap 0..8, the first in row order
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, X, x);         // (batch, height, width, channels)
BUFFER(1, Y, y);          // the same shape  out
UBUFFER(2, WHICH, which); // the same shape  out
PARAMS { ZM_PARAMS_maxpool_fwd } p;

void main()
{
    EACH(e, p.batch * p.height * p.width * p.channels)
    {
        uint pixel = e / p.channels, b = pixel / p.width / p.height;
        float best = 0.0;
        uint tap = 9u;
        for (uint t = 0u; t < 9u; t++) {
            uint row = pixel / p.width % p.height + t / 3u - 1u; // below 0: huge
            uint col = pixel % p.width + t % 3u - 1u;
            if (row >= p.height || col >= p.width)
                continue;
            uint from = (b * p.height + row) * p.width + col;
            float v = x[from * p.channels + e % p.channels];
            if (tap == 9u || v > best) {
                best = v;
                tap = t;
            }
        }
        y[e] = best;
        which[e] = tap;
    }
}
