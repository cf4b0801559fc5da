// The same model for cutouts of another size: its tables of positions, interpolated.
#include <math.h>
#include <string.h>

#include "core/train/model.h"

// Weights of the four points around x = 0..1 between the second and the third.
// Source: Keys 1981 with a = -0.75, as torch.nn.functional.interpolate has it.
static void cubic_weights(double t, double w[4])
{
    const double a = -0.75;
    for (int i = 0; i < 4; i++) {
        const double x = fabs(t - (i - 1));
        w[i] = x <= 1.0 ? ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
                        : ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;
    }
}

typedef struct taps {
    uint32_t at[4];
    double weight[4];
} taps;

// Where element i of `to` lies among `from` elements: centres of pixels, not corners, and
// the edge goes on for ever.
static taps find_taps(uint32_t i, uint32_t from, uint32_t to)
{
    taps t;
    const double x = (i + 0.5) * from / to - 0.5;
    const double first = floor(x);
    cubic_weights(x - first, t.weight);
    for (int k = 0; k < 4; k++)
        t.at[k] = (uint32_t)fmin(fmax(first + k - 1, 0.0), from - 1.0);
    return t;
}

// (1 + from^2, width) -> (1 + to^2, width); row 0 belongs to the class token.
static void resize_table(const float *in, uint32_t from, float *out, uint32_t to,
                         uint32_t width)
{
    memcpy(out, in, width * sizeof *out);
    for (uint32_t y = 0; y < to; y++) {
        const taps v = find_taps(y, from, to);
        for (uint32_t x = 0; x < to; x++) {
            const taps h = find_taps(x, from, to);
            float *row = out + (1 + (uint64_t)y * to + x) * width;
            for (uint32_t c = 0; c < width; c++) {
                double sum = 0.0;
                for (int j = 0; j < 4; j++)
                    for (int i = 0; i < 4; i++)
                        sum +=
                            v.weight[j] * h.weight[i] *
                            (double)
                                in[(1 + (uint64_t)v.at[j] * from + h.at[i]) * width + c];
                row[c] = (float)sum;
            }
        }
    }
}

static bool same_shape(const zm_param_name *a, const zm_param_name *b)
{
    return a->rank == b->rank && memcmp(a->dim, b->dim, sizeof a->dim) == 0;
}

static zm_status copy_weights(const zm_model *from, zm_model *to)
{
    const uint32_t old_grid = zm_model_vit(from)->image / zm_model_vit(from)->patch;
    const uint32_t new_grid = zm_model_vit(to)->image / zm_model_vit(to)->patch;
    for (uint32_t i = 0; i < to->params.name_count; i++) {
        const zm_param_name *n = &to->params.names[i];
        const zm_param_name *source = zm_params_find(&from->params, n->name);
        const bool table = strcmp(n->name, "pos_embed") == 0 ||
                           strcmp(n->name, "decoder_pos_embed") == 0;
        if (!source || (!table && !same_shape(source, n)))
            return ZM_FAIL(ZM_ERR_SHAPE,
                           "tensor %s is of another shape at %u pixels; only "
                           "positions can be interpolated",
                           n->name, zm_model_vit(to)->image);
        const float *in = zm_params_host_at(&from->params, source, from->host);
        float *out = zm_params_host_at(&to->params, n, to->host);
        if (table && !same_shape(source, n))
            resize_table(in, old_grid, out, new_grid, n->dim[2]);
        else
            memcpy(out, in, n->count * sizeof *out);
    }
    return ZM_OK;
}

static zm_status create_resized(const zm_model *from, uint32_t image, zm_model **out)
{
    if (from->kind == ZM_MODEL_MAE) {
        zm_mae_config config = from->mae.config;
        config.vit.image = image;
        return zm_model_create_mae(&config, 0, out);
    }
    if (from->kind == ZM_MODEL_ASTROMAE) {
        zm_astromae_config config = from->astromae.config;
        config.vit.image = image;
        return zm_model_create_astromae(&config, 0, out);
    }
    return ZM_FAIL(ZM_ERR_USAGE, "a %s has no positions to interpolate",
                   zm_model_kind_name(from->kind));
}

zm_status zm_model_resize_positions(const zm_model *from, uint32_t image, zm_model **out)
{
    zm_model *model = NULL;
    ZM_TRY(create_resized(from, image, &model));
    zm_status st = copy_weights(from, model);
    if (st == ZM_OK && from->path && !(model->path = zm_strdup(from->path)))
        st = ZM_FAIL(ZM_ERR_MEMORY, "%s: out of memory", from->path);
    if (st != ZM_OK) {
        zm_model_destroy(&model);
        return st;
    }
    model->pre = from->pre;
    model->calibration = from->calibration;
    model->simulated = from->simulated;
    model->history = json_incref(from->history);
    *out = model;
    return ZM_OK;
}
