// Tables of redshifts by object, and their join: what evaluate reads.
#ifndef ZM_REDSHIFT_TABLE_H
#define ZM_REDSHIFT_TABLE_H

#include "core/base.h"

typedef struct zm_redshift_table {
    uint64_t count;
    int64_t *object_id; // (count), or NULL where the file has none
    double *z_phot;     // (count) NaN = missing; NULL where there is no such column
    double *z_spec;     // the same
} zm_redshift_table;

// Reads a CSV or FITS table, recognised by content; columns in any case: object_id
// (objid, id), z_phot (zphot, photo_z), z_spec (zspec, specz, redshift, z). Anything else
// is opened as a data set, whose redshifts are z_spec.
zm_status zm_redshift_table_read(const char *path, const zm_log *log,
                                 zm_redshift_table *out);
void zm_redshift_table_finish(zm_redshift_table *table);

typedef struct zm_redshift_pairs {
    uint64_t count;
    double *z_phot, *z_spec; // (count), finite
    uint64_t no_prediction;  // rows without a finite z_phot
    uint64_t no_truth;       // rows with a z_phot and no finite z_spec
    bool by_id;              // joined by object_id
} zm_redshift_pairs;

// Pairs predictions with true redshifts: of truth, or where truth is NULL of the
// predictions themselves. Joins by object_id where both have it, else by row.
// ZM_ERR_FORMAT: a missing column, unlike row counts, one object with two redshifts, or
// no pair at all; messages name the files.
zm_status zm_redshift_join(const char *pred_path, const zm_redshift_table *pred,
                           const char *truth_path, const zm_redshift_table *truth,
                           zm_redshift_pairs *out);
void zm_redshift_pairs_finish(zm_redshift_pairs *pairs);

#endif
