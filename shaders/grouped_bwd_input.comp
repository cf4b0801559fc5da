#version 450
// dx[r, g cin + c] = sum over o of dy[r, g cout + o] w[g cout + o, c]
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, DY, dy); // (rows, groups cout)
RBUFFER(1, W, w);   // (groups cout, cin)
BUFFER(2, DX, dx);  // (rows, groups cin)  out; adds when p.accumulate != 0
PARAMS { ZM_PARAMS_grouped_bwd_input } p;

void main()
{
    uint inputs = p.groups * p.cin;
    EACH(i, p.rows * inputs)
    {
        uint g = i % inputs / p.cin, c = i % p.cin;
        uint from = i / inputs * p.groups * p.cout;
        float sum = 0.0;
        for (uint o = g * p.cout; o < (g + 1u) * p.cout; o++)
            sum += dy[from + o] * w[o * p.cin + c];
        dx[i] = p.accumulate != 0u ? dx[i] + sum : sum;
    }
}
