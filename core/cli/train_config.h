// What a training run was asked for: config.json for the user, and the text by which a
// checkpoint knows its run.
#ifndef ZM_TRAIN_CONFIG_H
#define ZM_TRAIN_CONFIG_H

#include "core/cli/options.h"
#include "core/train/model.h"

// The options that decide the result, the number of objects and the model's metadata, as
// one line of JSON in fresh memory. Where the files are and who computes do not count.
zm_status zm_train_config_text(const zm_options *options, const zm_dataset *ds,
                               const zm_model *model, char **out);

// ZM_OK where both texts ask for the same, else ZM_ERR_USAGE names the checkpoint at path
// and the option, or the data or the model, that differs.
zm_status zm_train_config_compare(const char *path, const char *then_text,
                                  const char *now_text);

// Writes DIR/config.json, which --config reads back.
zm_status zm_train_config_write(const char *dir, const zm_options *options);

#endif
