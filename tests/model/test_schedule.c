// Learning rates against closed forms.
#include <criterion/criterion.h>

#include <float.h>
#include <math.h>

#include "core/train/schedule.h"

#define expect_close(a, b)                                                               \
    cr_expect(fabs((a) - (b)) <= 8 * DBL_EPSILON, "%.17g is not %.17g", (a), (b))

Test(schedule, constant_is_constant)
{
    const zm_schedule s = {.kind = ZM_SCHEDULE_CONSTANT, .lr = 1e-3, .warmup_steps = 5};
    for (uint64_t step = 0; step < 100; step++)
        cr_expect_eq(zm_schedule_lr(&s, step), 1e-3);
}

Test(schedule, cosine_warms_up_then_falls_to_zero)
{
    const zm_schedule s = {
        .kind = ZM_SCHEDULE_COSINE, .lr = 0.5, .steps = 110, .warmup_steps = 10};
    for (uint64_t step = 0; step < 10; step++)
        expect_close(zm_schedule_lr(&s, step), 0.05 * (double)(step + 1));
    expect_close(zm_schedule_lr(&s, 10), 0.5);
    expect_close(zm_schedule_lr(&s, 60), 0.25);
    expect_close(zm_schedule_lr(&s, 35), 0.25 * (1 + sqrt(0.5)));
    expect_close(zm_schedule_lr(&s, 110), 0.0);
    expect_close(zm_schedule_lr(&s, 1000), 0.0);
    for (uint64_t step = 11; step < 110; step++)
        cr_expect_lt(zm_schedule_lr(&s, step), zm_schedule_lr(&s, step - 1));
}

Test(schedule, degenerate_cosines_stay_finite)
{
    const zm_schedule shapes[] = {
        {.kind = ZM_SCHEDULE_COSINE, .lr = 1},
        {.kind = ZM_SCHEDULE_COSINE, .lr = 1, .steps = 1},
        {.kind = ZM_SCHEDULE_COSINE, .lr = 1, .steps = 5, .warmup_steps = 5},
        {.kind = ZM_SCHEDULE_COSINE, .lr = 1, .steps = 5, .warmup_steps = 50},
        {.kind = ZM_SCHEDULE_CYCLIC, .lr = 1}};
    for (size_t i = 0; i < ZM_COUNT_OF(shapes); i++)
        for (uint64_t step = 0; step < 200; step++) {
            const double lr = zm_schedule_lr(&shapes[i], step);
            cr_expect(lr >= 0 && lr <= 1, "shape %zu step %u: %g", i, (unsigned)step, lr);
        }
}

Test(schedule, cyclic_falls_and_returns_every_tenth_epoch)
{
    const zm_schedule s = {.kind = ZM_SCHEDULE_CYCLIC, .lr = 2, .steps_per_epoch = 7};
    for (uint64_t epoch = 0; epoch < 35; epoch++) {
        const double want = epoch % 10 == 0 ? 2 : 2 * pow(0.995, (double)epoch);
        expect_close(zm_schedule_lr(&s, 7 * epoch), want);
        expect_close(zm_schedule_lr(&s, 7 * epoch + 6), want);
    }
}

Test(schedule, names_are_parsed)
{
    zm_schedule_kind kind = ZM_SCHEDULE_CONSTANT;
    cr_expect_eq(zm_schedule_parse("cosine", &kind), ZM_OK);
    cr_expect_eq(kind, ZM_SCHEDULE_COSINE);
    cr_expect_eq(zm_schedule_parse("cyclic", &kind), ZM_OK);
    cr_expect_eq(kind, ZM_SCHEDULE_CYCLIC);
    cr_expect_eq(zm_schedule_parse("Cosine", &kind), ZM_ERR_USAGE);
    cr_expect_eq(zm_schedule_parse("", &kind), ZM_ERR_USAGE);
    cr_expect_eq(kind, ZM_SCHEDULE_CYCLIC, "untouched by a failure");
}
