#include "core/cli/report.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

json_t *zm_report_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

zm_status zm_report_json(json_t *document)
{
    if (!document)
        return ZM_FAIL(ZM_ERR_MEMORY, "report: out of memory");
    const int failed =
        json_dumpf(document, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    json_decref(document);
    if (failed || putchar('\n') == EOF)
        return ZM_FAIL(ZM_ERR_IO, "standard output: %s", strerror(errno));
    return zm_report_flush();
}

zm_status zm_report_flush(void)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        return ZM_FAIL(ZM_ERR_IO, "standard output: %s", strerror(errno));
    return ZM_OK;
}
