// What the last layer of a redshift model means.
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "core/nn/head.h"

static const zm_head pdf = {ZM_HEAD_PDF, 180, 0.0, 0.4};

Test(head, redshifts_on_an_edge_count_to_the_bin_above)
{
    const zm_head halves = {ZM_HEAD_PDF, 8, -1.0, 1.0}; // edges that are exact
    for (uint32_t k = 0; k < 8; k++) {
        const double edge = -1.0 + 0.25 * k;
        cr_expect_eq(zm_head_bin(&halves, edge), k);
        cr_expect_eq(zm_head_bin(&halves, edge + 0x1p-50), k);
        cr_expect_eq(zm_head_bin(&halves, edge - 0x1p-50), k ? k - 1 : 0);
    }
}

Test(head, redshifts_outside_count_to_the_nearest_bin)
{
    cr_expect_eq(zm_head_bin(&pdf, -0.001), 0);
    cr_expect_eq(zm_head_bin(&pdf, -1e300), 0);
    cr_expect_eq(zm_head_bin(&pdf, 0.4), 179);
    cr_expect_eq(zm_head_bin(&pdf, 7.0), 179);
    cr_expect_eq(zm_head_bin(&pdf, 1e300), 179);
}

Test(head, outputs_are_those_of_the_last_layer)
{
    const zm_head point = zm_head_default(ZM_HEAD_POINT);
    const zm_head gauss = zm_head_default(ZM_HEAD_GAUSS);
    cr_expect_eq(zm_head_outputs(&point), 1);
    cr_expect_eq(zm_head_outputs(&gauss), 2);
    cr_expect_eq(zm_head_outputs(&pdf), 180);
}

Test(head, names_are_parsed_and_others_refused)
{
    for (int i = ZM_HEAD_POINT; i <= ZM_HEAD_GAUSS; i++) {
        zm_head_kind kind = ZM_HEAD_POINT;
        cr_expect_eq(zm_head_kind_parse(zm_head_kind_name((zm_head_kind)i), &kind),
                     ZM_OK);
        cr_expect_eq((int)kind, i);
    }
    zm_head_kind kind;
    cr_expect_eq(zm_head_kind_parse("histogram", &kind), ZM_ERR_USAGE);
    cr_expect_not_null(strstr(zm_error_detail(), "histogram"));
}

Test(head, defaults_are_equal_to_themselves_and_fit)
{
    for (int i = ZM_HEAD_POINT; i <= ZM_HEAD_GAUSS; i++) {
        const zm_head a = zm_head_default((zm_head_kind)i);
        cr_expect_eq(zm_head_check(&a), ZM_OK);
        cr_expect(zm_head_equal(&a, &a));
        zm_head b = a;
        b.z_max += 0.1;
        cr_expect_not(zm_head_equal(&a, &b));
    }
}

Test(head, ranges_and_bins_that_make_no_sense_are_refused)
{
    const zm_head bad[] = {{ZM_HEAD_PDF, 0, 0, 1},
                           {ZM_HEAD_PDF, 1, 0, 1},
                           {ZM_HEAD_PDF, 4097, 0, 1},
                           {ZM_HEAD_GAUSS, 180, 1, 1},
                           {ZM_HEAD_GAUSS, 180, 1, 0},
                           {ZM_HEAD_PDF, 2, NAN, 1},
                           {ZM_HEAD_PDF, 2, 0, (double)INFINITY}};
    for (size_t i = 0; i < ZM_COUNT_OF(bad); i++)
        cr_expect_eq(zm_head_check(&bad[i]), ZM_ERR_SHAPE, "%zu", i);
}

// log 180 for equal logits, whatever their size; 0 where all weight is on the bin
Test(head, cross_entropy_does_not_see_the_size_of_logits)
{
    float logits[180];
    for (double level = -1e30; level <= 1e30; level += 1e30) {
        for (size_t i = 0; i < ZM_COUNT_OF(logits); i++)
            logits[i] = (float)level;
        cr_expect(fabs(zm_head_loss(&pdf, logits, 0.1) - log(180.0)) < 1e-14);
    }
    memset(logits, 0, sizeof logits);
    logits[zm_head_bin(&pdf, 0.1)] = 1000.0f;
    cr_expect_eq(zm_head_loss(&pdf, logits, 0.1), 0.0);
    cr_expect_eq(zm_head_loss(&pdf, logits, 0.3), 1000.0);
}

// The normal law's likelihood is largest at its mean and, for a residual d, at d^2 = var.
Test(head, normal_loss_is_least_at_the_residuals_variance)
{
    const zm_head gauss = zm_head_default(ZM_HEAD_GAUSS);
    const double d = 0.03125; // z 0.25 + d is exact
    const float best[] = {0.25f, (float)log(d * d)};
    const double least = zm_head_loss(&gauss, best, 0.25 + d);
    cr_expect(fabs(least - 0.5 * (1.0 + log(d * d))) < 1e-6);
    for (int side = -1; side <= 1; side += 2) {
        const float other[] = {0.25f, best[1] + 0.1f * (float)side};
        cr_expect_gt(zm_head_loss(&gauss, other, 0.25 + d), least);
    }
}

Test(head, regression_loss_is_the_squared_residual)
{
    const zm_head point = zm_head_default(ZM_HEAD_POINT);
    const float z = 0.5f;
    cr_expect_eq(zm_head_loss(&point, &z, 0.25), 0.0625);
}
