#version 450
// AdamW, equal to torch.optim.AdamW after clip_grad_norm_. With g = gradient *
// min(1, clip / (sqrt(sumsq) + 1e-6)) (clip 0: g = gradient), lr' = lr * lr scale:
//   m = m + (1 - beta1) (g - m),  v = beta2 v + (1 - beta2) g^2
//   weight = weight (1 - lr' decay decay_scale)
//            - lr' / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
// and gradient = 0. Where lr scale is 0 only the gradient changes.
// Source: Loshchilov & Hutter 2019 (arXiv:1711.05101), algorithm 2.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
BUFFER(0, WEIGHT, weight);     // (n)  updated
BUFFER(1, GRADIENT, gradient); // (n)  updated
BUFFER(2, M, m);               // (n)  updated
BUFFER(3, V, v);               // (n)  updated
RBUFFER(4, TABLE, table);      // (n / 128 rounded up, 2): lr scale, decay scale
// lr, beta1, beta2, eps, decay, 1 - beta1^t, 1 - beta2^t, clip
RBUFFER(5, HYPER, hyper);
RBUFFER(6, SUMSQ, sumsq);      // (1) of the whole gradient
PARAMS { ZM_PARAMS_adamw } p;

void main()
{
    float lr = hyper[0], beta1 = hyper[1], beta2 = hyper[2], eps = hyper[3];
    float root2 = sqrt(hyper[6]);
    float ratio = hyper[7] / (sqrt(sumsq[0]) + 1e-6);
    float clip = hyper[7] > 0.0 && !(ratio > 1.0) ? ratio : 1.0;
    EACH(i, p.n)
    {
        float lr_scale = table[i / 128u * 2u], decay_scale = table[i / 128u * 2u + 1u];
        if (lr_scale != 0.0) {
            float g = gradient[i] * clip;
            float mi = m[i] + (1.0 - beta1) * (g - m[i]);
            float vi = beta2 * v[i] + (1.0 - beta2) * g * g;
            m[i] = mi;
            v[i] = vi;
            weight[i] = weight[i] * (1.0 - lr * lr_scale * hyper[4] * decay_scale) -
                        lr * lr_scale / hyper[5] * (mi / (sqrt(vi) / root2 + eps));
        }
        gradient[i] = 0.0;
    }
}
