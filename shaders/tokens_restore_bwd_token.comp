#version 450
// dtoken = sum over b and the hidden j (rank[b, j] >= visible) of dy[b, 1 + j]
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "columns.glsl"
RBUFFER(0, DY, dy);        // (batch, patches + 1, cols)
RUBUFFER(1, RANK, rank);   // (batch, patches)
BUFFER(2, DTOKEN, dtoken); // (cols)  out; adds when p.accumulate != 0
PARAMS { ZM_PARAMS_tokens_restore_bwd_token } p;

// dy of patch r of the batch where it is hidden
float hidden(uint r, uint c)
{
    if (rank[r] < p.visible)
        return 0.0;
    return dy[(r + r / p.patches + 1u) * p.cols + c];
}

void main()
{
    for (uint k = 0u; k < COLUMN_ROUNDS(p.cols); k++) {
        uint c = COLUMN_AT(k);
        float sum = 0.0;
        if (c < p.cols)
            SUM_ROWS(sum, r, p.batch * p.patches, hidden(r, c))
        sum = lanes_sum(sum);
        if (c < p.cols && ROW_LANE == 0u)
            dtoken[c] = p.accumulate != 0u ? dtoken[c] + sum : sum;
    }
}
