#version 450
// dx = sum of dy of the windows whose maximum this element was
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, DY, dy);        // (batch, height, width, channels)
RUBUFFER(1, WHICH, which); // the same shape
BUFFER(2, DX, dx);         // the same shape  out; adds when p.accumulate != 0
PARAMS { ZM_PARAMS_maxpool_bwd } p;

void main()
{
    EACH(e, p.batch * p.height * p.width * p.channels)
    {
        uint pixel = e / p.channels, b = pixel / p.width / p.height;
        float sum = 0.0;
        for (uint t = 0u; t < 9u; t++) {
            uint row = pixel / p.width % p.height + 1u - t / 3u; // below 0: huge
            uint col = pixel % p.width + 1u - t % 3u;
            if (row >= p.height || col >= p.width)
                continue;
            uint i = ((b * p.height + row) * p.width + col) * p.channels + e % p.channels;
            if (which[i] == t)
                sum += dy[i];
        }
        dx[e] = p.accumulate != 0u ? dx[e] + sum : sum;
    }
}
