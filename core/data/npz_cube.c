#include "core/data/npz_cube.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static zm_status no_cube(const zm_zip *zip, const char *path)
{
    const uint64_t entries = zm_zip_count(zip);
    for (uint64_t i = 0; i < entries; i++) {
        const char *end = strstr(zm_zip_at(zip, i)->name, "data.pkl");
        if (end && strcmp(end, "data.pkl") == 0)
            return ZM_FAIL(ZM_ERR_FORMAT,
                           "%s: expected an npz archive with the array cube, found a "
                           "PyTorch file",
                           path);
    }
    return ZM_FAIL(ZM_ERR_FORMAT,
                   "%s: expected an npz archive with the array cube, found a zip archive "
                   "of %" PRIu64 " other entries",
                   path, entries);
}

static zm_status read_shape(zm_npz_cube *cube)
{
    const zm_npz_array *a = cube->array;
    const zm_npy *npy = &a->npy;
    const uint64_t *s = npy->shape;
    char shape[200];
    zm_npy_format_shape(npy, shape, sizeof shape);
    if (npy->record || npy->fields[0].kind != ZM_NPY_FLOAT)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: expected floating point, found %s%s", a->label,
                       npy->record ? "a record array" : "type ",
                       npy->record ? "" : npy->fields[0].type);
    const bool last = npy->rank == 4 && s[3] == ZM_BANDS;
    const bool first = npy->rank == 4 && s[1] == ZM_BANDS;
    if (last == first || npy->count == 0)
        return ZM_FAIL(
            ZM_ERR_FORMAT, "%s: expected shape (N, H, W, 5) or (N, 5, H, W), found %s%s",
            a->label, shape, first ? ", where the bands may be either axis" : "");
    cube->bands_last = last;
    cube->count = s[0];
    const uint64_t height = last ? s[1] : s[2], width = last ? s[2] : s[3];
    if (height > ZM_DATASET_MAX_SIDE || width > ZM_DATASET_MAX_SIDE)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: expected cutouts of 1 to %d pixels a side, found shape %s",
                       a->label, ZM_DATASET_MAX_SIDE, shape);
    cube->height = (uint32_t)height;
    cube->width = (uint32_t)width;
    return ZM_OK;
}

zm_status zm_npz_cube_open(zm_zip *zip, const char *path, zm_npz_cube *out)
{
    zm_npz_cube cube = {0};
    ZM_TRY(zm_npz_array_open(zip, path, "cube", &cube.array));
    if (!cube.array)
        return no_cube(zip, path);
    zm_status st = read_shape(&cube);
    if (st == ZM_OK) {
        const uint64_t values = cube.array->npy.count / cube.count; // fits: it was parsed
        cube.raw = zm_calloc(values, cube.array->npy.item_size);
        cube.values = zm_calloc(values, sizeof *cube.values);
        if (!cube.raw || !cube.values)
            st = ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for a cutout", cube.array->label);
    }
    if (st != ZM_OK) {
        zm_npz_cube_close(&cube);
        return st;
    }
    *out = cube;
    return ZM_OK;
}

void zm_npz_cube_close(zm_npz_cube *cube)
{
    zm_npz_array_close(&cube->array);
    free(cube->raw);
    free(cube->values);
    *cube = (zm_npz_cube){0};
}

zm_status zm_npz_cube_pass(zm_npz_cube *cube, uint64_t row)
{
    assert(row < cube->count);
    const uint64_t values = (uint64_t)cube->height * cube->width * ZM_BANDS;
    return zm_npz_array_read(cube->array, row * values, values, cube->raw);
}

zm_status zm_npz_cube_image(zm_npz_cube *cube, uint64_t row, float *image)
{
    const uint64_t pixels = (uint64_t)cube->height * cube->width;
    const uint64_t values = pixels * ZM_BANDS;
    const zm_npy_field *type = &cube->array->npy.fields[0];
    ZM_TRY(zm_npz_cube_pass(cube, row));
    if (!cube->bands_last) {
        zm_npy_f32s(type, cube->raw, values, image);
        return ZM_OK;
    }
    zm_npy_f32s(type, cube->raw, values, cube->values);
    for (uint64_t band = 0; band < ZM_BANDS; band++)
        for (uint64_t i = 0; i < pixels; i++)
            image[band * pixels + i] = cube->values[i * ZM_BANDS + band];
    return ZM_OK;
}
