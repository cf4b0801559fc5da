#include <criterion/criterion.h>

#include <stdlib.h>

#include "core/io/path.h"

Test(path, suffixes_are_exact_and_extensions_are_not)
{
    cr_assert(zm_has_suffix("bn1.num_batches_tracked", "num_batches_tracked"));
    cr_assert_not(zm_has_suffix("bn1.NUM_BATCHES_TRACKED", "num_batches_tracked"));
    cr_assert(zm_has_suffix("a", "") && zm_has_suffix("a", "a"));
    cr_assert_not(zm_has_suffix("", "a"));
    cr_assert(zm_has_extension("dir/A.FITS", ".fits"));
    cr_assert_not(zm_has_extension("a.fits.gz", ".fits"));
    cr_assert_not(zm_has_extension("fits", ".fits"));
}

Test(path, joins_with_one_slash)
{
    static const char *const cases[][3] = {{"a", "b", "a/b"},
                                           {"a/", "b", "a/b"},
                                           {"/", "b", "/b"},
                                           {".", "x y.fits", "./x y.fits"}};
    for (size_t i = 0; i < ZM_COUNT_OF(cases); i++) {
        char *path = zm_path_join(cases[i][0], cases[i][1]);
        cr_expect_str_eq(path, cases[i][2]);
        free(path);
    }
}
