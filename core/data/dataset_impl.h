// What a data set format provides to dataset.c.
#ifndef ZM_DATASET_IMPL_H
#define ZM_DATASET_IMPL_H

#include <pthread.h>

#include "core/data/dataset.h"
#include "core/io/fits.h"

// Images of a format come as they are stored: dataset.c replaces what is not finite.
typedef struct zm_dataset_ops {
    zm_status (*image)(void *state, uint64_t row, float *image);
    zm_status (*mask_noise)(void *state, uint64_t row, float *noise); // or NULL
    void (*close)(void *state);
    const char *(*file)(const void *state, uint64_t row); // name in a directory, or NULL
} zm_dataset_ops;

struct zm_dataset_source {
    const zm_dataset_ops *ops;
    void *state;
    pthread_mutex_t lock; // readers of files are not shared between threads
};

// Checks the size of a cutout (1 to 8192 a side) and sets it.
zm_status zm_dataset_set_size(zm_dataset *ds, uint64_t height, uint64_t width);

// Allocates ds->rows (at least one): everything unknown, object_id = row number.
zm_status zm_dataset_alloc_rows(zm_dataset *ds, uint64_t count);

// Installs the reader; on failure state is closed.
zm_status zm_dataset_set_source(zm_dataset *ds, const zm_dataset_ops *ops, void *state);

// Whether a unit (BUNIT, TUNIT) is nanomaggies, in any of its spellings.
bool zm_dataset_is_nanomaggy(const char *unit);

// Warns where a unit is given and is not nanomaggies.
void zm_dataset_check_unit(const zm_log *log, const char *path, const char *unit);

// The formats. ds->path is set; on failure dataset.c closes ds.
zm_status zm_dataset_open_safetensors(zm_dataset *ds, const zm_log *log);
zm_status zm_dataset_open_fits(zm_dataset *ds, const char *helper, const zm_log *log);
zm_status zm_dataset_open_npz(zm_dataset *ds, const zm_log *log);
zm_status zm_dataset_open_directory(zm_dataset *ds, const char *helper,
                                    const zm_log *log);

// The cube of five bands of an open file, with a message that names what was found, and
// what its header says of the object.
zm_status zm_dataset_load_cube(zm_fits *fits, const zm_log *log, zm_fits_image **out);
void zm_dataset_header_row(const zm_fits_image *cube, zm_row *row);

#endif
