#version 450
// y[c] = sum over r of x[offset + r stride + c], c < cols outside [skip_begin, skip_end)
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "columns.glsl"
RBUFFER(0, X, x); // offset + (rows, stride)
BUFFER(1, Y, y);  // (cols)  out; adds when p.accumulate != 0
PARAMS { ZM_PARAMS_colsum } p;

void main()
{
    for (uint k = 0u; k < COLUMN_ROUNDS(p.cols); k++) {
        uint c = COLUMN_AT(k);
        float sum = 0.0;
        if (c < p.cols)
            SUM_ROWS(sum, r, p.rows, x[p.offset + r * p.stride + c])
        sum = lanes_sum(sum);
        if (c < p.cols && ROW_LANE == 0u && (c < p.skip_begin || c >= p.skip_end))
            y[c] = p.accumulate != 0u ? y[c] + sum : sum;
    }
}
