// Tensors of a file that torch.save wrote (.pt, .pth; PyTorch 1.6 or later): a zip
// archive with NAME/data.pkl, a pickle, and NAME/data/KEY, the numbers. Nothing in it is
// run.
#ifndef ZM_TORCH_FILE_H
#define ZM_TORCH_FILE_H

#include "core/io/safetensors.h"

typedef struct zm_torch_file zm_torch_file;

// True where a file is PyTorch's: a zip archive, or the older format, which open refuses
// with advice.
bool zm_torch_file_is(const uint8_t *data, uint64_t size);

// Opens a state dict: a dict of tensors by name, bare or under "model", "state_dict" or
// "model_state_dict" of a checkpoint, whose other members are passed over. Every tensor
// is checked against its storage. Errors: ZM_ERR_IO, ZM_ERR_MEMORY, ZM_ERR_FORMAT (what
// is not such a file or wants to run something, big-endian files, tensors outside their
// storage or whose elements overlap).
zm_status zm_torch_file_open(const char *path, zm_torch_file **out);
// The same for a file in memory, which must stay where it is.
zm_status zm_torch_file_open_memory(const char *label, const uint8_t *data, uint64_t size,
                                    zm_torch_file **out);
void zm_torch_file_close(zm_torch_file **file);

const char *zm_torch_file_path(const zm_torch_file *file);
uint64_t zm_torch_file_count(const zm_torch_file *file);
// In the order of the file; offset and size of the entries mean nothing.
const zm_st_entry *zm_torch_file_at(const zm_torch_file *file, uint64_t i);
const zm_st_entry *zm_torch_file_find(const zm_torch_file *file, const char *name);

// A string beside the state dict of a checkpoint: torch.save({"model": ..., key: "..."}).
const char *zm_torch_file_meta(zm_torch_file *file, const char *key); // or NULL

// All elements, in row-major order whatever the strides, into out (entry->count).
// ZM_ERR_FORMAT where they are no F32, F16, BF16 or F64, or damaged (CRC).
zm_status zm_torch_file_read_f32(zm_torch_file *file, const zm_st_entry *entry,
                                 float *out);

#endif
