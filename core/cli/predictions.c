#include "core/cli/predictions_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/io/path.h"

#define AT(member) offsetof(zm_prediction, member)

static const zm_column position[] = {
    {"object_id", ZM_COLUMN_I64, AT(object_id), NULL},
    {"ra", ZM_COLUMN_F64, AT(ra_deg), "deg"},
    {"dec", ZM_COLUMN_F64, AT(dec_deg), "deg"},
    {"z_phot", ZM_COLUMN_F32, AT(z_phot), NULL},
};
static const zm_column distribution[] = {
    {"z_phot_err", ZM_COLUMN_F32, AT(pdf.sd), NULL},
    {"z025", ZM_COLUMN_F32, AT(pdf.quantile[0]), NULL},
    {"z160", ZM_COLUMN_F32, AT(pdf.quantile[1]), NULL},
    {"z500", ZM_COLUMN_F32, AT(pdf.quantile[2]), NULL},
    {"z840", ZM_COLUMN_F32, AT(pdf.quantile[3]), NULL},
    {"z975", ZM_COLUMN_F32, AT(pdf.quantile[4]), NULL},
};
static const zm_column points[] = {
    {"z_mean", ZM_COLUMN_F32, AT(pdf.mean), NULL},
    {"z_median", ZM_COLUMN_F32, AT(pdf.median), NULL},
    {"z_mode", ZM_COLUMN_F32, AT(pdf.mode), NULL},
};
static const zm_column flags_column[] = {{"flags", ZM_COLUMN_I32, AT(flags), NULL}};
static const zm_column truth[] = {{"z_spec", ZM_COLUMN_F32, AT(z_spec), NULL}};
static const zm_column file[] = {{"file", ZM_COLUMN_TEXT, AT(file), NULL}};

static bool any_z(const zm_dataset *ds)
{
    for (uint64_t i = 0; i < ds->count; i++)
        if (isfinite(ds->rows[i].z))
            return true;
    return false;
}

static void add_columns(zm_predictions *t, const zm_column *columns, size_t count)
{
    for (size_t i = 0; i < count; i++)
        t->columns[t->column_count++] = &columns[i];
}

static void choose_columns(zm_predictions *t)
{
    const zm_predictions_info *info = t->info;
    add_columns(t, position, ZM_COUNT_OF(position));
    if (info->grid)
        add_columns(t, distribution, ZM_COUNT_OF(distribution));
    if (info->points)
        add_columns(t, points, ZM_COUNT_OF(points));
    add_columns(t, flags_column, ZM_COUNT_OF(flags_column));
    if (any_z(info->ds))
        add_columns(t, truth, ZM_COUNT_OF(truth));
    if (zm_dataset_file(info->ds, 0))
        add_columns(t, file, ZM_COUNT_OF(file));
}

zm_predictions_format zm_predictions_format_of(const char *name, const char *path)
{
    if (strcmp(name, "qp") == 0)
        return ZM_PREDICTIONS_QP;
    const bool is_auto = strcmp(name, "auto") == 0;
    const bool fits =
        is_auto ? zm_has_extension(path, ".fits") || zm_has_extension(path, ".fit")
                : strcmp(name, "fits") == 0;
    return fits ? ZM_PREDICTIONS_FITS : ZM_PREDICTIONS_CSV;
}

zm_status zm_predictions_create(const char *path, const zm_predictions_info *info,
                                zm_predictions **out)
{
    static const zm_predictions_ops *const formats[] = {
        &zm_predictions_csv, &zm_predictions_fits, &zm_predictions_qp};
    if (!info->grid && (info->format == ZM_PREDICTIONS_QP || info->points ||
                        info->point != ZM_POINT_MEAN))
        return ZM_FAIL(ZM_ERR_USAGE,
                       "%s: is a regression model, which says one redshift and no "
                       "distribution: --format qp, --point and --points need a model "
                       "with a pdf or gauss head",
                       info->models[0]->path);
    zm_predictions *t = zm_calloc(1, sizeof *t);
    if (!t || !(t->rows = zm_calloc(info->batch, sizeof *t->rows))) {
        free(t);
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to write it", path);
    }
    t->info = info;
    t->ops = formats[info->format];
    choose_columns(t);
    const zm_status st = t->ops->create(path, t);
    if (st != ZM_OK)
        zm_predictions_abort(&t);
    *out = t;
    return st;
}

static double point_of(const zm_pdf_summary *pdf, zm_point point)
{
    return point == ZM_POINT_MEAN     ? pdf->mean
           : point == ZM_POINT_MEDIAN ? pdf->median
                                      : pdf->mode;
}

zm_status zm_predictions_rows(zm_predictions *t, uint32_t n, const double *values,
                              const uint32_t *flags)
{
    const zm_predictions_info *info = t->info;
    if (n > info->batch || n > info->ds->count - t->done)
        return ZM_FAIL(ZM_ERR_INTERNAL, "%u predictions more than wanted", n);
    for (uint32_t i = 0; i < n; i++) {
        const zm_row *from = &info->ds->rows[t->done + i];
        zm_prediction *to = &t->rows[i];
        *to = (zm_prediction){.object_id = from->object_id,
                              .ra_deg = from->ra_deg,
                              .dec_deg = from->dec_deg,
                              .z_phot = values[i],
                              .z_spec = (double)from->z,
                              .flags = (int32_t)flags[i],
                              .file = zm_dataset_file(info->ds, t->done + i)};
        if (info->grid) {
            to->pdf = zm_pdf_summarise(info->grid, values + (size_t)i * info->grid->bins);
            to->z_phot = point_of(&to->pdf, info->point);
        }
    }
    ZM_TRY(t->ops->rows(t, n, values));
    t->done += n;
    return ZM_OK;
}

zm_status zm_predictions_finish(zm_predictions **table)
{
    const zm_status st = (*table)->ops->finish(*table);
    zm_predictions_abort(table);
    return st;
}

void zm_predictions_abort(zm_predictions **table)
{
    if (!*table)
        return;
    (*table)->ops->abort(*table);
    free((*table)->rows);
    free(*table);
    *table = NULL;
}
