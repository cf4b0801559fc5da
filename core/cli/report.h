// What verbs print on stdout: JSON documents, and the check that they arrived.
#ifndef ZM_REPORT_H
#define ZM_REPORT_H

#include <jansson.h>

#include "core/base.h"

// A JSON number, or null where value is not finite (JSON has no NaN).
json_t *zm_report_number(double value);

// Prints a document and a newline on stdout and gives up the reference; NULL (out of
// memory while building it) is ZM_ERR_MEMORY.
zm_status zm_report_json(json_t *document);

// Flushes stdout: ZM_ERR_IO when something printed did not arrive (disk full).
zm_status zm_report_flush(void);

#endif
