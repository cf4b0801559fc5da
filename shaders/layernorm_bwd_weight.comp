#version 450
// dgamma = sum over rows of dy xhat, dbeta = sum of dy, xhat = (x - mean) rstd
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "columns.glsl"
RBUFFER(0, DY, dy);        // (rows, cols)
RBUFFER(1, X, x);          // (rows, cols)
RBUFFER(2, STATS, stats);  // (rows, 2): mean, rstd
BUFFER(3, DGAMMA, dgamma); // (cols)  out; adds when p.accumulate != 0
BUFFER(4, DBETA, dbeta);   // (cols)  out; the same
PARAMS { ZM_PARAMS_layernorm_bwd_weight } p;

void main()
{
    for (uint k = 0u; k < COLUMN_ROUNDS(p.cols); k++) {
        uint c = COLUMN_AT(k);
        float g = 0.0, b = 0.0;
        if (c < p.cols) {
            SUM_ROWS(g, r, p.rows,
                     dy[r * p.cols + c] *
                         ((x[r * p.cols + c] - stats[2u * r]) * stats[2u * r + 1u]))
            SUM_ROWS(b, r, p.rows, dy[r * p.cols + c])
        }
        g = lanes_sum(g);
        b = lanes_sum(b);
        if (c < p.cols && ROW_LANE == 0u) {
            dgamma[c] = p.accumulate != 0u ? dgamma[c] + g : g;
            dbeta[c] = p.accumulate != 0u ? dbeta[c] + b : b;
        }
    }
}
