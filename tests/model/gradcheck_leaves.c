// The leaves of a case: drawn once a run, wrapped anew for every tape.
#include <stdlib.h>

#include "tests/model/gradcheck.h"

#define MUST(expr) cr_assert_eq((expr), ZM_OK, "%s", zm_error_detail())

static double uniform(zm_check *c)
{
    return 2 * zm_rng_double(&c->rng) - 1;
}

static double draw_one(zm_check *c, zm_check_draw draw, double m, uint64_t i, uint64_t n)
{
    const double u = uniform(c);
    switch (draw) {
    case ZM_CHECK_OFF_ZERO:
        return m * (u < 0 ? u * 0.98 - 0.02 : u * 0.98 + 0.02);
    case ZM_CHECK_POSITIVE:
        return m * (1 + u / 2);
    case ZM_CHECK_SPREAD: // 7919 is a prime
        return m * (2 * (double)(i * 7919 % n) / (double)n - 1 + u / (double)(8 * n));
    case ZM_CHECK_SYMMETRIC:
        break;
    }
    return m * u;
}

static zm_check_leaf *new_leaf(zm_check *c, uint64_t count)
{
    cr_assert_lt(c->count, ZM_CHECK_LEAVES);
    zm_check_leaf *leaf = &c->leaves[c->count++];
    *leaf = (zm_check_leaf){.count = count,
                            .host = zm_calloc(count, sizeof(double)),
                            .gradient = zm_calloc(count, sizeof(double)),
                            .found = zm_calloc(count, sizeof(double))};
    cr_assert(leaf->host && leaf->gradient && leaf->found);
    return leaf;
}

static zm_tensor *make(zm_check *c, bool constant, zm_check_draw draw, double magnitude,
                       uint32_t rank, const uint32_t *dims)
{
    const uint32_t place = c->next++;
    uint64_t count = 1;
    for (uint32_t i = 0; i < rank; i++)
        count *= dims[i];
    if (place == c->count) {
        zm_check_leaf *leaf = new_leaf(c, count);
        leaf->magnitude = magnitude;
        leaf->constant = constant;
        for (uint64_t i = 0; i < count; i++)
            leaf->host[i] = draw_one(c, draw, magnitude, i, count);
        MUST(zm_buf_create(c->gpu, count * sizeof(double), &leaf->value));
        MUST(zm_buf_create(c->gpu, count * sizeof(double), &leaf->add));
        MUST(zm_gpu_upload(c->gpu, zm_check_slice(leaf->value, leaf), leaf->host));
    }
    zm_check_leaf *leaf = &c->leaves[place];
    const zm_slice value = zm_check_slice(leaf->value, leaf),
                   add = zm_check_slice(leaf->add, leaf);
    const bool param =
        !leaf->constant &&
        (c->mode == ZM_CHECK_PARAMS || (c->mode == ZM_CHECK_ONLY && c->only == place));
    leaf->tensor = zm_tape_wrap(c->tape, value, param ? &add : NULL, rank, dims);
    if (c->mode == ZM_CHECK_INPUTS && !leaf->constant)
        zm_tape_want_grad(c->tape, leaf->tensor);
    return leaf->tensor;
}

zm_tensor *zm_check_leaf_of(zm_check *c, zm_check_draw draw, double magnitude,
                            uint32_t rank, uint32_t a, uint32_t b, uint32_t d, uint32_t e)
{
    return make(c, false, draw, magnitude, rank, (uint32_t[]){a, b, d, e});
}

zm_tensor *zm_check_constant(zm_check *c, zm_check_draw draw, double magnitude,
                             uint32_t rank, uint32_t a, uint32_t b, uint32_t d,
                             uint32_t e)
{
    return make(c, true, draw, magnitude, rank, (uint32_t[]){a, b, d, e});
}

void zm_check_skip(zm_check *c, uint32_t begin, uint32_t end)
{
    c->leaves[c->next - 1].skip_begin = begin;
    c->leaves[c->next - 1].skip_end = end;
}

zm_tensor *zm_check_index(zm_check *c, uint32_t rows, uint32_t cols, uint32_t limit)
{
    cr_assert_lt(c->index_count, ZM_CHECK_INDICES);
    uint32_t *values = zm_calloc((uint64_t)rows * cols, sizeof *values);
    for (uint32_t i = 0; i < rows; i++)
        for (uint32_t j = 0; j < cols; j++)
            values[i * cols + j] = (limit - 1 - j + i) % limit;
    zm_tensor *t = zm_tape_input(c->tape, ZM_U32, 2, (uint32_t[]){rows, cols});
    c->indices[c->index_count].tensor = t;
    c->indices[c->index_count++].values = values;
    return t;
}

void zm_check_draw_params(zm_check *c)
{
    if (c->count > 0)
        return;
    zm_params *ps = &c->params;
    MUST(zm_params_allocate(ps, c->gpu, true));
    float *host = zm_calloc(zm_params_host_count(ps), sizeof *host);
    cr_assert(host);
    zm_params_draw(ps, 5, host);
    for (uint64_t i = 0; i < ps->weights; i++) // no zero biases, no equal scales
        host[i] += (float)(0.05 * uniform(c));
    MUST(zm_params_upload(ps, host));
    for (uint32_t s = 0; s < ps->slot_count; s++) {
        const zm_param_slot *slot = &ps->slots[s];
        if (slot->frozen || slot->kind != ZM_PARAM_WEIGHT)
            continue;
        zm_check_leaf *leaf = new_leaf(c, slot->count);
        leaf->borrowed = true;
        leaf->value = ps->weight_buf;
        leaf->add = ps->grad_buf;
        leaf->offset = slot->offset * sizeof(double);
        leaf->magnitude = 0.2;
        for (uint64_t i = 0; i < slot->count; i++)
            leaf->host[i] = (double)host[slot->offset + i];
    }
    c->next = c->count;
    free(host);
}
