// Cases of layers, norms, elements and the optimizer.
#include "tests/unit/kernel_builder.h"

void kernel_build_grouped(builder *b, const uint32_t *d, uint32_t v)
{
    const size_t in = (size_t)d[1] * d[2], out = (size_t)d[1] * d[3];
    switch (b->k->kernel) { // rows, groups, cin, cout
    case ZM_KERNEL_grouped_fwd:
        PARAMS(grouped_fwd, d[0], d[1], d[2], d[3]);
        set_extent(b, d[0] * out);
        data(b, d[0] * in);
        normals(b, out * d[2], 1);
        normals(b, out, 1);
        written(b, d[0] * out);
        break;
    case ZM_KERNEL_grouped_bwd_input:
        PARAMS(grouped_bwd_input, d[0], d[1], d[2], d[3], v % 2);
        set_extent(b, d[0] * in);
        data(b, d[0] * out);
        normals(b, out * d[2], 1);
        data(b, d[0] * in);
        break;
    default:
        PARAMS(grouped_bwd_weight, d[0], d[1], d[2], d[3], v % 2);
        set_extent(b, out * d[2]);
        data(b, d[0] * out);
        normals(b, d[0] * in, 1);
        data(b, out * d[2]);
    }
}

void kernel_build_layernorm(builder *b, const uint32_t *d, uint32_t v)
{
    const size_t n = (size_t)d[0] * d[1];
    switch (b->k->kernel) { // rows, cols
    case ZM_KERNEL_layernorm_fwd:
        PARAMS(layernorm_fwd, d[0], d[1], 1e-6f);
        set_extent(b, d[0]);
        data(b, n);
        if (v >= 2) // a mean far from 0
            for (size_t i = 0; i < n; i++)
                b->k->array[0].value[i] =
                    (double)(float)(b->k->array[0].value[i] + 30 * b->magnitude);
        normals(b, d[1], 1);
        normals(b, d[1], 1);
        written(b, n);
        written(b, 2 * (size_t)d[0]);
        break;
    case ZM_KERNEL_layernorm_bwd_input:
        PARAMS(layernorm_bwd_input, d[0], d[1], v % 2);
        set_extent(b, d[0]);
        data(b, n);
        normals(b, n, 1);
        normals(b, d[1], 1);
        uniform(b, 2 * (size_t)d[0], 0.5, 1);
        data(b, n);
        break;
    case ZM_KERNEL_layernorm_bwd_weight:
        PARAMS(layernorm_bwd_weight, d[0], d[1], v % 2);
        set_extent(b, d[1]);
        data(b, n);
        normals(b, n, 1);
        uniform(b, 2 * (size_t)d[0], 0.5, 1);
        data(b, d[1]);
        data(b, d[1]);
        break;
    default:
        PARAMS(patch_norm, d[0], d[1], 1e-6f);
        set_extent(b, d[0]);
        data(b, n);
        written(b, n);
    }
}

void kernel_build_batchnorm(builder *b, const uint32_t *d, uint32_t v)
{
    const size_t n = (size_t)d[0] * d[1];
    const size_t cols = d[1];
    switch (b->k->kernel) { // rows, cols
    case ZM_KERNEL_batchnorm_stats:
        PARAMS(batchnorm_stats, d[0], d[1], 0.1f);
        set_extent(b, cols);
        data(b, n);
        written(b, cols);
        written(b, cols);
        data(b, cols);
        uniform(b, cols, 0, 1);
        break;
    case ZM_KERNEL_batchnorm_fwd:
        PARAMS(batchnorm_fwd, d[0], d[1], 1e-5f, v % 2 ? ZM_ACT_RELU : ZM_ACT_NONE);
        set_extent(b, n);
        data(b, n);
        data(b, cols);
        uniform(b, cols, 0.5, 1);
        normals(b, cols, 1);
        normals(b, cols, 1);
        written(b, n);
        break;
    case ZM_KERNEL_batchnorm_bwd_stats:
        PARAMS(batchnorm_bwd_stats, d[0], d[1], 1e-5f, v % 2);
        set_extent(b, cols);
        data(b, n);
        normals(b, n, 1);
        normals(b, cols, 1);
        uniform(b, cols, 0.5, 1);
        written(b, 2 * cols);
        data(b, cols);
        data(b, cols);
        break;
    default:
        PARAMS(batchnorm_bwd_input, d[0], d[1], 1e-5f, v < 2, v % 2);
        set_extent(b, n);
        data(b, n);
        normals(b, n, 1);
        normals(b, cols, 1);
        uniform(b, cols, 0.5, 1);
        normals(b, cols, 1);
        data(b, 2 * cols);
        data(b, n);
    }
}

void kernel_build_elements(builder *b, const uint32_t *d, uint32_t v)
{
    const size_t n = d[0];
    switch (b->k->kernel) {
    case ZM_KERNEL_act_fwd:
        PARAMS(act_fwd, d[0], v);
        set_extent(b, n);
        data(b, n);
        written(b, n);
        break;
    case ZM_KERNEL_act_bwd:
        PARAMS(act_bwd, d[0], v, d[0] % 2);
        set_extent(b, n);
        data(b, n);
        normals(b, n, 1);
        normals(b, n, 1);
        break;
    case ZM_KERNEL_fill:
        PARAMS(fill, d[0], -1.5f);
        set_extent(b, n);
        written(b, n);
        break;
    case ZM_KERNEL_add:
        PARAMS(add, d[0]);
        set_extent(b, n);
        data(b, n);
        data(b, n);
        written(b, n);
        break;
    case ZM_KERNEL_copy: { // n0, n1, n2: transposed when v >= 2, with a gap and an offset
        const bool turned = v >= 2;
        const uint32_t all = d[0] * d[1] * d[2];
        PARAMS(copy, d[0], d[1], d[2], d[1] * d[2], d[2], 1, 3, d[1] * d[2],
               turned ? 1 : d[2], turned ? d[1] : 1, 2, v % 2);
        set_extent(b, all);
        data(b, 3 + all);
        data(b, 4 + all);
        break;
    }
    default: { // adamw
        PARAMS(adamw, d[0]);
        set_extent(b, n);
        normals(b, n, 1);
        data(b, n);
        data(b, n);
        uniform(b, n, 0, b->magnitude * b->magnitude);
        uniform(b, (n + 127) / 128 * 2, 0.25, 1);
        if (v >= 2) // frozen
            b->k->array[4].value[0] = 0;
        kernel_array *hyper = add_array(b, false, 8);
        const float h[8] = {1e-3f, 0.9f, 0.95f, 1e-8f,
                            0.05f, 0.3f, 0.2f,  v % 2 ? (float)b->magnitude : 0.0f};
        for (int i = 0; i < 8; i++)
            hyper->value[i] = (double)h[i];
        uniform(b, 1, b->magnitude * b->magnitude, b->magnitude * b->magnitude * 3);
    }
    }
}
