#include "core/survey/frame_stream.h"

static void *load(void *user)
{
    zm_frame_slot *slot = user;
    zm_frame_field_load(slot->files, slot->helper, slot->threads, &slot->field);
    return NULL;
}

static const zm_field_files *next_wanted(zm_frame_stream *s)
{
    while (s->next < s->list->count) {
        const zm_field_files *files = &s->list->fields[s->next++];
        if (s->wanted(s->user, &files->id))
            return files;
    }
    return NULL;
}

static void start(zm_frame_stream *s, zm_frame_slot *slot)
{
    *slot = (zm_frame_slot){
        .files = next_wanted(s), .helper = s->helper, .threads = s->threads};
    if (slot->files && s->threads > 1)
        slot->running = pthread_create(&slot->thread, NULL, load, slot) == 0;
}

void zm_frame_stream_init(zm_frame_stream *stream, const zm_frame_list *list,
                          const char *helper, uint32_t threads,
                          bool (*wanted)(const void *user, const zm_field_id *id),
                          const void *user)
{
    *stream = (zm_frame_stream){.list = list,
                                .helper = helper,
                                .threads = threads,
                                .wanted = wanted,
                                .user = user,
                                .current = 1};
    start(stream, &stream->slots[0]);
}

const zm_frame_field *zm_frame_stream_next(zm_frame_stream *stream,
                                           const zm_field_files **files)
{
    zm_frame_slot *used = &stream->slots[stream->current];
    stream->current ^= 1;
    zm_frame_slot *now = &stream->slots[stream->current];
    zm_frame_field_finish(&used->field);
    if (now->running)
        pthread_join(now->thread, NULL);
    else if (now->files)
        load(now);
    now->running = false;
    if (!now->files)
        return NULL;
    start(stream, used);
    *files = now->files;
    return &now->field;
}

void zm_frame_stream_finish(zm_frame_stream *stream)
{
    for (int i = 0; i < 2; i++) {
        zm_frame_slot *slot = &stream->slots[i];
        if (slot->running)
            pthread_join(slot->thread, NULL);
        slot->running = false;
        zm_frame_field_finish(&slot->field);
    }
}
