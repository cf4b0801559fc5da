// Data sets as a directory of FITS cubes with an optional labels.csv. The order is that
// of labels.csv, then of the names of files that it does not list.
#include "core/data/dataset_impl.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/data/photometry.h"
#include "core/io/csv.h"
#include "core/io/path.h"

static const char *const labels_name = "labels.csv";
static const uint64_t cache_bytes = UINT64_C(256) << 20;

typedef struct cube_file {
    char *name;
    int64_t label_row; // of labels.csv, or -1
    float *cached;     // pixels, or NULL
} cube_file;

typedef struct dir_source {
    zm_dataset *ds;
    char *helper;
    cube_file *files; // as listed; after opening: one per row
    uint64_t count;
    uint64_t capacity;
    uint64_t cached_bytes;
    zm_csv *labels;
} dir_source;

// Columns of labels.csv; -1 = absent.
typedef struct label_columns {
    int64_t file, id, ra, dec, z, z_spec, ebv, ext_r, label, mags[ZM_BANDS];
} label_columns;

static void close_source(void *state)
{
    dir_source *s = state;
    for (uint64_t i = 0; i < s->count; i++) {
        free(s->files[i].name);
        free(s->files[i].cached);
    }
    free(s->files);
    free(s->helper);
    zm_csv_destroy(&s->labels);
    free(s);
}

static zm_status read_cube(const dir_source *s, const char *name, const zm_log *log,
                           zm_fits_image **out)
{
    zm_fits *fits = NULL;
    char *path = zm_path_join(s->ds->path, name);
    if (!path)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for a name", s->ds->path);
    zm_status st = zm_fits_open(path, s->helper, &fits);
    if (st == ZM_OK)
        st = zm_dataset_load_cube(fits, log, out);
    zm_fits_close(&fits);
    free(path);
    return st;
}

static zm_status check_size(const dir_source *s, const char *name,
                            const zm_fits_image *cube)
{
    const zm_dataset *ds = s->ds;
    if (cube->width == ds->width && cube->height == ds->height)
        return ZM_OK;
    return ZM_FAIL(ZM_ERR_FORMAT,
                   "%s/%s: expected %u x %u pixels as in %s, found %u x %u", ds->path,
                   name, (unsigned)ds->width, (unsigned)ds->height, s->files[0].name,
                   (unsigned)cube->width, (unsigned)cube->height);
}

static zm_status read_image(void *state, uint64_t row, float *image)
{
    const dir_source *s = state;
    const cube_file *file = &s->files[row];
    const uint64_t bytes =
        (uint64_t)ZM_BANDS * s->ds->height * s->ds->width * sizeof *image;
    if (file->cached) {
        memcpy(image, file->cached, (size_t)bytes);
        return ZM_OK;
    }
    zm_fits_image *cube = NULL;
    ZM_TRY(read_cube(s, file->name, NULL, &cube));
    const zm_status st = check_size(s, file->name, cube);
    if (st == ZM_OK)
        memcpy(image, cube->data, (size_t)bytes);
    zm_fits_image_destroy(&cube);
    return st;
}

static const char *file_name(const void *state, uint64_t row)
{
    return ((const dir_source *)state)->files[row].name;
}

static const zm_dataset_ops ops = {
    .image = read_image, .close = close_source, .file = file_name};

static zm_status add_file(dir_source *s, const char *name, int64_t label_row)
{
    if (s->count == s->capacity) {
        const uint64_t capacity = ZM_MAX(s->capacity * 2, UINT64_C(64));
        cube_file *files = realloc(s->files, (size_t)capacity * sizeof *files);
        if (!files)
            return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for its list", s->ds->path);
        s->files = files;
        s->capacity = capacity;
    }
    char *copy = zm_strdup(name);
    if (!copy)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for its list", s->ds->path);
    s->files[s->count++] = (cube_file){copy, label_row, NULL};
    return ZM_OK;
}

static bool holds_fits(const char *directory, const char *name)
{
    uint8_t start[8] = {0};
    struct stat info;
    char *path = zm_path_join(directory, name);
    FILE *f = NULL;
    size_t n = 0;
    if (path && stat(path, &info) == 0 && S_ISREG(info.st_mode))
        f = fopen(path, "rb");
    if (f) {
        n = fread(start, 1, sizeof start, f);
        fclose(f);
    }
    free(path);
    return zm_fits_is_fits(start, n);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const cube_file *)a)->name, ((const cube_file *)b)->name);
}

// Files of the directory that are FITS by content, by name.
static zm_status list_directory(dir_source *s)
{
    zm_status st = ZM_OK;
    DIR *d = opendir(s->ds->path);
    if (!d)
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", s->ds->path, strerror(errno));
    for (const struct dirent *e; st == ZM_OK && (e = readdir(d));)
        if (e->d_name[0] != '.' && holds_fits(s->ds->path, e->d_name))
            st = add_file(s, e->d_name, -1);
    closedir(d);
    if (st == ZM_OK && s->count)
        qsort(s->files, (size_t)s->count, sizeof *s->files, compare_names);
    return st;
}

static zm_status read_labels(dir_source *s)
{
    struct stat info;
    char *path = zm_path_join(s->ds->path, labels_name);
    if (!path)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for a name", s->ds->path);
    zm_status st = ZM_OK;
    if (stat(path, &info) == 0)
        st = zm_csv_read(path, &s->labels);
    if (st == ZM_OK && s->labels && zm_csv_find(s->labels, "file") < 0)
        st = ZM_FAIL(ZM_ERR_FORMAT, "%s: expected a column file, found none", path);
    free(path);
    return st;
}

// Brings the files into the order of labels.csv; what it lists and is missing stays in
// the list, so that reading reports it.
static zm_status order_by_labels(dir_source *s)
{
    if (!s->labels)
        return ZM_OK;
    const uint64_t found = s->count;
    const uint64_t column = (uint64_t)zm_csv_find(s->labels, "file");
    cube_file *by_name = s->files;
    s->files = NULL;
    s->count = s->capacity = 0;
    zm_status st = ZM_OK;
    for (uint64_t i = 0; st == ZM_OK && i < zm_csv_rows(s->labels); i++) {
        const char *name = zm_csv_cell(s->labels, i, column);
        cube_file key = {.name = (char *)(uintptr_t)name};
        cube_file *file =
            found ? bsearch(&key, by_name, (size_t)found, sizeof *by_name, compare_names)
                  : NULL;
        if (strchr(name, '/'))
            st = ZM_FAIL(ZM_ERR_FORMAT,
                         "%s/%s: row %" PRIu64 ": expected a plain file name, found %s",
                         s->ds->path, labels_name, i + 1, name);
        else
            st = add_file(s, name, (int64_t)i);
        if (file)
            file->label_row = (int64_t)i;
    }
    for (uint64_t i = 0; i < found; i++) {
        if (st == ZM_OK && by_name[i].label_row < 0)
            st = add_file(s, by_name[i].name, -1);
        free(by_name[i].name);
    }
    free(by_name);
    return st;
}

static label_columns find_label_columns(const zm_csv *csv)
{
    static const char *const mag_names[ZM_BANDS] = {"u_dered", "g_dered", "r_dered",
                                                    "i_dered", "z_dered"};
    label_columns c = {
        .file = zm_csv_find(csv, "file"),
        .id = zm_csv_find(csv, "object_id"),
        .ra = zm_csv_find(csv, "ra"),
        .dec = zm_csv_find(csv, "dec"),
        .z = zm_csv_find(csv, "z"),
        .z_spec = zm_csv_find(csv, "z_spec"),
        .ebv = zm_csv_find(csv, "ebv"),
        .ext_r = zm_csv_find(csv, "ext_r"),
        .label = zm_csv_find(csv, "label"),
    };
    if (c.id < 0)
        c.id = zm_csv_find(csv, "objid");
    for (int band = 0; band < ZM_BANDS; band++)
        c.mags[band] = zm_csv_find(csv, mag_names[band]);
    return c;
}

static zm_status apply_label(const zm_csv *csv, uint64_t i, const label_columns *c,
                             zm_row *row)
{
    double ra, dec, z, z_spec, ebv, ext_r, mag;
    int64_t label;
    ZM_TRY(zm_csv_f64(csv, i, c->ra, &ra));
    ZM_TRY(zm_csv_f64(csv, i, c->dec, &dec));
    ZM_TRY(zm_csv_f64(csv, i, c->z, &z));
    ZM_TRY(zm_csv_f64(csv, i, c->z_spec, &z_spec));
    ZM_TRY(zm_csv_f64(csv, i, c->ebv, &ebv));
    ZM_TRY(zm_csv_f64(csv, i, c->ext_r, &ext_r));
    if (isnan(ebv))
        ebv = ext_r / zm_sfd_extinction_per_ebv[2];
    ZM_TRY(zm_csv_i64(csv, i, c->id, row->object_id, &row->object_id));
    ZM_TRY(zm_csv_i64(csv, i, c->label, -1, &label));
    for (int band = 0; band < ZM_BANDS; band++) {
        ZM_TRY(zm_csv_f64(csv, i, c->mags[band], &mag));
        row->mags[band] = (float)mag;
    }
    row->ra_deg = isnan(ra) ? row->ra_deg : ra;
    row->dec_deg = isnan(dec) ? row->dec_deg : dec;
    row->ebv = isnan(ebv) ? row->ebv : (float)ebv;
    row->z = (float)(isnan(z_spec) ? z : z_spec);
    row->label = label < -1 || label > INT32_MAX ? -1 : (int32_t)label;
    return ZM_OK;
}

static void cache(dir_source *s, cube_file *file, zm_fits_image *cube)
{
    const uint64_t bytes =
        (uint64_t)cube->width * cube->height * cube->depth * sizeof *cube->data;
    if (bytes > cache_bytes - s->cached_bytes)
        return;
    s->cached_bytes += bytes;
    file->cached = cube->data;
    cube->data = NULL;
}

// Reads every file once: the good ones become rows, the others are reported.
static zm_status load_files(dir_source *s, const zm_log *log)
{
    zm_dataset *ds = s->ds;
    const label_columns columns =
        s->labels ? find_label_columns(s->labels) : (label_columns){.id = -1};
    uint64_t good = 0;
    ZM_TRY(zm_dataset_alloc_rows(ds, s->count));
    for (uint64_t i = 0; i < s->count; i++) {
        zm_fits_image *cube = NULL;
        cube_file file = s->files[i];
        zm_status st = read_cube(s, file.name, log, &cube);
        if (st == ZM_OK)
            st = good ? check_size(s, file.name, cube)
                      : zm_dataset_set_size(ds, cube->height, cube->width);
        if (st == ZM_ERR_MEMORY || st == ZM_ERR_INTERNAL) {
            zm_fits_image_destroy(&cube);
            return st;
        }
        if (st != ZM_OK) {
            zm_log_write(log, ZM_LOG_WARN, "skipped: %s", zm_error_detail());
            zm_fits_image_destroy(&cube);
            ds->skipped++;
            continue;
        }
        // the number of an input stays its row number, whatever was skipped before it
        zm_row *row = &ds->rows[good];
        row->object_id = (int64_t)i;
        zm_dataset_header_row(cube, row);
        cache(s, &file, cube);
        zm_fits_image_destroy(&cube);
        s->files[i] = s->files[good];
        s->files[good++] = file;
        if (file.label_row >= 0)
            ZM_TRY(apply_label(s->labels, (uint64_t)file.label_row, &columns, row));
    }
    ds->count = good;
    ds->has_ids = columns.id >= 0;
    if (good == 0)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: expected FITS cubes, all %" PRIu64 " files were skipped; "
                       "the last: %s",
                       ds->path, s->count, zm_error_detail());
    return ZM_OK;
}

zm_status zm_dataset_open_directory(zm_dataset *ds, const char *helper, const zm_log *log)
{
    ds->format = "directory";
    dir_source *s = calloc(1, sizeof *s);
    if (!s || (helper && !(s->helper = zm_strdup(helper)))) {
        free(s);
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to open it", ds->path);
    }
    s->ds = ds;
    zm_status st = list_directory(s);
    if (st == ZM_OK)
        st = read_labels(s);
    if (st == ZM_OK)
        st = order_by_labels(s);
    if (st == ZM_OK && s->count == 0)
        st = ZM_FAIL(ZM_ERR_FORMAT, "%s: expected FITS cubes, found none", ds->path);
    if (st == ZM_OK)
        st = load_files(s, log);
    if (st != ZM_OK) {
        close_source(s);
        return st;
    }
    return zm_dataset_set_source(ds, &ops, s);
}
