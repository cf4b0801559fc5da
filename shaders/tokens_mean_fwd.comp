#version 450
// y = mean of x over tokens begin .. tokens - 1
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
RBUFFER(0, X, x); // (batch, tokens, cols)
BUFFER(1, Y, y);  // (batch, cols)  out
PARAMS { ZM_PARAMS_tokens_mean_fwd } p;

void main()
{
    EACH(i, p.batch * p.cols)
    {
        uint from = i / p.cols * p.tokens * p.cols + i % p.cols;
        float sum = 0.0;
        for (uint t = p.begin; t < p.tokens; t++)
            sum += x[from + t * p.cols];
        y[i] = sum / float(p.tokens - p.begin);
    }
}
