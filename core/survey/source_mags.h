// The magnitudes and the extinction of a catalogue.
#ifndef ZM_SOURCE_MAGS_H
#define ZM_SOURCE_MAGS_H

#include "core/survey/source_list.h"
#include "core/survey/source_table.h"

// Sets mags, ebv and the flag of what is not dereddened of every source, and mag_kind of
// the list, as zm_source_list_read describes.
//   scratch   (rows)
zm_status zm_source_mags_read(const char *path, zm_source_table *table,
                              zm_mag_choice choice, const zm_log *log, zm_tally *bad,
                              double *scratch, zm_source_list *list);

#endif
