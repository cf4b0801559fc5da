// The usual figures of photometric redshifts.
#ifndef ZM_EVALUATE_PLOTS_H
#define ZM_EVALUATE_PLOTS_H

#include "core/cli/evaluation.h"

// Writes zphot_zspec.png and residuals.png into a folder, which is made where missing.
zm_status zm_evaluate_plots(const char *folder, const zm_evaluation *evaluation);

#endif
