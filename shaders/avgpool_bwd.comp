#version 450
// dx = dy of the 2 x 2 block / 4
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, DY, dy); // (batch, height / 2, width / 2, channels)
BUFFER(1, DX, dx);  // (batch, height, width, channels)  out; adds when p.accumulate != 0
PARAMS { ZM_PARAMS_avgpool_bwd } p;

void main()
{
    EACH(e, p.batch * p.height * p.width * p.channels)
    {
        uint pixel = e / p.channels, row = pixel / p.width, col = pixel % p.width;
        uint from = row / 2u * (p.width / 2u) + col / 2u; // height is even
        float g = dy[from * p.channels + e % p.channels] * 0.25;
        dx[e] = p.accumulate != 0u ? dx[e] + g : g;
    }
}
