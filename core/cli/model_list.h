// The models that --model names: one file, or several with commas between them.
#ifndef ZM_MODEL_LIST_H
#define ZM_MODEL_LIST_H

#include "core/train/model.h"

enum { ZM_MODEL_LIST_MAX = 99 };

typedef struct zm_model_list {
    zm_model **models; // (count)
    uint32_t count;
} zm_model_list;

// Loads every model. A text that is the name of a file is one model, commas or not.
//   heads  attention heads of the encoders, 0 = as the files say
zm_status zm_model_list_load(const char *text, uint32_t heads, zm_model_list *out);
void zm_model_list_finish(zm_model_list *list);

#endif
