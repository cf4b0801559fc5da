#version 450
// y = a + b
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, A, a); // (n)
RBUFFER(1, B, b); // (n)
BUFFER(2, Y, y);  // (n)  out
PARAMS { ZM_PARAMS_add } p;

void main()
{
    EACH(i, p.n)
        y[i] = a[i] + b[i];
}
