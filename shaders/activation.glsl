// The activations ZM_ACT_* and their derivatives, for every shader that fuses one. A NaN
// goes through. Included after common.glsl.

// erf to 1.3e-7 absolute. |x| <= 1: x P(x^2); above: 1 - exp(-Q(|x|)), Q fitted to
// -log(erfc) on [1, 4]; erf(4) rounds to 1. The minimax fits themselves are below 1.1e-9;
// the rest is rounding.
float erf_f32(float x)
{
    float t = min(abs(x), 4.0);
    float s = t * t;
    float small = ((((((7.64710858e-05 * s - 7.94235384e-04) * s + 5.17974934e-03) * s -
                      2.68485919e-02) * s + 1.12834305e-01) * s - 3.76126051e-01) * s +
                   1.12837911) * t;
    float q = (((((-1.85574201e-04 * t + 2.93960935e-03) * t - 2.18053274e-02) * t +
                 1.03037387e-01) * t + 6.38225675e-01) * t + 1.12704003) * t +
              3.53716052e-04;
    float y = t <= 1.0 ? small : 1.0 - exp(-q);
    return x < 0.0 ? -y : y;
}

// Phi(x), the normal distribution function.
float normal_cdf(float x) { return 0.5 + 0.5 * erf_f32(x * 0.707106781); }

// 1 / (1 + exp(-x)); the exponent stays finite.
float logistic(float x) { return 1.0 / (1.0 + exp(min(-x, 87.0))); }

float act_value(uint kind, float x)
{
    if (kind == ZM_ACT_RELU)
        return x < 0.0 ? 0.0 : x;
    if (kind == ZM_ACT_GELU)
        return x * normal_cdf(x);
    if (kind == ZM_ACT_SILU)
        return x * logistic(x);
    return x;
}

// d act_value / dx. The slope of relu at 0 is 0, as in PyTorch.
float act_slope(uint kind, float x)
{
    if (kind == ZM_ACT_RELU)
        return x > 0.0 ? 1.0 : 0.0;
    if (kind == ZM_ACT_GELU) {
        float t = clamp(x, -13.0, 13.0); // exp(-t^2 / 2) is 0 there
        return normal_cdf(x) + x * 0.398942280 * exp(-0.5 * t * t);
    }
    if (kind == ZM_ACT_SILU) {
        float s = logistic(x);
        return s + s * x * (1.0 - s);
    }
    return 1.0;
}
