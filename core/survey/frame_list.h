// The SDSS frames below a folder, ordered by field.
#ifndef ZM_FRAME_LIST_H
#define ZM_FRAME_LIST_H

#include "core/base.h"

// A field: one exposure of the sky in five bands, each a file of its own.
typedef struct zm_field_id {
    int32_t run, camcol, number;
} zm_field_id;

typedef struct zm_field_files {
    zm_field_id id;
    char *path[ZM_BANDS]; // NULL = no file
} zm_field_files;

typedef struct zm_frame_list {
    uint64_t count;
    zm_field_files *fields; // by run, camcol, number
    uint64_t files;         // in fields
    uint64_t refused;       // fpC files; each was named or counted
} zm_frame_list;

int zm_field_id_compare(const zm_field_id *a, const zm_field_id *b);

// "003918-3-0213"
enum { ZM_FIELD_NAME = 40 };
void zm_field_id_format(const zm_field_id *id, char out[ZM_FIELD_NAME]);

// Finds corrected frames, frame-BAND-RUN-CAMCOL-FIELD.fits with any ending of a packed
// file behind it, at any depth; and plain FITS files of other names whose header says
// RUN, CAMCOL, FRAME and FILTER. Of two files for one band the first by name is taken,
// plain before packed. A folder that links lead to more than once is searched once. Other
// files are passed over, but fpC files are refused with the reason: their pixels are
// counts with an offset. Errors: ZM_ERR_IO; ZM_ERR_FORMAT: no frames at all, or only fpC
// files.
zm_status zm_frame_list_read(const char *folder, const zm_log *log, zm_frame_list *out);
void zm_frame_list_finish(zm_frame_list *list);

// The field of that name, or NULL.
const zm_field_files *zm_frame_list_find(const zm_frame_list *list,
                                         const zm_field_id *id);

// Reads what a header says; false where one of the keywords is missing or wrong. FRAME
// counts along each CCD, and the bands cross the sky one after another, two frames apart:
// the field is FRAME less 4 8 0 2 6 in u g r i z. (Source: headers of the frames.)
bool zm_frame_identify(const char *header, zm_field_id *id, int *band);

#endif
