#version 450
// y = value
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
BUFFER(0, Y, y); // (n)  out
PARAMS { ZM_PARAMS_fill } p;

void main()
{
    EACH(i, p.n)
        y[i] = p.value;
}
