// The recipes of --preset: AstroMAE's training as the paper prints it (Fathkouhi & Fox
// 2024, arXiv:2409.01825), and its ablations. docs/recipes.md says where each number
// stands and what the paper leaves open.
#ifndef ZM_PRESETS_H
#define ZM_PRESETS_H

#include "core/cli/options.h"

extern const zm_preset zm_presets_pretrain[];
extern const zm_preset zm_presets_finetune[];

#endif
