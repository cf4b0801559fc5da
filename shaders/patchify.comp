#version 450
// y[b, j] = pixels of patch idx[b, j] of image b, in (c, row, col) order, or (row, col,
// c) when channels_last
#extension GL_GOOGLE_include_directive : require
#define patch patch_side // patch is a reserved word of GLSL
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, IMG, img);  // (batch, size, size, channels)
RUBUFFER(1, IDX, idx); // (batch, count)
BUFFER(2, Y, y);       // (batch, count, patch patch channels)  out
PARAMS { ZM_PARAMS_patchify } p;

void main()
{
    uint area = p.patch * p.patch, cols = area * p.channels, side = p.size / p.patch;
    EACH(e, p.batch * p.count * cols)
    {
        uint j = e / cols, i = e % cols;
        uint pixel = p.channels_last != 0u ? i / p.channels : i % area;
        uint c = p.channels_last != 0u ? i % p.channels : i / area;
        uint row = idx[j] / side * p.patch + pixel / p.patch;
        uint col = idx[j] % side * p.patch + pixel % p.patch;
        y[e] = img[((j / p.count * p.size + row) * p.size + col) * p.channels + c];
    }
}
