#include "core/cli/predictions.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/io/bytes.h"
#include "core/io/csv.h"
#include "core/io/fits.h"
#include "core/io/path.h"

static bool any_z(const zm_dataset *ds)
{
    for (uint64_t i = 0; i < ds->count; i++)
        if (isfinite(ds->rows[i].z))
            return true;
    return false;
}

static zm_status write_csv(const char *path, const zm_predictions *p)
{
    const bool with_z = any_z(p->ds);
    zm_atomic_file file;
    ZM_TRY(zm_atomic_begin(path, &file));
    fputs(with_z ? "object_id,ra,dec,z_phot,flags,z_spec\n"
                 : "object_id,ra,dec,z_phot,flags\n",
          file.f);
    for (uint64_t i = 0; i < p->ds->count; i++) {
        const zm_row *r = &p->ds->rows[i];
        char ra[ZM_NUMBER_BYTES] = "", dec[ZM_NUMBER_BYTES] = "", z[ZM_NUMBER_BYTES] = "";
        char z_phot[ZM_NUMBER_BYTES];
        if (isfinite(r->ra_deg))
            zm_format_f64(r->ra_deg, ra);
        if (isfinite(r->dec_deg))
            zm_format_f64(r->dec_deg, dec);
        if (isfinite(r->z))
            zm_format_f32(r->z, z);
        zm_format_f32(p->z_phot[i], z_phot);
        fprintf(file.f, "%" PRId64 ",%s,%s,%s,%" PRIu32 "%s%s\n", r->object_id, ra, dec,
                z_phot, p->flags[i], with_z ? "," : "", z);
    }
    if (ferror(file.f)) {
        zm_atomic_abort(&file);
        return ZM_FAIL(ZM_ERR_IO, "%s: cannot be written (disk full?)", path);
    }
    return zm_atomic_commit(&file);
}

static zm_status write_header(zm_fits_writer *w, const zm_predictions *p)
{
    char sha[65];
    const char *name = strrchr(p->model, '/');
    ZM_TRY(zm_file_sha256(p->model, sha));
    ZM_TRY(zm_fits_writer_string(w, "MODEL", name ? name + 1 : p->model, "model file"));
    ZM_TRY(zm_fits_writer_string(w, "MODELSHA", sha, "SHA-256 of the model"));
    ZM_TRY(zm_fits_writer_bool(w, "SIMSKY", p->simulated, "trained on a simulated sky"));
    ZM_TRY(zm_fits_writer_string(w, "CREATOR", "zmae " ZM_VERSION, "program"));
    ZM_TRY(zm_fits_writer_string(w, "DEVICE", p->device->name, "computed on"));
    ZM_TRY(zm_fits_writer_string(w, "DRIVER", p->device->driver, "driver"));
    return zm_fits_writer_string(w, "PRECISN", "f32", "arithmetic");
}

// One field of all rows, from a member of zm_row or an array.
static zm_status write_fields(zm_fits_writer *w, const zm_predictions *p, bool with_z)
{
    const uint64_t n = p->ds->count;
    for (uint64_t i = 0; i < n; i++) {
        const zm_row *r = &p->ds->rows[i];
        const int32_t flags = (int32_t)p->flags[i];
        ZM_TRY(zm_fits_writer_cells(w, 0, i, 1, &r->object_id));
        ZM_TRY(zm_fits_writer_cells(w, 1, i, 1, &r->ra_deg));
        ZM_TRY(zm_fits_writer_cells(w, 2, i, 1, &r->dec_deg));
        ZM_TRY(zm_fits_writer_cells(w, 3, i, 1, &p->z_phot[i]));
        ZM_TRY(zm_fits_writer_cells(w, 4, i, 1, &flags));
        if (with_z)
            ZM_TRY(zm_fits_writer_cells(w, 5, i, 1, &r->z));
    }
    return ZM_OK;
}

static zm_status write_fits(const char *path, const zm_predictions *p)
{
    static const zm_fits_field fields[] = {
        {"object_id", "K", NULL, NULL}, {"ra", "D", "deg", NULL},
        {"dec", "D", "deg", NULL},      {"z_phot", "E", NULL, NULL},
        {"flags", "J", NULL, NULL},     {"z_spec", "E", NULL, NULL}};
    const bool with_z = any_z(p->ds);
    zm_fits_writer *w = NULL;
    ZM_TRY(zm_fits_writer_create(path, "PREDICTIONS", p->ds->count, fields,
                                 with_z ? 6 : 5, &w));
    zm_status st = write_header(w, p);
    if (st == ZM_OK)
        st = write_fields(w, p, with_z);
    if (st == ZM_OK)
        return zm_fits_writer_finish(&w);
    zm_fits_writer_abort(&w);
    return st;
}

zm_status zm_predictions_write(const char *path, const zm_predictions *p)
{
    const bool fits = zm_has_extension(path, ".fits") || zm_has_extension(path, ".fit");
    return fits ? write_fits(path, p) : write_csv(path, p);
}
