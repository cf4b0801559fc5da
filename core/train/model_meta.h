// The "zmae" metadata of a model file: JSON in, settings out, and back.
#ifndef ZM_MODEL_META_H
#define ZM_MODEL_META_H

#include "core/train/model.h"

// Parses the text; ZM_ERR_FORMAT when it is not an object.
zm_status zm_meta_parse(const char *text, const char *path, json_t **out);

// What metadata say of the architecture replaces what shapes cannot tell (heads, mask
// ratio, norm_pix). meta NULL: nothing changes. Contradictions are ZM_ERR_FORMAT.
zm_status zm_meta_vit(const json_t *meta, const char *path, zm_vit_config *vit);
zm_status zm_meta_mae(const json_t *meta, const char *path, zm_mae_config *mae);

// The branches and the head's width must be those of the tensors. Files without a head in
// their metadata keep the one that config has.
zm_status zm_meta_astromae(const json_t *meta, const char *path,
                           zm_astromae_config *config);

// Preprocessing, history and the simulated mark.
zm_status zm_meta_apply(const json_t *meta, const char *path, zm_model *model);

#endif
