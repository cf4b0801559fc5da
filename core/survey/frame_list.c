#include "core/survey/frame_list.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "core/io/fits.h"
#include "core/io/path.h"
#include "core/survey/tally.h"

enum { MAX_DEPTH = 32 }; // of folders

typedef struct frame_file {
    zm_field_id id;
    int band;
    char *path;
} frame_file;

typedef struct folder_id {
    dev_t device;
    ino_t number;
} folder_id;

typedef struct search {
    const zm_log *log;
    folder_id *folders; // searched: links may run in circles, or double the paths
    uint64_t folder_count, folder_capacity;
    frame_file *files;
    uint64_t count, capacity;
    zm_tally refused;
    char *first_refused;
} search;

int zm_field_id_compare(const zm_field_id *a, const zm_field_id *b)
{
    if (a->run != b->run)
        return a->run < b->run ? -1 : 1;
    if (a->camcol != b->camcol)
        return a->camcol < b->camcol ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

void zm_field_id_format(const zm_field_id *id, char out[ZM_FIELD_NAME])
{
    snprintf(out, ZM_FIELD_NAME, "%06" PRId32 "-%" PRId32 "-%04" PRId32, id->run,
             id->camcol, id->number);
}

static int band_of(char letter)
{
    const char *bands = "ugriz";
    const char *found = letter ? strchr(bands, letter) : NULL;
    return found ? (int)(found - bands) : -1;
}

static bool parse_number(const char **text, char end, int32_t *out)
{
    int32_t value = 0;
    const char *c = *text;
    for (; *c >= '0' && *c <= '9' && c - *text < 9; c++)
        value = value * 10 + (*c - '0');
    if (c == *text || *c != end)
        return false;
    *out = value;
    *text = c + 1;
    return true;
}

// frame-r-003918-3-0213.fits, .fits.bz2 and the like
static bool identify_name(const char *name, zm_field_id *id, int *band)
{
    if (strncmp(name, "frame-", 6) != 0 || (*band = band_of(name[6])) < 0 ||
        name[7] != '-')
        return false;
    const char *rest = name + 8;
    return parse_number(&rest, '-', &id->run) && parse_number(&rest, '-', &id->camcol) &&
           parse_number(&rest, '.', &id->number) && strncmp(rest, "fit", 3) == 0;
}

bool zm_frame_identify(const char *header, zm_field_id *id, int *band)
{
    static const char *const keys[3] = {"RUN", "CAMCOL", "FRAME"};
    static const int32_t frames_later[ZM_BANDS] = {4, 8, 0, 2, 6};
    int32_t *const values[3] = {&id->run, &id->camcol, &id->number};
    char filter[ZM_FITS_TEXT] = "";
    for (int i = 0; i < 3; i++) {
        double v = -1.0;
        if (!zm_fits_key_f64(header, keys[i], &v) || !(v >= 0.0 && v < 1e9))
            return false;
        *values[i] = (int32_t)v;
    }
    *band = zm_fits_key_string(header, "FILTER", filter) && strlen(filter) == 1
                ? band_of(filter[0])
                : -1;
    if (*band >= 0)
        id->number -= frames_later[*band];
    return *band >= 0 && id->number >= 0;
}

// A plain FITS file of another name: its header costs little to read.
static bool identify_content(const char *path, zm_field_id *id, int *band)
{
    zm_fits *fits = NULL;
    char *header = NULL;
    bool found = false;
    if (zm_fits_open(path, NULL, &fits) == ZM_OK && zm_fits_find_image(fits) >= 0 &&
        zm_fits_header(fits, (uint32_t)zm_fits_find_image(fits), &header) == ZM_OK)
        found = zm_frame_identify(header, id, band);
    free(header);
    zm_fits_close(&fits);
    return found;
}

static bool has_fits_ending(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && (strcasecmp(dot, ".fits") == 0 || strcasecmp(dot, ".fit") == 0);
}

static zm_status add_file(search *s, const frame_file *file)
{
    if (s->count == s->capacity) {
        const uint64_t capacity = ZM_MAX(s->capacity * 2, UINT64_C(64));
        frame_file *files = realloc(s->files, (size_t)capacity * sizeof *files);
        if (!files)
            return ZM_FAIL(ZM_ERR_MEMORY, "no memory for a list of frames");
        s->files = files;
        s->capacity = capacity;
    }
    s->files[s->count++] = *file;
    return ZM_OK;
}

// Takes the file when it is a frame; path is this function's to keep or free.
static zm_status consider(search *s, const char *name, char *path)
{
    frame_file file = {.path = path};
    zm_status st = ZM_OK;
    if (strncmp(name, "fpC-", 4) == 0) {
        zm_tally_add(&s->refused, s->log,
                     "skipped: %s: an fpC image holds raw counts with a soft bias "
                     "(SOFTBIAS), expected a corrected frame in nanomaggies (BUNIT)",
                     path);
        if (!s->first_refused) {
            s->first_refused = path;
            return ZM_OK;
        }
    } else if (identify_name(name, &file.id, &file.band) ||
               (has_fits_ending(name) && identify_content(path, &file.id, &file.band))) {
        st = add_file(s, &file);
        if (st == ZM_OK)
            return ZM_OK;
    }
    free(path);
    return st;
}

// Whether this folder was searched before, under another name; else it is from now on.
static zm_status visit(search *s, DIR *d, const char *folder, bool *known)
{
    struct stat info;
    *known = false;
    if (fstat(dirfd(d), &info) != 0)
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", folder, strerror(errno));
    for (uint64_t i = 0; i < s->folder_count && !*known; i++)
        *known =
            s->folders[i].device == info.st_dev && s->folders[i].number == info.st_ino;
    if (*known)
        return ZM_OK;
    if (s->folder_count == s->folder_capacity) {
        const uint64_t capacity = ZM_MAX(s->folder_capacity * 2, UINT64_C(64));
        folder_id *folders = realloc(s->folders, (size_t)capacity * sizeof *folders);
        if (!folders)
            return ZM_FAIL(ZM_ERR_MEMORY, "no memory for a list of folders");
        s->folders = folders;
        s->folder_capacity = capacity;
    }
    s->folders[s->folder_count++] = (folder_id){info.st_dev, info.st_ino};
    return ZM_OK;
}

static zm_status search_folder(search *s, const char *folder, int depth);

// What stands in an open folder.
static zm_status search_entries(search *s, DIR *d, const char *folder, int depth)
{
    zm_status st = ZM_OK;
    for (const struct dirent *e; st == ZM_OK && (e = readdir(d));) {
        struct stat info;
        if (e->d_name[0] == '.')
            continue;
        char *path = zm_path_join(folder, e->d_name);
        if (!path)
            return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for a name", folder);
        const bool exists = stat(path, &info) == 0;
        if (exists && S_ISREG(info.st_mode)) {
            st = consider(s, e->d_name, path);
            continue;
        }
        if (exists && S_ISDIR(info.st_mode) && depth < MAX_DEPTH)
            st = search_folder(s, path, depth + 1);
        free(path);
    }
    return st;
}

static zm_status search_folder(search *s, const char *folder, int depth)
{
    bool known = false;
    DIR *d = opendir(folder);
    if (!d && depth > 0)
        zm_log_write(s->log, ZM_LOG_WARN, "%s: %s; passed over", folder, strerror(errno));
    if (!d)
        return depth > 0 ? ZM_OK : ZM_FAIL(ZM_ERR_IO, "%s: %s", folder, strerror(errno));
    zm_status st = visit(s, d, folder, &known);
    if (st == ZM_OK && !known)
        st = search_entries(s, d, folder, depth);
    closedir(d);
    return st;
}

static int by_field_and_band(const void *a, const void *b)
{
    const frame_file *x = a, *y = b;
    const int order = zm_field_id_compare(&x->id, &y->id);
    if (order != 0)
        return order;
    return x->band != y->band ? x->band - y->band : strcmp(x->path, y->path);
}

// Moves the sorted files into fields; of several for one band the first stays.
static zm_status group(search *s, zm_frame_list *out)
{
    qsort(s->files, (size_t)s->count, sizeof *s->files, by_field_and_band);
    out->fields = zm_calloc(s->count, sizeof *out->fields);
    if (!out->fields)
        return ZM_FAIL(ZM_ERR_MEMORY, "no memory for a list of frames");
    for (uint64_t i = 0; i < s->count; i++) {
        frame_file *file = &s->files[i];
        if (out->count == 0 ||
            zm_field_id_compare(&out->fields[out->count - 1].id, &file->id) != 0)
            out->fields[out->count++].id = file->id;
        char **slot = &out->fields[out->count - 1].path[file->band];
        if (*slot) {
            zm_log_write(s->log, ZM_LOG_DEBUG, "%s: passed over, %s is the same frame",
                         file->path, *slot);
            continue;
        }
        *slot = file->path;
        file->path = NULL;
        out->files++;
    }
    return ZM_OK;
}

zm_status zm_frame_list_read(const char *folder, const zm_log *log, zm_frame_list *out)
{
    search s = {.log = log, .refused = {.what = "fpC files"}};
    zm_frame_list list = {0};
    zm_status st = search_folder(&s, folder, 0);
    if (st == ZM_OK && s.count == 0)
        st = s.first_refused
                 ? ZM_FAIL(ZM_ERR_FORMAT,
                           "%s: expected corrected frames (BUNIT nanomaggy), found only "
                           "%" PRIu64 " fpC files of raw counts (SOFTBIAS), first %s",
                           folder, s.refused.count, s.first_refused)
                 : ZM_FAIL(ZM_ERR_FORMAT,
                           "%s: expected SDSS frames (frame-r-003918-3-0213.fits.bz2), "
                           "found none",
                           folder);
    if (st == ZM_OK)
        st = group(&s, &list);
    for (uint64_t i = 0; i < s.count; i++)
        free(s.files[i].path);
    free(s.files);
    free(s.folders);
    free(s.first_refused);
    if (st != ZM_OK) {
        zm_frame_list_finish(&list);
        return st;
    }
    zm_tally_finish(&s.refused, log);
    list.refused = s.refused.count;
    *out = list;
    return ZM_OK;
}

void zm_frame_list_finish(zm_frame_list *list)
{
    for (uint64_t i = 0; i < list->count; i++)
        for (int band = 0; band < ZM_BANDS; band++)
            free(list->fields[i].path[band]);
    free(list->fields);
    *list = (zm_frame_list){0};
}

static int by_id(const void *a, const void *b)
{
    return zm_field_id_compare(a, &((const zm_field_files *)b)->id);
}

const zm_field_files *zm_frame_list_find(const zm_frame_list *list, const zm_field_id *id)
{
    return list->count ? bsearch(id, list->fields, (size_t)list->count,
                                 sizeof *list->fields, by_id)
                       : NULL;
}
