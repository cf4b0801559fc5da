// What is to be cut out: positions with what a catalogue says of them.
#ifndef ZM_SOURCE_LIST_H
#define ZM_SOURCE_LIST_H

#include "core/data/dataset.h"

typedef struct zm_source {
    zm_row row;                  // position, identity, redshift, magnitudes, flags
    int32_t run, camcol, number; // field that it was measured on, -1 = not known
} zm_source;

typedef struct zm_source_list {
    uint64_t count, capacity;
    zm_source *sources;
    zm_mag_kind mag_kind; // ZM_MAG_APERTURE: rows have none, they are to be measured
    uint64_t faults;      // rows with something wrong; each was named or counted
} zm_source_list;

// A source of which nothing is known.
zm_source zm_source_unknown(void);

// Adds one. ZM_ERR_MEMORY; zm_source_list_finish frees.
zm_status zm_source_list_add(zm_source_list *list, const zm_source *source);
void zm_source_list_finish(zm_source_list *list);

// Which magnitudes to take of a catalogue.
typedef enum zm_mag_choice {
    ZM_MAGS_AUTO, // the first that it has of model, cmodel, petro, else aperture
    ZM_MAGS_MODEL,
    ZM_MAGS_CMODEL,
    ZM_MAGS_PETRO,
    ZM_MAGS_APERTURE,
} zm_mag_choice;

// Reads a catalogue: CSV (SkyServer and CasJobs) or the first binary table of a FITS file
// that has RA and DEC. Names count in any case and order; in FITS, magnitudes, fluxes
// and extinctions may also be columns of five numbers (MODELMAG, MODELFLUX, EXTINCTION).
//
//   ra, dec                          needed
//   object_id, objid                 all 64 bits kept; else the row's number from 0
//   run, camcol, field
//   z_spec, zspec, specz, redshift, else z   not where z_warning is not 0, and z not
//   where
//                                    u, g, r, i stand beside it: then it is a magnitude
//   modelMag_x, dered_x, x_dered, x  model magnitudes (x: u g r i z)
//   cModelMag_x, petroMag_x          the other kinds
//   extinction_x; ebv, e_bv, ebv_sfd; ext_r
//
// Magnitudes come dereddened: dered_x as they are, others less zm_extinction_mag; where
// nothing is known of that they are flagged ZM_FLAG_NOT_DEREDDENED. E(B-V), where there
// is no column of it, comes from all five extinction_x (zm_ebv_fit), or is extinction_r
// or ext_r over 2.751 where that stands alone. Magnitudes outside 0..40 (SDSS writes
// -9999) are missing.
//
// Every row of the file is a row of the list. Rows that cannot be used (no position, a
// cell that is no number) and repeated ids are flagged, warned of and counted in faults.
// Errors: ZM_ERR_IO; ZM_ERR_FORMAT: not a table, no columns ra and dec, no rows, a kind
// of magnitude asked for that is not there.
//   helper   as in zm_dataset_open
zm_status zm_source_list_read(const char *path, const char *helper, zm_mag_choice mags,
                              const zm_log *log, zm_source_list *out);

#endif
