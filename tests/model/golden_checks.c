#include "tests/model/golden_checks.h"

#include <stdlib.h>
#include <string.h>

#include "core/train/trainer.h"
#include "tests/unit/io_helpers.h"

static double fetched_error(const zm_golden *g, zm_gpu *gpu, zm_slice slice,
                            const char *what, const json_t *array, uint64_t count,
                            double scale)
{
    double *values = zm_golden_fetch(gpu, slice, count);
    const double error = zm_golden_error(g, what, array, values, count, scale);
    free(values);
    return error;
}

void zm_golden_check_outputs(zm_gpu *gpu, const char *name, const zm_golden_limits *limit)
{
    zm_golden g;
    zm_golden_pass pass;
    zm_golden_open(name, &g);
    zm_golden_run(&g, gpu, g.count, false, &pass);
    const json_t *want = json_object_get(g.json, "forward");
    const struct {
        const char *name;
        zm_tensor *tensor;
    } outputs[] = {
        {"pred", pass.pred},
        {"mask", pass.hidden},
        {json_object_get(want, "z_phot") ? "z_phot" : "outputs", pass.outputs}};
    double worst = 0;
    for (size_t i = 0; i < ZM_COUNT_OF(outputs); i++) {
        if (!outputs[i].tensor)
            continue;
        const double error =
            fetched_error(&g, gpu, zm_tape_slice(pass.tape, outputs[i].tensor),
                          outputs[i].name, json_object_get(want, outputs[i].name),
                          zm_tensor_count(outputs[i].tensor), 0);
        const double bound = outputs[i].tensor == pass.hidden ? 1e-8 : limit->forward;
        cr_expect(error <= bound, "%s: %s: error %.3g", name, outputs[i].name, error);
        worst = ZM_MAX(worst, error);
    }
    if (g.noise) {
        double *loss = zm_golden_fetch(gpu, zm_tape_slice(pass.tape, pass.loss), 1);
        const double error = zm_golden_number_error(json_object_get(want, "loss"), *loss);
        cr_expect(error <= limit->forward, "%s: loss %.9g: error %.3g", name, *loss,
                  error);
        free(loss);
    }
    cr_log_info("%s: forward: error %.2g\n", name, worst);
    zm_golden_finish(&g, &pass);
    zm_golden_close(&g);
}

// Every trained parameter is either listed with its gradient or dead.
static void check_complete(const zm_golden *g)
{
    const zm_params *ps = &g->model->params;
    const json_t *grads = json_object_get(g->json, "grads");
    const json_t *dead = json_object_get(g->json, "dead");
    size_t trained = 0;
    for (uint32_t i = 0; i < ps->name_count; i++)
        trained += !ps->names[i].alias && !ps->slots[ps->names[i].slot].frozen;
    cr_expect_eq(trained, json_object_size(grads) + json_array_size(dead),
                 "%s: %zu trained tensors", g->name, trained);
}

void zm_golden_check_gradients(zm_gpu *gpu, const char *name,
                               const zm_golden_limits *limit)
{
    zm_golden g;
    zm_golden_pass pass;
    zm_golden_open(name, &g);
    zm_golden_run(&g, gpu, g.batch, true, &pass);
    check_complete(&g);
    const zm_params *ps = &g.model->params;
    const uint64_t size = zm_dtype_size(zm_gpu_caps(gpu)->real);
    const double largest = json_number_value(json_object_get(g.json, "grad_scale"));
    static const char *const groups[] = {"grads", "buffers"};
    double worst[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        const double bound = i == 0 ? limit->gradient : limit->statistic;
        const char *tensor;
        json_t *array;
        json_object_foreach(json_object_get(g.json, groups[i]), tensor, array)
        {
            const zm_param_name *n = zm_params_find(ps, tensor);
            cr_assert(n, "%s: no parameter %s", name, tensor);
            const double most = json_number_value(json_object_get(array, "max"));
            const zm_slice slice = {i == 0 ? ps->grad_buf : ps->statistic_buf,
                                    ps->slots[n->slot].offset * size,
                                    ps->slots[n->slot].count * size};
            double *values = zm_golden_fetch(gpu, slice, ps->slots[n->slot].count);
            const double error =
                zm_golden_error(&g, tensor, array, values + n->offset, n->count,
                                i == 0 && most < 1e-9 * largest ? largest : 0);
            free(values);
            cr_expect(error <= bound, "%s: %s of %s: error %.3g", name, groups[i], tensor,
                      error);
            worst[i] = ZM_MAX(worst[i], error);
        }
    }
    cr_log_info("%s: gradients: error %.2g, statistics %.2g\n", name, worst[0], worst[1]);
    zm_golden_finish(&g, &pass);
    zm_golden_close(&g);
}

static zm_train_config config_of(const zm_golden *g)
{
    const json_t *options = json_object_get(g->json, "options");
    const json_t *betas = json_object_get(options, "betas");
    return (zm_train_config){
        .batch = g->batch,
        .schedule = {.lr = json_number_value(json_object_get(options, "lr"))},
        .weight_decay =
            (float)json_number_value(json_object_get(options, "weight_decay")),
        .beta1 = (float)json_number_value(json_array_get(betas, 0)),
        .beta2 = (float)json_number_value(json_array_get(betas, 1)),
        .eps = (float)json_number_value(json_object_get(options, "eps"))};
}

// What AdamW must leave alone, bit for bit: what is frozen, and what nothing depends on.
static void check_untouched(const zm_golden *g, const float *before)
{
    const zm_params *ps = &g->model->params;
    for (uint32_t i = 0; i < ps->name_count; i++) {
        const zm_param_name *n = &ps->names[i];
        const float *now = zm_params_host_at(ps, n, g->model->host);
        bool same =
            ps->slots[n->slot].frozen && ps->slots[n->slot].kind != ZM_PARAM_STATISTIC;
        json_t *name;
        size_t index;
        json_array_foreach(json_object_get(g->json, "dead"), index, name) same =
            same || strcmp(json_string_value(name), n->name) == 0;
        cr_expect(!same || memcmp(now, before + (now - g->model->host),
                                  n->count * sizeof *now) == 0,
                  "%s: training changed %s", g->name, n->name);
    }
}

void zm_golden_check_losses(zm_gpu *gpu, const char *name, double pretrain,
                            double finetune)
{
    char dir[TEST_PATH], path[TEST_PATH];
    zm_golden g;
    zm_dataset *ds = NULL;
    zm_order order;
    zm_trainer *trainer = NULL;
    zm_golden_open(name, &g);
    test_dir_create(dir);
    zm_golden_write_data(&g, test_join(dir, "data.safetensors", path));
    expect_ok(zm_dataset_open(path, NULL, NULL, &ds));
    expect_ok(zm_order_init(&order, ds, !g.noise, 0, false, 0));
    const zm_train_config config = config_of(&g);
    expect_ok(zm_trainer_create(gpu, g.model, ds, &order, &config, NULL, &trainer));
    const uint64_t count = zm_params_host_count(&g.model->params);
    float *before = zm_calloc(count, sizeof *before);
    float *m = zm_calloc(count, sizeof *m), *v = zm_calloc(count, sizeof *v);
    memcpy(before, g.model->host, count * sizeof *before);
    const json_t *losses = json_object_get(g.json, "losses");
    double worst = 0;
    for (size_t i = 0; i < json_array_size(losses); i++) {
        zm_step_result result;
        expect_ok(zm_trainer_step(trainer));
        expect_ok(zm_gpu_wait(gpu));
        expect_ok(zm_trainer_result(trainer, &result));
        const double error =
            zm_golden_number_error(json_array_get(losses, i), result.loss);
        cr_expect(error <= (g.noise ? pretrain : finetune),
                  "%s: loss %zu is %.9g: error %.3g", name, i, result.loss, error);
        worst = ZM_MAX(worst, error);
    }
    expect_ok(zm_trainer_save(trainer, m, v));
    check_untouched(&g, before);
    cr_log_info("%s: losses: error %.2g\n", name, worst);
    free(before);
    free(m);
    free(v);
    zm_trainer_destroy(&trainer);
    zm_params_finish_device(&g.model->params);
    zm_order_finish(&order);
    zm_dataset_close(&ds);
    zm_golden_close(&g);
    test_dir_remove(dir);
}
