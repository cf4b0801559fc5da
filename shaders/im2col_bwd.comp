#version 450
// dx[b, y, x, c] = sum over ky, kx of dy[b, y + pad - ky, x + pad - kx, c, ky, kx],
// inside the image, pad = (kernel - 1) / 2
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, DY, dy); // (batch height width, channels kernel kernel)
BUFFER(1, DX, dx);  // (batch, height, width, channels)  out; adds when p.accumulate != 0
PARAMS { ZM_PARAMS_im2col_bwd } p;

void main()
{
    uint taps = p.kernel * p.kernel, pad = (p.kernel - 1u) / 2u;
    EACH(e, p.batch * p.height * p.width * p.channels)
    {
        uint pixel = e / p.channels, c = e % p.channels;
        uint b = pixel / p.width / p.height;
        float sum = 0.0;
        for (uint t = 0u; t < taps; t++) {
            uint row = pixel / p.width % p.height + pad - t / p.kernel; // below 0: huge
            uint col = pixel % p.width + pad - t % p.kernel;
            uint from = (b * p.height + row) * p.width + col;
            if (row < p.height && col < p.width)
                sum += dy[(from * p.channels + c) * taps + t];
        }
        dx[e] = p.accumulate != 0u ? dx[e] + sum : sum;
    }
}
