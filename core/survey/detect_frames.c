#include "core/survey/detect_frames.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/survey/frame_field.h"
#include "core/survey/tally.h"

enum { MAX_THREADS = 64, BANDS_APART_PX = 16 };

static const double same_source_arcsec = 1.0;

// What was found on one field.
typedef struct findings {
    double *sky; // (count, 2) RA and Dec, degrees
    uint32_t count;
    zm_status status;
    char fault[400];
} findings;

// What the threads share.
typedef struct search {
    const zm_frame_list *frames;
    const zm_detect_frames_args *args;
    findings *found;      // (frames->count)
    pthread_mutex_t lock; // the members below, and progress
    uint64_t next, done;
    bool stopped;
} search;

uint32_t zm_detect_margin(uint32_t size)
{
    return (uint32_t)ceil(size * sqrt(0.5)) + BANDS_APART_PX;
}

// The positions of detections, through the coordinates of their frame.
static zm_status locate(const zm_detections *list, zm_wcs *wcs, findings *f)
{
    if (list->count == 0)
        return ZM_OK;
    double *pixels = zm_calloc(list->count, 2 * sizeof *pixels);
    f->sky = zm_calloc(list->count, 2 * sizeof *f->sky);
    if (!pixels || !f->sky) {
        free(pixels);
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for %u sources", (unsigned)list->count);
    }
    for (uint32_t i = 0; i < list->count; i++) {
        pixels[2 * i] = list->items[i].x - 1; // wcs.h counts from 0
        pixels[2 * i + 1] = list->items[i].y - 1;
    }
    zm_wcs_to_sky(wcs, list->count, pixels, f->sky);
    free(pixels);
    f->count = list->count;
    return ZM_OK;
}

static zm_status search_frame(const zm_frame *frame, const char *path,
                              const zm_detect_args *args, findings *f)
{
    zm_detections list = {0};
    if (!frame->image)
        return ZM_FAIL(frame->status, "%s", frame->fault);
    zm_status st = zm_detect(frame->image->data, frame->image->width,
                             frame->image->height, args, &list);
    st = zm_error_context(st, "%s", path);
    if (st == ZM_OK)
        st = locate(&list, frame->wcs, f);
    zm_detections_finish(&list);
    return st;
}

// Only the one frame of the field is decoded.
static void search_field(const search *s, uint64_t index)
{
    const zm_field_files *files = &s->frames->fields[index];
    zm_field_files only = {.id = files->id};
    zm_frame_field field;
    char name[ZM_FIELD_NAME];
    findings *f = &s->found[index];
    only.path[ZM_DETECT_BAND] = files->path[ZM_DETECT_BAND];
    if (!only.path[ZM_DETECT_BAND]) {
        zm_field_id_format(&files->id, name);
        f->status = ZM_ERR_FORMAT;
        snprintf(f->fault, sizeof f->fault,
                 "field %s: expected a frame in r to find sources on, found none", name);
        return;
    }
    zm_frame_field_load(&only, s->args->helper, 1, &field);
    f->status = search_frame(&field.band[ZM_DETECT_BAND], only.path[ZM_DETECT_BAND],
                             &s->args->detect, f);
    if (f->status != ZM_OK)
        snprintf(f->fault, sizeof f->fault, "%s", zm_error_detail());
    zm_frame_field_finish(&field);
}

static void *search_fields(void *user)
{
    search *s = user;
    const zm_detect_frames_args *a = s->args;
    pthread_mutex_lock(&s->lock);
    while (!s->stopped && s->next < s->frames->count) {
        const uint64_t index = s->next++;
        pthread_mutex_unlock(&s->lock);
        search_field(s, index);
        pthread_mutex_lock(&s->lock);
        s->done++;
        if (a->progress && !a->progress(a->user, s->done, s->frames->count))
            s->stopped = true;
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

// The calling thread works too, so a system that refuses threads only makes it slower.
static void search_all(search *s)
{
    pthread_t others[MAX_THREADS];
    uint32_t started = 0;
    pthread_mutex_init(&s->lock, NULL);
    while (started + 1 < ZM_MIN((uint64_t)s->args->threads, s->frames->count) &&
           started < MAX_THREADS &&
           pthread_create(&others[started], NULL, search_fields, s) == 0)
        started++;
    search_fields(s);
    for (uint32_t i = 0; i < started; i++)
        pthread_join(others[i], NULL);
    pthread_mutex_destroy(&s->lock);
}

// ---- one list of all fields
// ------------------------------------------------------------

static zm_status append(const search *s, const zm_log *log, zm_source_list *list)
{
    zm_tally bad = {.what = "fields without a usable frame in r"};
    for (uint64_t i = 0; i < s->frames->count; i++) {
        const findings *f = &s->found[i];
        const zm_field_id *id = &s->frames->fields[i].id;
        if (f->status == ZM_ERR_MEMORY)
            return ZM_FAIL(ZM_ERR_MEMORY, "%s", f->fault);
        if (f->status != ZM_OK)
            zm_tally_add(&bad, log, "skipped: %s", f->fault);
        for (uint32_t k = 0; k < f->count; k++) {
            zm_source source = zm_source_unknown();
            source.row.ra_deg = f->sky[2 * (uint64_t)k];
            source.row.dec_deg = f->sky[2 * (uint64_t)k + 1];
            source.run = id->run;
            source.camcol = id->camcol;
            source.number = id->number;
            if (isfinite(source.row.ra_deg + source.row.dec_deg))
                ZM_TRY(zm_source_list_add(list, &source));
        }
    }
    zm_tally_finish(&bad, log);
    list->faults = bad.count;
    return ZM_OK;
}

typedef struct place {
    double ra_deg, dec_deg;
    uint64_t row;
} place;

static int by_dec(const void *a, const void *b)
{
    const place *p = a, *q = b;
    if (p->dec_deg != q->dec_deg)
        return p->dec_deg < q->dec_deg ? -1 : 1;
    return (p->row > q->row) - (p->row < q->row);
}

static bool same_place(const place *a, const place *b)
{
    const double degree = acos(-1.0) / 180.0;
    const double dra = remainder(a->ra_deg - b->ra_deg, 360.0) * cos(a->dec_deg * degree);
    return hypot(dra, a->dec_deg - b->dec_deg) * 3600.0 < same_source_arcsec;
}

static bool same_field(const zm_source *a, const zm_source *b)
{
    return a->run == b->run && a->camcol == b->camcol && a->number == b->number;
}

// Fields overlap: marks rows that an earlier field has as well.
static void mark_repeats(const zm_source_list *list, const place *places, bool *repeated)
{
    for (uint64_t i = 0; i < list->count; i++)
        for (uint64_t k = i + 1; k < list->count; k++) {
            const place *a = &places[i], *b = &places[k];
            if ((b->dec_deg - a->dec_deg) * 3600.0 >= same_source_arcsec)
                break;
            if (same_place(a, b) &&
                !same_field(&list->sources[a->row], &list->sources[b->row]))
                repeated[ZM_MAX(a->row, b->row)] = true;
        }
}

static zm_status drop_repeats(zm_source_list *list)
{
    place *places = zm_calloc(list->count, sizeof *places);
    bool *repeated = zm_calloc(list->count, sizeof *repeated);
    if (!places || !repeated) {
        free(places);
        free(repeated);
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for %" PRIu64 " sources", list->count);
    }
    for (uint64_t i = 0; i < list->count; i++) {
        const zm_row *row = &list->sources[i].row;
        places[i] = (place){row->ra_deg, row->dec_deg, i};
    }
    qsort(places, (size_t)list->count, sizeof *places, by_dec);
    mark_repeats(list, places, repeated);
    uint64_t kept = 0;
    for (uint64_t i = 0; i < list->count; i++) {
        if (repeated[i])
            continue;
        list->sources[kept] = list->sources[i];
        list->sources[kept].row.object_id = (int64_t)kept;
        kept++;
    }
    list->count = kept;
    free(places);
    free(repeated);
    return ZM_OK;
}

zm_status zm_detect_frames(const zm_frame_list *frames, const zm_detect_frames_args *args,
                           const zm_log *log, zm_source_list *out)
{
    zm_source_list list = {.mag_kind = ZM_MAG_APERTURE};
    search s = {.frames = frames, .args = args};
    s.found = zm_calloc(frames->count, sizeof *s.found);
    if (!s.found)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for %" PRIu64 " fields", frames->count);
    search_all(&s);
    zm_status st = s.stopped ? ZM_FAIL(ZM_ERR_INTERRUPTED, "detection was stopped")
                             : append(&s, log, &list);
    if (st == ZM_OK && list.count == 0)
        st = ZM_FAIL(ZM_ERR_FORMAT,
                     "expected sources on the frames in r of %" PRIu64
                     " fields, found none",
                     frames->count);
    if (st == ZM_OK)
        st = drop_repeats(&list);
    for (uint64_t i = 0; i < frames->count; i++)
        free(s.found[i].sky);
    free(s.found);
    if (st != ZM_OK) {
        zm_source_list_finish(&list);
        return st;
    }
    *out = list;
    return ZM_OK;
}
