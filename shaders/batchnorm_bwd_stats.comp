#version 450
// sums = sum over rows of dy, and of dy xhat, xhat = (x - mean) / sqrt(var + eps); dgamma
// and dbeta are the same numbers
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "columns.glsl"
RBUFFER(0, DY, dy);        // (rows, cols)
RBUFFER(1, X, x);          // (rows, cols)
RBUFFER(2, MEAN, mean);    // (cols)
RBUFFER(3, VAR, var);      // (cols)
BUFFER(4, SUMS, sums);     // (2, cols)  out
BUFFER(5, DGAMMA, dgamma); // (cols)  out; adds when p.accumulate != 0
BUFFER(6, DBETA, dbeta);   // (cols)  out; the same
PARAMS { ZM_PARAMS_batchnorm_bwd_stats } p;

void main()
{
    for (uint k = 0u; k < COLUMN_ROUNDS(p.cols); k++) {
        uint c = COLUMN_AT(k);
        float g = 0.0, b = 0.0;
        if (c < p.cols) {
            float m = mean[c], rstd = 1.0 / sqrt(var[c] + p.eps);
            SUM_ROWS(g, r, p.rows, dy[r * p.cols + c] * ((x[r * p.cols + c] - m) * rstd))
            SUM_ROWS(b, r, p.rows, dy[r * p.cols + c])
        }
        g = lanes_sum(g);
        b = lanes_sum(b);
        if (c < p.cols && ROW_LANE == 0u) {
            sums[c] = b;
            sums[p.cols + c] = g;
            dgamma[c] = p.accumulate != 0u ? dgamma[c] + g : g;
            dbeta[c] = p.accumulate != 0u ? dbeta[c] + b : b;
        }
    }
}
