#include "io_helpers.h"

#include <sys/stat.h>
#include <unistd.h>

#include "core/survey/frame_list.h"

static char dir[TEST_PATH];

static void setup(void)
{
    test_dir_create(dir);
}

// The folders that tests make, inner ones first.
static void teardown(void)
{
    static const char *const folders[] = {"301/3", "301", "40", "."};
    for (size_t i = 0; i < ZM_COUNT_OF(folders); i++) {
        char path[TEST_PATH];
        struct stat info;
        if (stat(test_join(dir, folders[i], path), &info) == 0)
            test_dir_remove(i + 1 < ZM_COUNT_OF(folders) ? path : dir);
    }
}

TestSuite(frame_list, .init = setup, .fini = teardown);

static void make_folder(const char *name)
{
    char path[TEST_PATH];
    cr_assert_eq(mkdir(test_join(dir, name, path), 0700), 0);
}

// Frames of SDSS's names are not opened: an empty file will do.
static void make_file(const char *name)
{
    char path[TEST_PATH];
    test_write_file(test_join(dir, name, path), "", 0);
}

static bool ends_with(const char *path, const char *name)
{
    const size_t n = path ? strlen(path) : 0, m = strlen(name);
    return n >= m && strcmp(path + n - m, name) == 0;
}

Test(frame_list, finds_names_of_frames_at_any_depth_and_nothing_else)
{
    zm_frame_list list = {0};
    make_folder("301");
    make_folder("301/3");
    make_file("301/3/frame-r-003918-3-0213.fits.bz2");
    make_file("301/3/frame-u-003918-3-0213.fits.gz");
    make_file("frame-z-003918-3-0212.fits");
    make_file("frame-y-003918-3-0212.fits.bz2");
    make_file("frame-g-003918-3.fits.bz2");
    make_file("photoField-003918-3.fits");
    make_file("notes.txt");
    expect_ok(zm_frame_list_read(dir, NULL, &list));
    cr_assert(list.count == 2 && list.files == 3 && list.refused == 0);
    cr_expect_eq(list.fields[0].id.number, 212);
    cr_expect(ends_with(list.fields[0].path[4], "/frame-z-003918-3-0212.fits"));
    const zm_field_files *f = zm_frame_list_find(&list, &(zm_field_id){3918, 3, 213});
    cr_assert_eq(f, &list.fields[1]);
    cr_expect(ends_with(f->path[0], "/frame-u-003918-3-0213.fits.gz"));
    cr_expect(ends_with(f->path[2], "/301/3/frame-r-003918-3-0213.fits.bz2"));
    cr_expect(!f->path[1] && !f->path[3] && !f->path[4]);
    cr_expect_null(zm_frame_list_find(&list, &(zm_field_id){3918, 3, 214}));
    zm_frame_list_finish(&list);
}

Test(frame_list, of_two_reruns_the_first_by_name_is_taken)
{
    zm_frame_list list = {0};
    make_folder("301");
    make_folder("40");
    make_file("40/frame-r-003918-3-0213.fits.bz2");
    make_file("301/frame-r-003918-3-0213.fits.bz2");
    make_file("301/frame-r-003918-3-0213.fits");
    expect_ok(zm_frame_list_read(dir, NULL, &list));
    cr_assert(list.count == 1 && list.files == 1);
    cr_expect(ends_with(list.fields[0].path[2], "/301/frame-r-003918-3-0213.fits"));
    zm_frame_list_finish(&list);
}

// Two links to the folder itself make 2^32 paths of the greatest depth.
Test(frame_list, links_in_circles_end, .timeout = 20)
{
    static const char *const links[] = {"a", "b"};
    char path[TEST_PATH];
    zm_frame_list list = {0};
    make_file("frame-r-003918-3-0213.fits.bz2");
    for (size_t i = 0; i < ZM_COUNT_OF(links); i++)
        cr_assert_eq(symlink(".", test_join(dir, links[i], path)), 0);
    expect_ok(zm_frame_list_read(dir, NULL, &list));
    cr_expect(list.count == 1 && list.files == 1);
    zm_frame_list_finish(&list);
    for (size_t i = 0; i < ZM_COUNT_OF(links); i++)
        unlink(test_join(dir, links[i], path));
}

// The numbers of field 213 of run 3918, camera column 3, whose FRAME keywords are these.
Test(frame_list, the_field_of_a_header_allows_for_the_crossing_of_the_bands)
{
    static const int frames[ZM_BANDS] = {217, 221, 213, 215, 219};
    for (int band = 0; band < ZM_BANDS; band++) {
        char header[5 * 80 + 1];
        zm_field_id id;
        int found;
        char text[20];
        snprintf(text, sizeof text, "'%c       '", "ugriz"[band]);
        snprintf(header, sizeof header,
                 "%-8s= %20d%50s%-8s= %20d%50s%-8s= %20d%50s%-8s= %-20s%50s%-80s", "RUN",
                 3918, "", "CAMCOL", 3, "", "FRAME", frames[band], "", "FILTER", text, "",
                 "END");
        cr_assert(zm_frame_identify(header, &id, &found));
        cr_expect_eq(found, band);
        cr_expect(id.run == 3918 && id.camcol == 3 && id.number == 213, "%d", id.number);
    }
}
