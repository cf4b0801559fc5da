// How a training run went: a report and its figure.
#ifndef ZM_EVALUATE_RUN_H
#define ZM_EVALUATE_RUN_H

#include "core/base.h"

// Reads the log of a run (training_curve.h), writes FOLDER/learning.png and learning.csv
// (folder NULL: none) and prints a summary on stdout.
zm_status zm_evaluate_run(const char *run, const char *folder, bool json);

#endif
