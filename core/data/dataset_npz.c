// Data sets as npz: the public SDSS cube, images read at random from a stored entry.
#include "core/data/dataset_impl.h"

#include <stdlib.h>

#include "core/data/npz_cube.h"
#include "core/data/npz_labels.h"

typedef struct npz_source {
    zm_zip *zip;
    zm_npz_cube cube;
} npz_source;

static zm_status read_image(void *state, uint64_t row, float *image)
{
    npz_source *s = state;
    return zm_npz_cube_image(&s->cube, row, image);
}

static void close_source(void *state)
{
    npz_source *s = state;
    zm_npz_cube_close(&s->cube);
    zm_zip_close(&s->zip);
    free(s);
}

static const zm_dataset_ops ops = {.image = read_image, .close = close_source};

static zm_status open_cube(zm_dataset *ds, npz_source *s)
{
    ZM_TRY(zm_zip_open(ds->path, &s->zip));
    ZM_TRY(zm_npz_cube_open(s->zip, ds->path, &s->cube));
    if (!s->cube.array->stored)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: expected the cube to be stored (numpy.savez), found it "
                       "compressed: \"zmae prepare --cube FILE --out F\" converts it",
                       s->cube.array->label);
    ZM_TRY(zm_dataset_set_size(ds, s->cube.height, s->cube.width));
    return zm_dataset_alloc_rows(ds, s->cube.count);
}

static zm_status read_rows(zm_dataset *ds, npz_source *s, const zm_log *log)
{
    zm_npz_labels labels;
    zm_status st = ZM_OK;
    ZM_TRY(zm_npz_labels_open(s->zip, ds->path, ds->count, log, &labels));
    for (uint64_t i = 0; labels.array && st == ZM_OK && i < ds->count; i++) {
        zm_npz_label label;
        st = zm_npz_labels_row(&labels, i, &label);
        if (st == ZM_OK)
            ds->rows[i] = label.row;
    }
    if (labels.array && st == ZM_OK)
        st = zm_npz_array_verify(labels.array);
    ds->has_ids = labels.id != NULL;
    ds->mag_kind = labels.mag_kind;
    zm_npz_labels_close(&labels);
    return st;
}

zm_status zm_dataset_open_npz(zm_dataset *ds, const zm_log *log)
{
    npz_source *s = calloc(1, sizeof *s);
    if (!s)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to open it", ds->path);
    ds->format = "npz";
    zm_status st = open_cube(ds, s);
    if (st == ZM_OK)
        st = read_rows(ds, s, log);
    if (st != ZM_OK) {
        close_source(s);
        return st;
    }
    return zm_dataset_set_source(ds, &ops, s);
}
