#include "core/cli/encoder_options.h"

#include <string.h>

#include "core/data/sample.h"
#include "core/nn/mae.h"

zm_encoder_args zm_encoder_args_default(void)
{
    return (zm_encoder_args){
        .vit = zm_mae_default(true).vit, .blocks = "pcm", .stretch = "asinh"};
}

zm_vit_config zm_encoder_config(const zm_encoder_args *args)
{
    zm_vit_config vit = args->vit;
    vit.pcm = strcmp(args->blocks, "pcm") == 0;
    return vit;
}

zm_status zm_sizes_agree(const zm_options *options, const char *path,
                         const zm_asked_size *sizes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (zm_options_given(options, sizes[i].option) && sizes[i].asked != sizes[i].has)
            return ZM_FAIL(ZM_ERR_USAGE, "--%s %u contradicts --init: %s has %u",
                           sizes[i].option, (unsigned)sizes[i].asked, path,
                           (unsigned)sizes[i].has);
    return ZM_OK;
}

zm_status zm_encoder_agrees(const zm_options *options, const zm_encoder_args *args,
                            const zm_model *model)
{
    const zm_vit_config *has = zm_model_vit(model);
    const zm_asked_size sizes[] = {{"image", args->vit.image, has->image},
                                   {"patch", args->vit.patch, has->patch},
                                   {"width", args->vit.width, has->width},
                                   {"depth", args->vit.depth, has->depth}};
    ZM_TRY(zm_sizes_agree(options, model->path, sizes, ZM_COUNT_OF(sizes)));
    if (zm_options_given(options, "blocks") && zm_encoder_config(args).pcm != has->pcm)
        return ZM_FAIL(ZM_ERR_USAGE, "--blocks %s contradicts --init: %s has %s blocks",
                       args->blocks, model->path, has->pcm ? "pcm" : "plain");
    return ZM_OK;
}

zm_status zm_measure_stretch(zm_model *model, zm_dataset *ds, const zm_order *order,
                             const char *stretch)
{
    enum { NOISE_ROWS = 2000 };
    zm_sampler sampler;
    float sigma[ZM_BANDS];
    model->pre.recorded = true;
    model->pre.stretch = ZM_STRETCH_NONE;
    for (int b = 0; b < ZM_BANDS; b++)
        model->pre.scale[b] = 1.0f;
    if (strcmp(stretch, "none") == 0)
        return ZM_OK;
    ZM_TRY(zm_sampler_init(&sampler, ds, ZM_MIN(ds->height, ds->width)));
    const zm_status st =
        zm_sampler_sigma(&sampler, order->train, order->train_count, NOISE_ROWS, sigma);
    zm_sampler_finish(&sampler);
    ZM_TRY(st);
    model->pre.stretch = ZM_STRETCH_ASINH;
    for (int b = 0; b < ZM_BANDS; b++)
        model->pre.scale[b] = 1.0f / (3.0f * sigma[b]);
    return ZM_OK;
}
