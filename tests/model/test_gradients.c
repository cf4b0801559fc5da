// Every gradient that the ops and the models compute equals the central difference.
#include <stdlib.h>
#include <string.h>

#include "tests/model/gradient_cases.h"

// One test a case.
#define CASE(name)                                                                       \
    Test(gradients, name)                                                                \
    {                                                                                    \
        zm_check_run(&zm_check_##name);                                                  \
    }
ZM_CHECK_OPS(CASE)
ZM_CHECK_MODELS(CASE)
#undef CASE

// A kernel of some backward pass that no case records is an op without a case.
Test(gradients, every_backward_kernel_has_a_case)
{
#define CASE(name) &zm_check_##name,
    static const zm_check_case *const cases[] = {ZM_CHECK_OPS(CASE)};
#undef CASE
    bool seen[ZM_KERNEL_COUNT] = {false};
    zm_check *c = zm_calloc(1, sizeof *c);
    cr_assert(c);
    for (size_t i = 0; i < ZM_COUNT_OF(cases); i++)
        for (int s = 0; s < ZM_CHECK_SHAPES && cases[i]->shapes[s][0]; s++) {
            zm_check_record(cases[i], cases[i]->shapes[s], c);
            for (size_t k = 0; k < zm_tape_dispatches(c->tape); k++)
                seen[zm_tape_kernel_at(c->tape, k)] = true;
            zm_check_finish(c);
        }
    free(c);
    for (int k = 0; k < ZM_KERNEL_COUNT; k++) {
        const char *name = zm_kernel_get((zm_kernel)k)->name;
        cr_expect(seen[k] || !strstr(name, "_bwd"), "no case records %s", name);
    }
    cr_expect(seen[ZM_KERNEL_colsum] && seen[ZM_KERNEL_copy]);
}
