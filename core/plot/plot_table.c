#include "core/plot/plot_table.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "core/io/bytes.h"
#include "core/io/path.h"

static zm_status write_rows(const char *path, const zm_plot_table *t)
{
    zm_atomic_file file;
    ZM_TRY(zm_atomic_begin(path, &file));
    fprintf(file.f, "%s\n", t->header);
    for (uint64_t i = 0; i < t->rows; i++)
        for (uint32_t c = 0; c < t->columns; c++) {
            if (!isnan(t->column[c][i]))
                fprintf(file.f, "%.9g", t->column[c][i]);
            fputc(c + 1 < t->columns ? ',' : '\n', file.f);
        }
    if (ferror(file.f)) {
        zm_atomic_abort(&file);
        return ZM_FAIL(ZM_ERR_IO, "%s: cannot be written (disk full?)", path);
    }
    return zm_atomic_commit(&file);
}

zm_status zm_plot_table_write(const char *folder, const char *name,
                              const zm_plot_table *t)
{
    assert(t->columns <= ZM_PLOT_TABLE_COLUMNS);
    char *path = zm_path_join(folder, name);
    if (!path)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: out of memory", folder);
    const zm_status st = write_rows(path, t);
    free(path);
    return st;
}
