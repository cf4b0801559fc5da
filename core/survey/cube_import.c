#include "core/survey/cube_import.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/data/npz_cube.h"
#include "core/data/npz_labels.h"

typedef struct importer {
    const zm_cube_import_params *params;
    void (*progress)(void *user, uint64_t done, uint64_t count);
    void *user;
    zm_zip *zip;
    zm_npz_cube cube;
    zm_npz_labels labels; // of the present pass
    uint64_t count;       // rows to write
    float *image;         // (ZM_BANDS, height, width)
    zm_dataset_writer *writer;
} importer;

// The label of a row, and whether the row is wanted.
static zm_status read_label(importer *m, uint64_t row, zm_npz_label *label, bool *wanted)
{
    *wanted = true;
    if (!m->labels.array) {
        *label = (zm_npz_label){.row = zm_row_unknown((int64_t)row)};
        return ZM_OK;
    }
    ZM_TRY(zm_npz_labels_row(&m->labels, row, label));
    *wanted = label->mgs || !m->params->mgs;
    return ZM_OK;
}

// First pass: how many rows there will be.
static zm_status count_rows(importer *m)
{
    const uint64_t limit = m->params->count ? m->params->count : UINT64_MAX;
    if (m->params->mgs)
        ZM_TRY(zm_npz_labels_need_mgs(&m->labels, m->params->cube));
    for (uint64_t row = 0; row < m->cube.count && m->count < limit; row++) {
        zm_npz_label label;
        bool wanted;
        ZM_TRY(read_label(m, row, &label, &wanted));
        m->count += wanted;
    }
    return m->count > 0 ? ZM_OK
                        : ZM_FAIL(ZM_ERR_FORMAT,
                                  "%s: none of %" PRIu64 " rows is in the main galaxy "
                                  "sample",
                                  m->params->cube, m->cube.count);
}

static zm_status create_writer(importer *m)
{
    char origin[160];
    snprintf(origin, sizeof origin,
             "zmae prepare --cube%s: %" PRIu64 " of %" PRIu64 " rows",
             m->params->mgs ? " --mgs" : "", m->count, m->cube.count);
    const zm_dataset_info info = {.count = m->count,
                                  .height = m->cube.height,
                                  .width = m->cube.width,
                                  .mag_kind = m->labels.mag_kind,
                                  .origin = origin};
    return zm_dataset_writer_create(m->params->out, &info, &m->writer);
}

// Second pass: images and labels side by side. Rows that are not wanted are read too, for
// the checksums, except behind the last of a limited number.
static zm_status copy_rows(importer *m)
{
    uint64_t written = 0;
    for (uint64_t row = 0; row < m->cube.count; row++) {
        zm_npz_label label;
        bool wanted;
        ZM_TRY(read_label(m, row, &label, &wanted));
        if (written == m->count && m->params->count > 0)
            break;
        if (!wanted) {
            ZM_TRY(zm_npz_cube_pass(&m->cube, row));
            continue;
        }
        ZM_TRY(zm_npz_cube_image(&m->cube, row, m->image));
        ZM_TRY(zm_dataset_writer_row(m->writer, &label.row, m->image));
        written++;
        if (m->progress)
            m->progress(m->user, written, m->count);
    }
    if (m->labels.array)
        ZM_TRY(zm_npz_array_verify(m->labels.array));
    ZM_TRY(zm_npz_array_verify(m->cube.array));
    return zm_dataset_writer_finish(&m->writer);
}

static zm_status open_labels(importer *m, const zm_log *log)
{
    zm_npz_labels_close(&m->labels);
    return zm_npz_labels_open(m->zip, m->params->cube, m->cube.count, log, &m->labels);
}

static zm_status run(importer *m, const zm_log *log)
{
    ZM_TRY(zm_zip_open(m->params->cube, &m->zip));
    ZM_TRY(zm_npz_cube_open(m->zip, m->params->cube, &m->cube));
    ZM_TRY(open_labels(m, log));
    ZM_TRY(count_rows(m));
    ZM_TRY(open_labels(m, NULL));
    m->image =
        zm_calloc((uint64_t)m->cube.height * m->cube.width, ZM_BANDS * sizeof *m->image);
    if (!m->image)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for a cutout", m->params->cube);
    ZM_TRY(create_writer(m));
    return copy_rows(m);
}

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

zm_status zm_cube_import(const zm_cube_import_params *params,
                         void (*progress)(void *user, uint64_t done, uint64_t count),
                         void *user, const zm_log *log)
{
    importer m = {.params = params, .progress = progress, .user = user};
    if (same_file(params->cube, params->out))
        return ZM_FAIL(ZM_ERR_USAGE, "%s: the archive itself is not written over",
                       params->out);
    const zm_status st = run(&m, log);
    zm_dataset_writer_abort(&m.writer);
    zm_npz_labels_close(&m.labels);
    zm_npz_cube_close(&m.cube);
    zm_zip_close(&m.zip);
    free(m.image);
    return st;
}
