#include "core/cli/train_run.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cli/progress.h"
#include "core/cli/train_config.h"
#include "core/cli/validation.h"
#include "core/io/bytes.h"
#include "core/io/path.h"
#include "core/train/calibrate.h"
#include "core/train/checkpoint.h"
#include "core/train/train_log.h"

typedef struct run {
    const zm_train_args *args;
    const zm_options *options;
    zm_log log;
    zm_model *model;
    zm_dataset *ds;
    zm_order order;
    zm_gpu *gpu;
    zm_train_config config;
    zm_trainer *trainer;
    zm_validation validation; // predictor NULL: there is no validation part
    zm_calibration_kind calibrate;
    zm_train_log files;
    zm_progress progress;
    char *config_text;
    double best_loss;
    uint64_t best_step;
    uint64_t val_every;
    double last_loss;
} run;

zm_status zm_train_parse_list(const char *option, const char *list,
                              const char *const *names, uint32_t count, uint32_t *flags)
{
    uint32_t found = 0;
    for (const char *at = list; *at;) {
        const size_t n = strcspn(at, ",");
        uint32_t k = 0;
        while (k < count && (strlen(names[k]) != n || strncmp(at, names[k], n) != 0))
            k++;
        if (k == count)
            return ZM_FAIL(ZM_ERR_USAGE, "--%s: \"%.*s\" is not known: see --help",
                           option, (int)n, at);
        found |= 1u << k;
        at += n + (at[n] == ',');
    }
    *flags = found;
    return ZM_OK;
}

static zm_status parse_augment(const char *list, uint32_t *flags)
{
    static const char *const names[] = {"flip", "rot90", "angle"}; // ZM_AUG_*, in order
    *flags = 0;
    if (strcmp(list, "none") == 0)
        return ZM_OK;
    return zm_train_parse_list("augment", list, names, ZM_COUNT_OF(names), flags);
}

static uint64_t warmup_steps(const zm_train_args *a, uint64_t steps, uint64_t per_epoch)
{
    if (a->warmup != ZM_TRAIN_UNSET)
        return a->warmup;
    return a->warmup_epochs != ZM_TRAIN_UNSET ? a->warmup_epochs * per_epoch : steps / 20;
}

static zm_status configure(const zm_train_args *a, const zm_common *common,
                           const zm_order *order, bool finetune, zm_train_config *out)
{
    const uint64_t per_epoch = ZM_MAX((order->train_count + a->batch / 2) / a->batch, 1u);
    const uint64_t steps = a->steps ? a->steps : a->epochs * per_epoch;
    *out =
        (zm_train_config){.seed = common->seed,
                          .batch = a->batch,
                          .micro_batch = a->micro_batch,
                          .schedule = {.lr = a->lr,
                                       .steps = steps,
                                       .steps_per_epoch = per_epoch,
                                       .warmup_steps = warmup_steps(a, steps, per_epoch)},
                          .weight_decay = (float)a->weight_decay,
                          .beta1 = 0.9f,
                          .beta2 = finetune ? 0.999f : 0.95f,
                          .eps = 1e-8f,
                          .clip = (float)a->clip,
                          .noise = a->noise};
    ZM_TRY(zm_schedule_parse(a->schedule, &out->schedule.kind));
    return parse_augment(a->augment, &out->augment);
}

// How the weights came about: a summary in the metadata, the same after any resume.
static void describe_training(run *r)
{
    json_t *metrics = json_object();
    if (isfinite(r->best_loss)) {
        json_object_set_new(metrics, "best_validation_loss", json_real(r->best_loss));
        json_object_set_new(metrics, "best_step", json_integer((json_int_t)r->best_step));
    }
    json_decref(r->model->history);
    r->model->history = json_pack(
        "{s:{s:s, s:I, s:I, s:I, s:I}, s:o}", "training", "verb", r->options->verb,
        "objects", (json_int_t)r->order.train_count, "validation_objects",
        (json_int_t)r->order.val_count, "steps", (json_int_t)r->config.schedule.steps,
        "batch", (json_int_t)r->config.batch, "metrics", metrics);
}

// With the calibration that the last validation of these weights teaches.
static zm_status save_model(run *r, const char *name)
{
    if (r->calibrate != ZM_CALIBRATION_NONE)
        ZM_TRY(zm_validation_calibrate(&r->validation, r->calibrate,
                                       &r->model->calibration));
    char *path = zm_path_join(r->args->out, name);
    if (!path)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory", r->args->out);
    describe_training(r);
    const zm_status st = zm_model_save(r->model, path);
    free(path);
    r->model->calibration = (zm_calibration){.kind = ZM_CALIBRATION_NONE};
    return st;
}

// Where the bits come from: device, driver, instruction set.
static void device_text(const run *r, char text[320])
{
    const zm_caps *caps = zm_gpu_caps(r->gpu);
    snprintf(text, 320, "%s %s, %s%s%s", caps->backend, caps->name, caps->driver,
             caps->isa[0] ? ", " : "", caps->isa);
}

static zm_status restore(run *r, const zm_checkpoint *c)
{
    const zm_params *ps = &r->model->params;
    if (c->host_count != zm_params_host_count(ps) || c->moment_count != ps->weights)
        return ZM_FAIL(ZM_ERR_SHAPE, "%s: holds another model", c->path);
    memcpy(r->model->host, c->host, (size_t)c->host_count * sizeof(float));
    r->best_loss = c->state.best_loss;
    r->best_step = c->state.best_step;
    char device[320];
    device_text(r, device);
    if (strcmp(device, c->device) != 0)
        zm_log_write(&r->log, ZM_LOG_WARN,
                     "%s: was written on %s; on %s the run goes on, but not bit for bit",
                     c->path, c->device, device);
    return zm_trainer_restore(r->trainer, c->state.step, c->m, c->v);
}

static zm_status save_checkpoint(run *r)
{
    char device[320];
    device_text(r, device);
    const zm_run_state state = {.step = zm_trainer_steps(r->trainer),
                                .best_loss = r->best_loss,
                                .best_step = r->best_step,
                                .micro_batch = zm_trainer_memory(r->trainer).micro_batch,
                                .config = r->config_text,
                                .device = device};
    return zm_checkpoint_save(r->args->out, r->trainer, r->model, &state);
}

static void warn_log(const run *r)
{
    zm_log_write(&r->log, ZM_LOG_WARN,
                 "%s: the log cannot be written (disk full?); "
                 "training goes on",
                 r->args->out);
}

static zm_status validate_and_keep_best(run *r)
{
    double loss = INFINITY;
    ZM_TRY(zm_validation_loss(&r->validation, &loss));
    const bool best = loss < r->best_loss;
    if (!zm_train_log_validation(&r->files, zm_trainer_steps(r->trainer) - 1, loss, best))
        warn_log(r);
    if (!best)
        return ZM_OK;
    r->best_loss = loss;
    r->best_step = zm_trainer_steps(r->trainer);
    ZM_TRY(zm_params_download(&r->model->params, r->model->host));
    return save_model(r, "best.safetensors");
}

static void show_progress(run *r, uint64_t steps)
{
    char note[64];
    if (isfinite(r->best_loss))
        snprintf(note, sizeof note, "loss %.5g, best validation %.5g", r->last_loss,
                 r->best_loss);
    else
        snprintf(note, sizeof note, "loss %.5g", r->last_loss);
    zm_progress_set(&r->progress, steps * r->config.batch, note);
}

static zm_status take_result(run *r)
{
    zm_step_result result;
    zm_status st = zm_trainer_result(r->trainer, &result);
    if (st == ZM_PENDING) {
        ZM_TRY(zm_gpu_wait(r->gpu));
        st = zm_trainer_result(r->trainer, &result);
    }
    ZM_TRY(st);
    r->last_loss = result.loss;
    if (result.step % r->args->log_every == 0 && !zm_train_log_step(&r->files, &result))
        warn_log(r);
    show_progress(r, result.step + 1);
    return ZM_OK;
}

static zm_status drain(run *r)
{
    while (zm_trainer_pending(r->trainer) > 0)
        ZM_TRY(take_result(r));
    return ZM_OK;
}

// Runs what is due after a step: validation first, so that a checkpoint knows its best.
static zm_status after_step(run *r)
{
    const uint64_t done = zm_trainer_steps(r->trainer), last = r->config.schedule.steps;
    const uint64_t every = r->args->checkpoint_every;
    const bool val_due =
        r->validation.predictor && (done % r->val_every == 0 || done == last);
    const bool save_due = done == last || (every && done % every == 0);
    if (!val_due && !save_due)
        return ZM_OK;
    ZM_TRY(drain(r));
    if (val_due) {
        ZM_TRY(validate_and_keep_best(r));
        show_progress(r, done);
    }
    return save_due ? save_checkpoint(r) : ZM_OK;
}

static zm_status loop(run *r)
{
    while (zm_trainer_steps(r->trainer) < r->config.schedule.steps) {
        if (zm_cli_stop_requested()) {
            ZM_TRY(drain(r));
            ZM_TRY(save_checkpoint(r));
            return ZM_FAIL(
                ZM_ERR_INTERRUPTED,
                "by a signal after step %llu, checkpoint written: --resume auto "
                "continues",
                (unsigned long long)zm_trainer_steps(r->trainer));
        }
        if (zm_trainer_pending(r->trainer) == ZM_STEPS_IN_FLIGHT)
            ZM_TRY(take_result(r));
        ZM_TRY(zm_trainer_step(r->trainer));
        ZM_TRY(after_step(r));
    }
    return drain(r);
}

static zm_status prepare(run *r, const zm_checkpoint *c)
{
    ZM_TRY(zm_cli_open_gpu(&r->options->common, &r->gpu));
    if (c->path)
        r->config.micro_batch = c->state.micro_batch;
    ZM_TRY(zm_trainer_create(r->gpu, r->model, r->ds, &r->order, &r->config, &r->log,
                             &r->trainer));
    if (r->order.val_count > 0)
        ZM_TRY(zm_validation_init(&r->validation, r->gpu, r->model, r->ds, &r->order,
                                  r->config.batch, r->config.seed));
    r->val_every =
        r->args->val_every ? r->args->val_every : r->config.schedule.steps_per_epoch;
    if (c->path)
        ZM_TRY(restore(r, c));
    ZM_TRY(zm_make_dirs(r->args->out)); // nothing is left of a run that cannot start
    ZM_TRY(zm_train_config_write(r->args->out, r->options));
    ZM_TRY(zm_train_log_open(r->args->out, zm_trainer_steps(r->trainer), &r->files));
    const zm_train_memory memory = zm_trainer_memory(r->trainer);
    zm_log_write(
        &r->log, ZM_LOG_INFO,
        "%s: %.1f M parameters, %.1f M trained; memory: parameters %.1f MiB, step "
        "%.1f MiB; %u kernels a step, micro-batch %u",
        zm_gpu_caps(r->gpu)->name,
        (double)zm_params_count(&r->model->params, false) / 1e6,
        (double)zm_params_count(&r->model->params, true) / 1e6,
        (double)memory.parameters / 1048576.0, (double)memory.step / 1048576.0,
        memory.dispatches, memory.micro_batch);
    return ZM_OK;
}

// The final model was written after this checkpoint; an older one is another run's.
static bool model_follows(const run *r, const zm_checkpoint *c)
{
    struct stat model, checkpoint;
    char *path = zm_path_join(r->args->out, "model.safetensors");
    const bool found = path && stat(path, &model) == 0 && stat(c->path, &checkpoint) == 0;
    free(path);
    if (!found || model.st_mtim.tv_sec != checkpoint.st_mtim.tv_sec)
        return found && model.st_mtim.tv_sec > checkpoint.st_mtim.tv_sec;
    return model.st_mtim.tv_nsec >= checkpoint.st_mtim.tv_nsec;
}

static zm_status train(run *r)
{
    zm_checkpoint c = {0};
    ZM_TRY(zm_train_config_text(r->options, r->ds, r->model, &r->config_text));
    if (!r->args->resume && zm_checkpoint_any(r->args->out))
        return ZM_FAIL(ZM_ERR_USAGE,
                       "%s: holds checkpoints of an earlier run: give --resume auto to "
                       "continue it, or another --out",
                       r->args->out);
    zm_checkpoint_sweep(r->args->out);
    zm_status st =
        r->args->resume ? zm_checkpoint_load_newest(r->args->out, &r->log, &c) : ZM_OK;
    if (st == ZM_OK && c.path)
        st = zm_train_config_compare(c.path, c.config, r->config_text);
    if (st == ZM_OK && c.path && c.state.step >= r->config.schedule.steps &&
        model_follows(r, &c)) {
        zm_log_write(&r->log, ZM_LOG_INFO, "%s: finished already", r->args->out);
        zm_checkpoint_finish(&c);
        return ZM_OK;
    }
    if (st == ZM_OK)
        st = prepare(r, &c);
    zm_checkpoint_finish(&c);
    ZM_TRY(st);
    zm_cli_catch_signals();
    const uint64_t batch = r->config.batch;
    r->progress = zm_progress_init(
        r->options->verb, "cutouts", zm_trainer_steps(r->trainer) * batch,
        r->config.schedule.steps * batch, r->options->common.quiet);
    ZM_TRY(loop(r));
    zm_progress_finish(&r->progress);
    ZM_TRY(zm_params_download(&r->model->params, r->model->host));
    double loss;
    if (r->calibrate != ZM_CALIBRATION_NONE) // a resumed run may have no step left
        ZM_TRY(zm_validation_loss(&r->validation, &loss));
    return save_model(r, "model.safetensors");
}

// What --calibrate needs is asked for before hours go by.
static zm_status check_calibrate(run *r)
{
    if (!r->args->calibrate)
        return ZM_OK;
    ZM_TRY(zm_calibration_parse(r->args->calibrate, &r->calibrate));
    if (r->calibrate == ZM_CALIBRATION_NONE)
        return ZM_OK;
    if (zm_model_head(r->model)->kind == ZM_HEAD_POINT)
        return ZM_FAIL(ZM_ERR_USAGE,
                       "--calibrate: only a distribution can be calibrated: "
                       "use --head pdf or gauss");
    if (r->order.val_count < ZM_CALIBRATE_MIN_OBJECTS)
        return ZM_FAIL(ZM_ERR_USAGE,
                       "--calibrate: expected at least %d objects to learn it from, "
                       "found %u: use a larger --val",
                       ZM_CALIBRATE_MIN_OBJECTS, r->order.val_count);
    return ZM_OK;
}

// A recipe's warm-up may be longer than the steps that were asked for.
static void warn_warmup(const run *r)
{
    const zm_schedule *s = &r->config.schedule;
    if (s->kind == ZM_SCHEDULE_COSINE && s->warmup_steps > s->steps)
        zm_log_write(&r->log, ZM_LOG_WARN,
                     "the warm-up takes %llu steps, the run has %llu: the learning rate "
                     "never comes to --lr",
                     (unsigned long long)s->warmup_steps, (unsigned long long)s->steps);
}

static zm_status run_on(run *r, bool labelled)
{
    const zm_train_args *args = r->args;
    const zm_common *common = &r->options->common;
    ZM_TRY(check_calibrate(r));
    ZM_TRY(configure(args, common, &r->order, labelled, &r->config));
    warn_warmup(r);
    r->model->simulated = r->model->simulated || r->ds->simulated;
    ZM_TRY(train(r));
    if (r->ds->skipped == 0)
        return ZM_OK;
    return ZM_FAIL(ZM_ERR_FORMAT, "%s: %llu inputs were skipped", r->ds->path,
                   (unsigned long long)r->ds->skipped);
}

zm_status zm_train_verb(const zm_train_args *args, const zm_options *options,
                        zm_train_model_maker *make, const void *user, bool labelled)
{
    run r = {.args = args,
             .options = options,
             .log = zm_cli_log(&options->common),
             .best_loss = INFINITY};
    zm_status st = zm_dataset_open(args->data, zm_cli_helper(), &r.log, &r.ds);
    if (st == ZM_OK)
        st = zm_order_init(&r.order, r.ds, labelled, args->val,
                           strcmp(args->shuffle, "none") != 0, options->common.seed);
    if (st == ZM_OK)
        st = make(user, options, r.ds, &r.order, &r.model);
    if (st == ZM_OK)
        st = run_on(&r, labelled);
    zm_train_log_close(&r.files);
    zm_validation_finish(&r.validation);
    zm_trainer_destroy(&r.trainer);
    if (r.model)
        zm_params_finish_device(&r.model->params);
    zm_gpu_destroy(&r.gpu);
    zm_order_finish(&r.order);
    zm_model_destroy(&r.model);
    zm_dataset_close(&r.ds);
    free(r.config_text);
    return st;
}
