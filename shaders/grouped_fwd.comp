#version 450
// y[r, g cout + o] = b[g cout + o] + sum over c of x[r, g cin + c] w[g cout + o, c]
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, X, x); // (rows, groups cin)
RBUFFER(1, W, w); // (groups cout, cin)
RBUFFER(2, B, b); // (groups cout)
BUFFER(3, Y, y);  // (rows, groups cout)  out
PARAMS { ZM_PARAMS_grouped_fwd } p;

void main()
{
    uint outputs = p.groups * p.cout;
    EACH(i, p.rows * outputs)
    {
        uint o = i % outputs;
        uint from = i / outputs * p.groups * p.cin + o / p.cout * p.cin;
        float sum = 0.0;
        for (uint c = 0u; c < p.cin; c++)
            sum += x[from + c] * w[o * p.cin + c];
        y[i] = b[o] + sum;
    }
}
