// Tables of redshifts by object: what evaluate reads.
#ifndef ZM_REDSHIFT_TABLE_H
#define ZM_REDSHIFT_TABLE_H

#include "core/base.h"

// Numbers of a column, NaN where missing; values NULL where there is no such column.
typedef struct zm_redshift_column {
    double *values; // (count)
    char *name;     // as the file calls it
} zm_redshift_column;

typedef struct zm_redshift_table {
    char *path;
    bool is_fits; // a FITS table, which may hold distributions too (pdf_table.h)
    uint64_t count;
    int64_t *object_id; // (count), or NULL where the file has none
    zm_redshift_column z_phot, z_spec;
    zm_redshift_column r_mag; // magnitude in r
} zm_redshift_table;

// Reads a CSV or FITS table, recognised by content; columns in any case:
//   object_id  object_id, objid, id
//   z_phot     point, where not NULL; else z_phot, zphot, photo_z, zmean, zmode, zmedian
//   z_spec     z_spec, zspec, specz, redshift, z
//   r_mag      r_mag, mag_r, dered_r, r_dered, modelmag_r, or the third of mags
// Of a qp file (FITS tables meta, data, ancil) the table ancil is read. Anything else is
// opened as a data set, whose redshifts are z_spec. A point that is not there is
// ZM_ERR_FORMAT; any other column may be absent.
zm_status zm_redshift_table_read(const char *path, const char *point, const zm_log *log,
                                 zm_redshift_table *out);
void zm_redshift_table_finish(zm_redshift_table *table);

// Whether the object_id only count the rows: 0, 1, 2, ... as predict writes them for data
// that have none.
bool zm_redshift_table_counts_rows(const zm_redshift_table *table);

#endif
