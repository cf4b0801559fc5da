#version 450
// y = mean of 2 x 2, stride 2
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, X, x); // (batch, height, width, channels)
BUFFER(1, Y, y);  // (batch, height / 2, width / 2, channels)  out
PARAMS { ZM_PARAMS_avgpool_fwd } p;

void main()
{
    uint rows = p.height / 2u, cols = p.width / 2u, line = p.width * p.channels;
    EACH(e, p.batch * rows * cols * p.channels)
    {
        uint pixel = e / p.channels, c = e % p.channels;
        uint i = pixel / cols * 2u * line + pixel % cols * 2u * p.channels + c;
        float top = x[i] + x[i + p.channels];
        y[e] = (top + (x[i + line] + x[i + line + p.channels])) * 0.25;
    }
}
