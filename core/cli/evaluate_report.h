// What evaluate prints: a table to read, or JSON.
#ifndef ZM_EVALUATE_REPORT_H
#define ZM_EVALUATE_REPORT_H

#include "core/cli/evaluation.h"

// On stdout; "n/a" stands for what is undefined.
zm_status zm_evaluate_report_text(const zm_evaluation *evaluation);

// On stdout. count, join, every metric by name (those of distributions only where there
// are any), errors and definitions by the same names, bins by axis; null = undefined.
zm_status zm_evaluate_report_json(const zm_evaluation *evaluation);

#endif
