// Predictions paired with true redshifts, object by object.
#ifndef ZM_REDSHIFT_JOIN_H
#define ZM_REDSHIFT_JOIN_H

#include "core/cli/redshift_table.h"

typedef enum zm_join {
    ZM_JOIN_AUTO, // by id where both have object_id that are more than row numbers
    ZM_JOIN_ID,   // by object_id; a truth without them is numbered from 0
    ZM_JOIN_ROW,  // by row: as many in both
} zm_join;
zm_status zm_join_parse(const char *name, zm_join *out); // "auto", "id", "row"

typedef struct zm_redshift_pairs {
    uint64_t count;
    double *z_phot, *z_spec; // (count), finite
    double *r_mag;           // (count) NaN = unknown; NULL where neither table has it
    uint64_t *row;           // (count) of the prediction
    uint64_t no_prediction;  // predictions without a finite z_phot
    uint64_t no_truth;       // predictions with a z_phot and no finite z_spec
    uint64_t truth_rows;     // of truth, NaN or not
    uint64_t unused_truth;   // finite z_spec of truth that no prediction asked for
    bool by_id;              // how they were joined
    const char *spec_path, *r_path; // where z_spec and r_mag are from: of the tables
    const char *spec_name, *r_name; // and the columns; r_* NULL without r_mag
} zm_redshift_pairs;

// Pairs predictions with the redshifts of truth, or where truth is NULL with their own.
//
// By itself (ZM_JOIN_AUTO) it joins by object_id where both have it, and by row where one
// has none. object_id that only count rows, as predict invents them for data without, are
// no names of objects: both counting is a join by row, and only one counting is believed
// only where one side's ids all occur on the other.
// ZM_ERR_FORMAT: a missing column, unlike row counts, one object with two redshifts, ids
// that do not overlap or say too little (the message offers --join), no pair at all.
// The tables must live as long as the pairs.
zm_status zm_redshift_join(const zm_redshift_table *pred, const zm_redshift_table *truth,
                           zm_join how, zm_redshift_pairs *out);
void zm_redshift_pairs_finish(zm_redshift_pairs *pairs);

#endif
