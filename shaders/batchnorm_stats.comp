#version 450
// mean and biased variance over the rows of each column, in two passes; running = (1 -
// momentum) running + momentum (mean, unbiased variance)
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "columns.glsl"
RBUFFER(0, X, x);            // (rows, cols)
BUFFER(1, MEAN, mean);       // (cols)  out
BUFFER(2, VAR, var);         // (cols)  out
BUFFER(3, RMEAN, run_mean);  // (cols)  updated
BUFFER(4, RVAR, run_var);    // (cols)  updated
PARAMS { ZM_PARAMS_batchnorm_stats } p;

void main()
{
    float rows = float(p.rows);
    float unbiased = p.rows > 1u ? rows / (rows - 1.0) : 1.0;
    for (uint k = 0u; k < COLUMN_ROUNDS(p.cols); k++) {
        uint c = COLUMN_AT(k);
        float sum = 0.0;
        if (c < p.cols)
            SUM_ROWS(sum, r, p.rows, x[r * p.cols + c])
        float m = lanes_sum(sum) / rows;
        sum = 0.0;
        if (c < p.cols)
            SUM_ROWS(sum, r, p.rows,
                     (x[r * p.cols + c] - m) * (x[r * p.cols + c] - m))
        float v = lanes_sum(sum) / rows;
        if (c < p.cols && ROW_LANE == 0u) {
            mean[c] = m;
            var[c] = v;
            run_mean[c] = (1.0 - p.momentum) * run_mean[c] + p.momentum * m;
            run_var[c] = (1.0 - p.momentum) * run_var[c] + p.momentum * v * unbiased;
        }
    }
}
