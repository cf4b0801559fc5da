#include "io_helpers.h"

#include <fitsio.h>
#include <math.h>

#include "core/data/photometry.h"
#include "core/survey/source_list.h"

typedef struct heard {
    int warnings;
    char all[8192];
} heard;

static void hear(void *user, zm_log_level level, const char *message)
{
    heard *h = user;
    const size_t n = strlen(h->all);
    h->warnings += level == ZM_LOG_WARN;
    snprintf(h->all + n, sizeof h->all - n, "%s\n", message);
}

static zm_status read_text(const char *text, zm_mag_choice mags, heard *h,
                           zm_source_list *out)
{
    char dir[TEST_PATH], path[TEST_PATH];
    const zm_log log = {hear, h};
    test_dir_create(dir);
    test_write_file(test_join(dir, "cat.csv", path), text, strlen(text));
    const zm_status st = zm_source_list_read(path, NULL, mags, &log, out);
    test_dir_remove(dir);
    return st;
}

Test(source_list, a_table_of_skyserver_is_read_exactly)
{
    static const char text[] =
        "#Table1\r\n"
        "objID,RA,dec,run,Camcol,FIELD,modelMag_u,modelMag_g,modelMag_r,modelMag_i,"
        "modelMag_z,extinction_u,extinction_g,extinction_r,extinction_i,extinction_z,z,"
        "zWarning\r\n"
        "1237662301903192107,229.525576,42.745854,3918,3,213,16,15.5,15,14.75,14.5,"
        "0.5155,0.3793,0.2751,0.2086,0.1479,0.04027,0\r\n"
        "1237662301903192106,10,-5,null,NULL,,-9999,15,15,15,15,,,,,,0.1,4\r\n";
    heard h = {0};
    zm_source_list list = {0};
    expect_ok(read_text(text, ZM_MAGS_AUTO, &h, &list));
    cr_assert_eq(list.count, 2);
    cr_expect(list.faults == 0 && h.warnings == 0, "%s", h.all);
    cr_expect_eq(list.mag_kind, ZM_MAG_MODEL);
    const zm_source *s = list.sources;
    cr_expect_eq(s[0].row.object_id, INT64_C(1237662301903192107)); // more than 2^53
    cr_expect(s[0].row.ra_deg == 229.525576 && s[0].row.dec_deg == 42.745854);
    cr_expect(s[0].run == 3918 && s[0].camcol == 3 && s[0].number == 213);
    cr_expect(s[0].row.z == 0.04027f && s[0].row.ebv == 0.1f);
    static const float expected[ZM_BANDS] = {15.4845f, 15.1207f, 14.7249f, 14.5414f,
                                             14.3521f};
    for (int b = 0; b < ZM_BANDS; b++)
        cr_expect_float_eq(s[0].row.mags[b], expected[b], 2e-6f, "band %d", b);
    cr_expect_eq(s[0].row.flags, 0u);
    cr_expect(s[1].run == -1 && s[1].camcol == -1 && s[1].number == -1);
    cr_expect(isnan(s[1].row.z) && strstr(h.all, "1 redshifts with zWarning"));
    cr_expect(isnan(s[1].row.mags[0]) && s[1].row.mags[1] == 15.0f);
    cr_expect_eq(s[1].row.flags, (uint32_t)ZM_FLAG_NOT_DEREDDENED);
    zm_source_list_finish(&list);
}

Test(source_list, bare_letters_are_magnitudes_and_redshift_has_its_own_name)
{
    static const char text[] = "u,g,r,i,z,redshift,ra,dec,ebv\n"
                               "19,18,17,16.5,16.25,0.1,1,2,0.1\n";
    heard h = {0};
    zm_source_list list = {0};
    expect_ok(read_text(text, ZM_MAGS_MODEL, &h, &list));
    const zm_row *row = &list.sources[0].row;
    cr_expect_eq(row->z, 0.1f);
    static const double given[ZM_BANDS] = {19, 18, 17, 16.5, 16.25};
    static const double sf11[ZM_BANDS] = {4.239, 3.303, 2.285, 1.698, 1.263};
    for (int b = 0; b < ZM_BANDS; b++)
        cr_expect_float_eq((double)row->mags[b], given[b] - 0.1 * sf11[b], 2e-6,
                           "band %d", b);
    cr_expect_eq(row->object_id, 0);
    zm_source_list_finish(&list);
    expect_ok(
        read_text("u,g,r,i,z,ra,dec\n19,18,17,16,15,1,2\n", ZM_MAGS_AUTO, &h, &list));
    cr_expect(isnan(list.sources[0].row.z));
    zm_source_list_finish(&list);
    expect_ok(read_text("z,ra,dec\n0.25,1,2\n", ZM_MAGS_AUTO, &h, &list));
    cr_expect(list.sources[0].row.z == 0.25f && list.mag_kind == ZM_MAG_APERTURE);
    zm_source_list_finish(&list);
}

// SDSS has published extinctions by two sets of coefficients of the same E(B-V): 17 %
// apart in r, but only 1 % in the ratios of the bands.
Test(source_list, ebv_is_the_same_from_either_set_of_coefficients)
{
    static const double *const sets[] = {zm_sfd_extinction_per_ebv,
                                         zm_extinction_per_ebv};
    static const double ebv[] = {0.02, 0.3};
    for (size_t s = 0; s < ZM_COUNT_OF(sets); s++) {
        char text[1024] = "extinction_u,extinction_g,extinction_r,extinction_i,"
                          "extinction_z,ra,dec\n-9999,0,0,0,0,1,2\n";
        for (size_t i = 0; i < ZM_COUNT_OF(ebv); i++) {
            for (int b = 0; b < ZM_BANDS; b++) { // SkyServer prints so many digits
                const size_t n = strlen(text);
                snprintf(text + n, sizeof text - n, "%.7f,", ebv[i] * sets[s][b]);
            }
            strcat(text, "1,2\n");
        }
        heard h = {0};
        zm_source_list list = {0};
        expect_ok(read_text(text, ZM_MAGS_AUTO, &h, &list));
        cr_expect(isnan(list.sources[0].row.ebv));
        for (size_t i = 0; i < ZM_COUNT_OF(ebv); i++)
            cr_expect_float_eq((double)list.sources[i + 1].row.ebv, ebv[i], 1e-6);
        zm_source_list_finish(&list);
    }
    heard h = {0};
    zm_source_list list = {0};
    expect_ok(read_text("ra,dec,ext_r,ebv\n1,2,0.5502,\n1,2,0.5502,0.1\n1,2,-9999,\n",
                        ZM_MAGS_AUTO, &h, &list));
    cr_expect_float_eq((double)list.sources[0].row.ebv, 0.2, 1e-7);
    cr_expect(list.sources[1].row.ebv == 0.1f && isnan(list.sources[2].row.ebv));
    zm_source_list_finish(&list);
}

Test(source_list, the_kind_of_magnitudes_can_be_chosen)
{
    static const char text[] =
        "ra,dec,dered_u,dered_g,dered_r,dered_i,dered_z,petroMag_u,petroMag_g,petroMag_r,"
        "petroMag_i,petroMag_z,cModelMag_u,cModelMag_g,cModelMag_r,cModelMag_i,"
        "cModelMag_z,ext_r\n"
        "1,2,11,12,13,14,15,21,22,23,24,25,16,17,18,19,20,0\n";
    static const struct {
        zm_mag_choice choice;
        zm_mag_kind kind;
        float u;
    } cases[] = {{ZM_MAGS_AUTO, ZM_MAG_MODEL, 11.0f},
                 {ZM_MAGS_MODEL, ZM_MAG_MODEL, 11.0f},
                 {ZM_MAGS_CMODEL, ZM_MAG_CMODEL, 16.0f},
                 {ZM_MAGS_PETRO, ZM_MAG_PETRO, 21.0f}};
    heard h = {0};
    zm_source_list list = {0};
    for (size_t i = 0; i < ZM_COUNT_OF(cases); i++) {
        expect_ok(read_text(text, cases[i].choice, &h, &list));
        cr_expect(list.mag_kind == cases[i].kind &&
                  list.sources[0].row.mags[0] == cases[i].u);
        zm_source_list_finish(&list);
    }
    expect_ok(read_text(text, ZM_MAGS_APERTURE, &h, &list));
    cr_expect(list.mag_kind == ZM_MAG_APERTURE && isnan(list.sources[0].row.mags[0]));
    zm_source_list_finish(&list);
    expect_status(read_text("ra,dec\n1,2\n", ZM_MAGS_PETRO, &h, &list), ZM_ERR_FORMAT);
    expect_detail("petro magnitudes");
}

Test(source_list, bad_rows_stay_and_are_named)
{
    static const char text[] = "objid,ra,dec\n"
                               "1,10,20\n"
                               "2,,20\n"
                               "3,10,95\n"
                               "1,11,21\n"
                               "four,12,22\n"
                               "5,abc,22\n"
                               "1,13,23\n";
    heard h = {0};
    zm_source_list list = {0};
    expect_ok(read_text(text, ZM_MAGS_AUTO, &h, &list));
    static const uint32_t flags[7] = {
        0, ZM_FLAG_BAD_ROW, ZM_FLAG_BAD_ROW,     ZM_FLAG_DUPLICATE_ID,
        0, ZM_FLAG_BAD_ROW, ZM_FLAG_DUPLICATE_ID};
    cr_assert_eq(list.count, 7);
    for (int i = 0; i < 7; i++)
        cr_expect_eq(list.sources[i].row.flags, flags[i], "row %d", i + 1);
    cr_expect_eq(list.sources[4].row.object_id, 4); // its number from 0
    static const char *const said[] = {"row 2: expected RA",
                                       "row 3: expected RA",
                                       "row 4: has the object_id 1 of row 1",
                                       "row 5, column objid: expected a 64-bit integer",
                                       "row 6, column ra: expected a number",
                                       "row 7: has the object_id 1 of row 1"};
    for (size_t i = 0; i < ZM_COUNT_OF(said); i++)
        cr_expect(strstr(h.all, said[i]), "no \"%s\" in %s", said[i], h.all);
    cr_expect_eq(list.faults, 7); // row 6 has two: the cell, and so no position
    zm_source_list_finish(&list);
}

Test(source_list, many_faults_are_counted_not_listed)
{
    static char text[4096] = "ra,dec\n";
    heard h = {0};
    zm_source_list list = {0};
    for (int i = 0; i < 100; i++)
        strcat(text, ",\n");
    expect_ok(read_text(text, ZM_MAGS_AUTO, &h, &list));
    cr_expect(list.faults == 100 && h.warnings == 21, "%d", h.warnings);
    cr_expect(strstr(h.all, "100 rows without a position in all"));
    zm_source_list_finish(&list);
}

Test(source_list, what_is_no_catalogue_is_an_error)
{
    heard h = {0};
    zm_source_list list = {0};
    expect_status(read_text("ra,z\n1,2\n", ZM_MAGS_AUTO, &h, &list), ZM_ERR_FORMAT);
    expect_detail("found no dec");
    expect_status(read_text("ra,dec\n", ZM_MAGS_AUTO, &h, &list), ZM_ERR_FORMAT);
    expect_status(read_text("", ZM_MAGS_AUTO, &h, &list), ZM_ERR_FORMAT);
    expect_status(read_text("ra,dec\n1\n", ZM_MAGS_AUTO, &h, &list), ZM_ERR_FORMAT);
    expect_status(
        zm_source_list_read("/nowhere/cat.csv", NULL, ZM_MAGS_AUTO, NULL, &list),
        ZM_ERR_IO);
    cr_expect(list.sources == NULL && list.count == 0);
}

Test(source_list, vector_columns_of_fits_are_read)
{
    static char *names[] = {"RA", "DEC", "MODELFLUX", "EXTINCTION", "Z", "OBJID"};
    static char *forms[] = {"D", "D", "5E", "5E", "E", "K"};
    char dir[TEST_PATH], path[TEST_PATH];
    double ra[2] = {10, 20}, dec[2] = {-1, 1};
    float flux[10] = {1, 2, 4, 8, 16, 100, 200, 400, 800, -1};
    float extinction[10] = {0.4239f, 0.3303f, 0.2285f, 0.1698f, 0.1263f}; // SF11
    float z[2] = {0.1f, NAN};
    LONGLONG id[2] = {INT64_C(1237662301903192107), 7};
    int status = 0;
    fitsfile *f = NULL;
    zm_source_list list = {0};
    test_dir_create(dir);
    test_join(dir, "cat.fits", path);
    fits_create_diskfile(&f, path, &status);
    fits_create_tbl(f, BINARY_TBL, 0, 6, names, forms, NULL, "CAT", &status);
    fits_write_col(f, TDOUBLE, 1, 1, 1, 2, ra, &status);
    fits_write_col(f, TDOUBLE, 2, 1, 1, 2, dec, &status);
    fits_write_col(f, TFLOAT, 3, 1, 1, 10, flux, &status);
    fits_write_col(f, TFLOAT, 4, 1, 1, 10, extinction, &status);
    fits_write_col(f, TFLOAT, 5, 1, 1, 2, z, &status);
    fits_write_col(f, TLONGLONG, 6, 1, 1, 2, id, &status);
    fits_close_file(f, &status);
    cr_assert_eq(status, 0);
    expect_ok(zm_source_list_read(path, NULL, ZM_MAGS_AUTO, NULL, &list));
    cr_assert_eq(list.count, 2);
    const zm_row *row = &list.sources[0].row;
    cr_expect(row->object_id == id[0] && row->ra_deg == 10 && row->dec_deg == -1);
    cr_expect(row->z == 0.1f && isnan(list.sources[1].row.z));
    cr_expect_float_eq(row->ebv, 0.1f, 1e-7f);
    for (int b = 0; b < ZM_BANDS; b++)
        cr_expect_float_eq((double)row->mags[b],
                           zm_asinh_mag((double)flux[b], b) - (double)extinction[b], 2e-6,
                           "band %d", b);
    // a negative flux has an asinh magnitude
    cr_expect(list.mag_kind == ZM_MAG_MODEL && isfinite(list.sources[1].row.mags[4]));
    zm_source_list_finish(&list);
    test_dir_remove(dir);
}

// As BESTOBJID of SDSS's spectroscopic tables.
Test(source_list, ids_written_out_in_fits_are_numbers)
{
    static char *names[] = {"RA", "DEC", "BESTOBJID"};
    static char *forms[] = {"D", "D", "19A"};
    char *ids[4] = {"1237662301903192107", "", "12x", "99999999999999999999"};
    char dir[TEST_PATH], path[TEST_PATH];
    double places[4] = {1, 2, 3, 4};
    int status = 0;
    fitsfile *f = NULL;
    heard h = {0};
    const zm_log log = {hear, &h};
    zm_source_list list = {0};
    test_dir_create(dir);
    test_join(dir, "cat.fits", path);
    fits_create_diskfile(&f, path, &status);
    fits_create_tbl(f, BINARY_TBL, 0, 3, names, forms, NULL, "CAT", &status);
    fits_write_col(f, TDOUBLE, 1, 1, 1, 4, places, &status);
    fits_write_col(f, TDOUBLE, 2, 1, 1, 4, places, &status);
    fits_write_col(f, TSTRING, 3, 1, 1, 4, ids, &status);
    fits_close_file(f, &status);
    cr_assert_eq(status, 0);
    expect_ok(zm_source_list_read(path, NULL, ZM_MAGS_AUTO, &log, &list));
    cr_assert_eq(list.count, 4);
    cr_expect_eq(list.sources[0].row.object_id, INT64_C(1237662301903192107));
    cr_expect_eq(list.sources[1].row.object_id, 1); // empty: its number from 0
    cr_expect(list.faults == 2 && h.warnings == 2, "%s", h.all);
    cr_expect(strstr(h.all, "row 3, column bestobjid: expected a 64-bit integer, found"));
    cr_expect(strstr(h.all, "row 4, column bestobjid"));
    zm_source_list_finish(&list);
    test_dir_remove(dir);
}
