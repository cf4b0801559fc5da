#include "core/train/schedule.h"

#include <math.h>
#include <string.h>

double zm_schedule_lr(const zm_schedule *s, uint64_t step)
{
    const double pi = 3.14159265358979323846;
    switch (s->kind) {
    case ZM_SCHEDULE_CONSTANT:
        break;
    case ZM_SCHEDULE_COSINE: {
        if (step < s->warmup_steps)
            return s->lr * (double)(step + 1) / (double)s->warmup_steps;
        const double span = (double)ZM_MAX(s->steps - s->warmup_steps, 1u);
        const double t = (double)(step - s->warmup_steps) / span;
        return 0.5 * s->lr * (1.0 + cos(pi * ZM_MIN(t, 1.0)));
    }
    case ZM_SCHEDULE_CYCLIC: {
        const uint64_t epoch = step / ZM_MAX(s->steps_per_epoch, 1u);
        return epoch % 10 == 0 ? s->lr : s->lr * pow(0.995, (double)epoch);
    }
    }
    return s->lr;
}

zm_status zm_schedule_parse(const char *name, zm_schedule_kind *out)
{
    static const char *const names[] = {"constant", "cosine", "cyclic"};
    for (size_t i = 0; i < ZM_COUNT_OF(names); i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (zm_schedule_kind)i;
            return ZM_OK;
        }
    return ZM_FAIL(ZM_ERR_USAGE, "schedule \"%s\" is not constant, cosine or cyclic",
                   name);
}
