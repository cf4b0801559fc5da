#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"

static const zm_status all[] = {
    ZM_OK,        ZM_PENDING,      ZM_ERR_USAGE,       ZM_ERR_FORMAT,
    ZM_ERR_SHAPE, ZM_ERR_IO,       ZM_ERR_MEMORY,      ZM_ERR_DEVICE,
    ZM_ERR_LOST,  ZM_ERR_INTERNAL, ZM_ERR_INTERRUPTED,
};

Test(base, products_and_sums_notice_overflow)
{
    uint64_t out = 77;
    cr_assert(zm_mul_u64(UINT32_MAX, UINT32_MAX, &out));
    cr_assert_eq(out, (uint64_t)UINT32_MAX * UINT32_MAX);
    cr_assert(zm_mul_u64(0, UINT64_MAX, &out) && out == 0);
    cr_assert(zm_mul_u64(UINT64_MAX, 1, &out) && out == UINT64_MAX);
    out = 77;
    cr_assert_not(zm_mul_u64((uint64_t)1 << 32, (uint64_t)1 << 32, &out));
    cr_assert_not(zm_mul_u64(UINT64_MAX, 2, &out));
    cr_assert_not(zm_add_u64(UINT64_MAX, 1, &out));
    cr_assert_eq(out, 77u, "untouched on overflow");
    cr_assert(zm_add_u64(UINT64_MAX - 1, 1, &out) && out == UINT64_MAX);
}

Test(base, allocation_is_zeroed_and_refuses_what_cannot_be)
{
    unsigned char *p = zm_calloc(100, 3);
    cr_assert_not_null(p);
    for (int i = 0; i < 300; i++)
        cr_assert_eq(p[i], 0);
    free(p);
    cr_assert_null(zm_calloc(0, 8));
    cr_assert_null(zm_calloc(8, 0));
    cr_assert_null(zm_calloc(UINT64_MAX, 2));
    cr_assert_null(zm_calloc(1, UINT64_MAX));
}

Test(base, a_string_copy_is_its_own)
{
    const char text[] = "galaxy";
    char *copy = zm_strdup(text);
    cr_assert_not_null(copy);
    cr_assert(copy != text && strcmp(copy, text) == 0);
    free(copy);
}

Test(base, a_failure_leaves_status_and_detail)
{
    cr_assert_eq(ZM_FAIL(ZM_ERR_IO, "%s: row %d", "a.fits", 7), ZM_ERR_IO);
    cr_assert_str_eq(zm_error_detail(), "a.fits: row 7");
    cr_assert_eq(zm_error_context(ZM_ERR_IO, "reading %s", "field 1"), ZM_ERR_IO);
    cr_assert_str_eq(zm_error_detail(), "reading field 1: a.fits: row 7");
    cr_assert_eq(zm_error_context(ZM_OK, "nothing"), ZM_OK);
    cr_assert_str_eq(zm_error_detail(), "reading field 1: a.fits: row 7");
}

Test(base, a_long_detail_is_cut)
{
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    (void)ZM_FAIL(ZM_ERR_USAGE, "%s", text);
    cr_assert_eq(strlen(zm_error_detail()), 1023u);
    (void)zm_error_context(ZM_ERR_USAGE, "%s", text);
    cr_assert_leq(strlen(zm_error_detail()), 1023u);
}

static zm_status pass_on(zm_status status, int *reached)
{
    ZM_TRY(status);
    *reached = 1;
    return ZM_OK;
}

Test(base, try_returns_the_first_failure)
{
    int reached = 0;
    cr_assert_eq(pass_on(ZM_ERR_SHAPE, &reached), ZM_ERR_SHAPE);
    cr_assert_eq(reached, 0);
    cr_assert_eq(pass_on(ZM_OK, &reached), ZM_OK);
    cr_assert_eq(reached, 1);
}

Test(base, every_status_has_a_name_and_only_success_exits_with_zero)
{
    for (size_t i = 0; i < ZM_COUNT_OF(all); i++) {
        cr_assert_str_neq(zm_status_name(all[i]), "unknown status");
        cr_assert_eq(zm_status_exit(all[i]) == 0, all[i] <= ZM_PENDING);
        for (size_t j = 0; j < i; j++)
            cr_assert_str_neq(zm_status_name(all[i]), zm_status_name(all[j]));
    }
    cr_assert_eq(zm_status_exit(ZM_ERR_INTERRUPTED), 130);
}

static void keep(void *user, zm_log_level level, const char *message)
{
    snprintf(user, 64, "%d %s", (int)level, message);
}

Test(base, a_log_gets_the_message_and_none_is_allowed)
{
    char text[64] = "";
    const zm_log log = {.write = keep, .user = text};
    zm_log_write(&log, ZM_LOG_INFO, "step %d", 3);
    cr_assert_str_eq(text, "1 step 3");
    zm_log_write(NULL, ZM_LOG_INFO, "nobody");
    zm_log_write(&(zm_log){0}, ZM_LOG_INFO, "nobody");
}
