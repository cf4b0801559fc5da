#version 450
// y[b y x, c ky kx] = x[b, y + ky - pad, x + kx - pad, c], 0 outside, pad = (kernel - 1)
// / 2
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, X, x); // (batch, height, width, channels)
BUFFER(1, Y, y);  // (batch height width, channels kernel kernel)  out
PARAMS { ZM_PARAMS_im2col_fwd } p;

void main()
{
    uint taps = p.kernel * p.kernel, cols = p.channels * taps, pad = (p.kernel - 1u) / 2u;
    EACH(e, p.batch * p.height * p.width * cols)
    {
        uint pixel = e / cols, t = e % taps, c = e % cols / taps;
        uint row = pixel / p.width % p.height + t / p.kernel - pad; // below 0: huge
        uint col = pixel % p.width + t % p.kernel - pad;
        uint b = pixel / p.width / p.height;
        float v = 0.0;
        if (row < p.height && col < p.width)
            v = x[((b * p.height + row) * p.width + col) * p.channels + c];
        y[e] = v;
    }
}
