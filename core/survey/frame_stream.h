// Fields one after another: while one is in use the next is decoded.
#ifndef ZM_FRAME_STREAM_H
#define ZM_FRAME_STREAM_H

#include <pthread.h>

#include "core/survey/frame_field.h"

// One of the two places of a stream.
typedef struct zm_frame_slot {
    const zm_field_files *files; // NULL: none
    const char *helper;
    uint32_t threads;
    zm_frame_field field;
    pthread_t thread;
    bool running;
} zm_frame_slot;

// At most two fields are in memory. With one thread nothing runs beside the caller.
typedef struct zm_frame_stream {
    const zm_frame_list *list;
    const char *helper;
    uint32_t threads;
    bool (*wanted)(const void *user, const zm_field_id *id);
    const void *user;
    uint64_t next; // of the list
    zm_frame_slot slots[2];
    uint32_t current; // slot in use
} zm_frame_stream;

// Starts decoding. list, helper, user must outlive the stream, which must not be moved.
//   wanted   which fields; the others are not read
void zm_frame_stream_init(zm_frame_stream *stream, const zm_frame_list *list,
                          const char *helper, uint32_t threads,
                          bool (*wanted)(const void *user, const zm_field_id *id),
                          const void *user);

// The next field; frees the one before. NULL after the last. files: what it was read of.
const zm_frame_field *zm_frame_stream_next(zm_frame_stream *stream,
                                           const zm_field_files **files);

// Waits for what is being decoded. The error detail of this thread stays.
void zm_frame_stream_finish(zm_frame_stream *stream);

#endif
