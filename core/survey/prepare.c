#include "core/survey/prepare.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/data/photometry.h"
#include "core/survey/detect_frames.h"
#include "core/survey/frame_stream.h"
#include "core/survey/prepare_match.h"
#include "core/survey/tally.h"

enum { MAX_THREADS = 256 };

typedef struct job {
    const zm_prepare_params *params;
    const zm_log *log;
    uint32_t threads;
    const char *positions; // where the rows come from
    zm_source_list sources;
    zm_frame_list frames;
    zm_matcher *matcher;
    zm_lanczos *lanczos;
    zm_dataset_writer *writer;
    bool *cut; // (sources.count) rows that have an image
    uint64_t cutouts;
    zm_tally bad_frames, missing_frames, outside;
} job;

// What the threads that cut one field share.
typedef struct cutting {
    job *job;
    const zm_frame_field *field;
    const uint64_t *rows;
    uint64_t count;
    pthread_mutex_t lock; // next, writer, status
    uint64_t next;
    zm_status status;
    char detail[512];
} cutting;

static uint32_t choose_threads(uint32_t wanted)
{
    if (wanted == 0) {
        const long online = sysconf(_SC_NPROCESSORS_ONLN);
        wanted = online > 0 ? (uint32_t)ZM_MIN(online, MAX_THREADS) : 1;
    }
    return ZM_MIN(wanted, MAX_THREADS);
}

// The error detail belongs to a thread: the first one is kept for the caller's.
static void give_up(cutting *c, zm_status st)
{
    pthread_mutex_lock(&c->lock);
    if (c->status == ZM_OK) {
        c->status = st;
        snprintf(c->detail, sizeof c->detail, "%s", zm_error_detail());
    }
    pthread_mutex_unlock(&c->lock);
}

static bool take_row(cutting *c, uint64_t *row)
{
    pthread_mutex_lock(&c->lock);
    const bool more = c->status == ZM_OK && c->next < c->count;
    *row = more ? c->rows[c->next++] : 0;
    pthread_mutex_unlock(&c->lock);
    return more;
}

static void cut_row(cutting *c, uint64_t index, zm_frame_cutter *cutter, float *image)
{
    job *j = c->job;
    const uint32_t size = j->params->size;
    zm_row *row = &j->sources.sources[index].row;
    zm_frame_cut(cutter, c->field, j->lanczos, row, image);
    if (row->flags & ZM_FLAG_NO_IMAGE)
        return;
    if (j->sources.mag_kind == ZM_MAG_APERTURE) {
        row->flags &=
            (uint32_t) ~(ZM_FLAG_MASKED | ZM_FLAG_CENTRE_MASKED | ZM_FLAG_FAINT);
        zm_aperture_mags(image, size, size, row->ebv, row->mags, &row->flags);
    }
    pthread_mutex_lock(&c->lock);
    const zm_status st = zm_dataset_writer_place(j->writer, index, row, image);
    j->cutouts += !j->cut[index];
    j->cut[index] = true;
    pthread_mutex_unlock(&c->lock);
    if (st != ZM_OK)
        give_up(c, st);
}

static void *cut_rows(void *user)
{
    cutting *c = user;
    const uint32_t size = c->job->params->size;
    zm_frame_cutter *cutter = NULL;
    float *image = zm_calloc((uint64_t)ZM_BANDS * size * size, sizeof *image);
    uint64_t row;
    zm_status st = zm_frame_cutter_create(size, &cutter);
    if (st == ZM_OK && !image)
        st = ZM_FAIL(ZM_ERR_MEMORY, "no memory for a cutout");
    if (st != ZM_OK)
        give_up(c, st);
    while (st == ZM_OK && take_row(c, &row))
        cut_row(c, row, cutter, image);
    zm_frame_cutter_destroy(&cutter);
    free(image);
    return NULL;
}

// The calling thread works too, so a system that refuses threads only makes it slower.
static zm_status cut_field(job *j, const zm_frame_field *field)
{
    pthread_t others[MAX_THREADS];
    uint32_t started = 0;
    cutting c = {.job = j, .field = field};
    ZM_TRY(zm_matcher_find(j->matcher, field, &c.rows, &c.count));
    if (c.count == 0)
        return ZM_OK;
    pthread_mutex_init(&c.lock, NULL);
    while (started + 1 < ZM_MIN((uint64_t)j->threads, c.count) &&
           pthread_create(&others[started], NULL, cut_rows, &c) == 0)
        started++;
    cut_rows(&c);
    for (uint32_t i = 0; i < started; i++)
        pthread_join(others[i], NULL);
    pthread_mutex_destroy(&c.lock);
    return c.status == ZM_OK ? ZM_OK : ZM_FAIL(c.status, "%s", c.detail);
}

// Names what is missing or wrong of a field. Memory that is out is nothing to go on with.
static zm_status report_field(job *j, const zm_field_files *files,
                              const zm_frame_field *field)
{
    char name[ZM_FIELD_NAME], missing[ZM_BANDS + 1];
    int count = 0;
    zm_field_id_format(&field->id, name);
    for (int b = 0; b < ZM_BANDS; b++) {
        const zm_frame *frame = &field->band[b];
        if (!files->path[b])
            missing[count++] = "ugriz"[b];
        if (frame->fault[0] && frame->status == ZM_ERR_MEMORY)
            return ZM_FAIL(ZM_ERR_MEMORY, "%s", frame->fault);
        if (frame->fault[0])
            zm_tally_add(&j->bad_frames, j->log, "skipped: %s", frame->fault);
    }
    missing[count] = '\0';
    if (count != 0)
        zm_tally_add(&j->missing_frames, j->log,
                     "%s: field %s: expected frames in u g r i z, found none in %s",
                     j->params->frames, name, missing);
    return ZM_OK;
}

static bool is_wanted(const void *matcher, const zm_field_id *id)
{
    return zm_matcher_needs(matcher, id);
}

static zm_status cut_fields(job *j)
{
    const zm_prepare_params *p = j->params;
    const zm_frame_field *field;
    const zm_field_files *files;
    zm_frame_stream stream;
    uint64_t done = 0, count = 0;
    zm_status st = ZM_OK;
    for (uint64_t i = 0; i < j->frames.count; i++)
        count += zm_matcher_needs(j->matcher, &j->frames.fields[i].id);
    zm_frame_stream_init(&stream, &j->frames, p->helper, j->threads, is_wanted,
                         j->matcher);
    while (st == ZM_OK && (field = zm_frame_stream_next(&stream, &files))) {
        st = report_field(j, files, field);
        if (st == ZM_OK)
            st = cut_field(j, field);
        done++;
        if (st == ZM_OK && p->progress && !p->progress(p->user, done, count, j->cutouts))
            st = ZM_FAIL(ZM_ERR_INTERRUPTED, "%s was not written", p->out);
    }
    zm_frame_stream_finish(&stream);
    return st;
}

// Rows that no frame holds still have their place.
static zm_status write_empty_rows(job *j)
{
    const uint64_t pixels = (uint64_t)ZM_BANDS * j->params->size * j->params->size;
    float *image = zm_calloc(pixels, sizeof *image);
    zm_status st = image ? ZM_OK : ZM_FAIL(ZM_ERR_MEMORY, "no memory for a cutout");
    for (uint64_t i = 0; image && i < pixels; i++)
        image[i] = NAN;
    for (uint64_t i = 0; st == ZM_OK && i < j->sources.count; i++) {
        zm_row *row = &j->sources.sources[i].row;
        if (j->cut[i])
            continue;
        row->flags |= ZM_FLAG_NO_IMAGE;
        row->coverage = 0.0f;
        if (!(row->flags & ZM_FLAG_BAD_ROW))
            zm_tally_add(&j->outside, j->log,
                         "%s: row %" PRIu64 ": RA %.6f Dec %.6f lies on no frame",
                         j->positions, i + 1, row->ra_deg, row->dec_deg);
        st = zm_dataset_writer_place(j->writer, i, row, image);
    }
    free(image);
    return st;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static zm_status create_output(job *j)
{
    char origin[512];
    const bool detected = j->params->detect != NULL;
    snprintf(origin, sizeof origin,
             "zmae " ZM_VERSION " prepare: %" PRIu64 " SDSS frames, %s%s, %s "
             "magnitudes, Lanczos-3",
             j->frames.files, detected ? "sources found in r" : "catalogue ",
             detected ? "" : base_name(j->params->catalog),
             zm_mag_kind_name(j->sources.mag_kind));
    const zm_dataset_info info = {.count = j->sources.count,
                                  .height = j->params->size,
                                  .width = j->params->size,
                                  .records_flags = true,
                                  .mag_kind = j->sources.mag_kind,
                                  .origin = origin};
    return zm_dataset_writer_create(j->params->out, &info, &j->writer);
}

// The rows, of the catalogue or found on the frames, and the frames.
static zm_status read_inputs(job *j)
{
    const zm_prepare_params *p = j->params;
    if (!p->detect)
        ZM_TRY(zm_source_list_read(p->catalog, p->helper, p->mags, j->log, &j->sources));
    ZM_TRY(zm_frame_list_read(p->frames, j->log, &j->frames));
    if (!p->detect)
        return ZM_OK;
    const zm_detect_frames_args args = {.detect = *p->detect,
                                        .helper = p->helper,
                                        .threads = j->threads,
                                        .progress = p->detecting,
                                        .user = p->user};
    return zm_detect_frames(&j->frames, &args, j->log, &j->sources);
}

static zm_status run(job *j)
{
    const zm_prepare_params *p = j->params;
    ZM_TRY(read_inputs(j));
    ZM_TRY(zm_matcher_create(&j->sources, &j->frames, p->size, &j->matcher));
    ZM_TRY(zm_lanczos_create(&j->lanczos));
    j->cut = zm_calloc(j->sources.count, sizeof *j->cut);
    if (!j->cut)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for its rows", j->positions);
    ZM_TRY(create_output(j));
    ZM_TRY(cut_fields(j));
    ZM_TRY(write_empty_rows(j));
    return zm_dataset_writer_finish(&j->writer);
}

// What was named in warnings makes the end status; the output is complete for the rest.
static zm_status summarise(const job *j)
{
    const uint64_t files =
        j->frames.refused + j->bad_frames.count + j->missing_frames.count;
    const uint64_t rows = j->sources.faults + j->outside.count;
    zm_tally_finish(&j->bad_frames, j->log);
    zm_tally_finish(&j->missing_frames, j->log);
    zm_tally_finish(&j->outside, j->log);
    if (files + rows == 0)
        return ZM_OK;
    return ZM_FAIL(ZM_ERR_FORMAT,
                   "%s: %" PRIu64 " of %" PRIu64 " rows have an image; %" PRIu64
                   " faults in the %s, %" PRIu64 " in the frames were named",
                   j->params->out, j->cutouts, j->sources.count, rows,
                   j->params->detect ? "detection" : "catalogue", files);
}

zm_status zm_prepare(const zm_prepare_params *params, const zm_log *log)
{
    if (params->size < ZM_PREPARE_MIN_PX || params->size > ZM_PREPARE_MAX_PX)
        return ZM_FAIL(ZM_ERR_USAGE, "prepare: size: expected %d..%d pixels, found %u",
                       ZM_PREPARE_MIN_PX, ZM_PREPARE_MAX_PX, (unsigned)params->size);
    job j = {.params = params,
             .log = log,
             .threads = choose_threads(params->threads),
             .positions = params->detect ? params->frames : params->catalog,
             .bad_frames = {.what = "frames skipped"},
             .missing_frames = {.what = "fields lack frames"},
             .outside = {.what = "rows on no frame"}};
    zm_status st = run(&j);
    if (st == ZM_OK)
        st = summarise(&j);
    zm_dataset_writer_abort(&j.writer);
    zm_lanczos_destroy(&j.lanczos);
    zm_matcher_destroy(&j.matcher);
    zm_frame_list_finish(&j.frames);
    zm_source_list_finish(&j.sources);
    free(j.cut);
    return st;
}
