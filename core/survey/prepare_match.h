// Which rows of a list are to be cut from a field.
#ifndef ZM_PREPARE_MATCH_H
#define ZM_PREPARE_MATCH_H

#include "core/survey/frame_cut.h"
#include "core/survey/source_list.h"

typedef struct zm_matcher zm_matcher;

// The list and the frames stay the caller's and must outlive the matcher.
zm_status zm_matcher_create(const zm_source_list *sources, const zm_frame_list *frames,
                            uint32_t size, zm_matcher **out);
void zm_matcher_destroy(zm_matcher **matcher);

// Whether any row may be cut from a field: where all rows name fields that are there,
// only those have to be decoded.
bool zm_matcher_needs(const zm_matcher *matcher, const zm_field_id *id);

// The rows that this field holds better than any field asked about before, in order.
//   rows   out, valid until the next call
zm_status zm_matcher_find(zm_matcher *matcher, const zm_frame_field *field,
                          const uint64_t **rows, uint64_t *count);

#endif
