// A pickle machine that reads what torch.save makes of state dicts, and runs nothing.
//
// A pickle is a program: it may import and call anything. This machine knows containers,
// numbers, strings, and by name the few things that tensors are made of; every other
// import, call or opcode ends it with the name of what was asked for. A pure function of
// the bytes.
// Source: Python's pickletools (protocols 2 to 5) and torch/serialization.py.
#ifndef ZM_PICKLE_H
#define ZM_PICKLE_H

#include "core/io/safetensors.h"

typedef enum zm_pickle_kind {
    ZM_PICKLE_NONE,
    ZM_PICKLE_NUMBER, // whole: bool, int of at most 64 bits
    ZM_PICKLE_STRING,
    ZM_PICKLE_TUPLE,
    ZM_PICKLE_LIST,
    ZM_PICKLE_DICT,    // items are key, value, key, value, ...
    ZM_PICKLE_GLOBAL,  // one of the names that are known
    ZM_PICKLE_STORAGE, // numbers that lie elsewhere in the archive
    ZM_PICKLE_TENSOR,
    ZM_PICKLE_OTHER, // what a state dict may hold and nobody needs: float, bytes, dtype
} zm_pickle_kind;

typedef uint32_t zm_pickle_ref; // index of a value

typedef struct zm_pickle_value {
    zm_pickle_kind kind;
    zm_st_dtype dtype; // of storages
    int64_t number;    // NUMBER; elements of STORAGE; index of GLOBAL
    const char *text;  // STRING, key of STORAGE: size bytes of the input, no NUL behind
    uint32_t size;     // bytes of text, or items
    uint32_t room;
    zm_pickle_ref *items; // of containers, and of TENSOR: the arguments it was made from
} zm_pickle_value;

typedef struct zm_pickle_tensor {
    zm_pickle_ref storage;
    uint64_t offset; // elements
    uint32_t rank;
    uint64_t shape[ZM_ST_MAX_RANK], stride[ZM_ST_MAX_RANK]; // elements
} zm_pickle_tensor;

typedef struct zm_pickle zm_pickle;

// Runs a pickle. data must stay where it is as long as the values are used; label stands
// in messages. Errors: ZM_ERR_FORMAT, ZM_ERR_MEMORY.
zm_status zm_pickle_parse(const char *label, const uint8_t *data, uint64_t size,
                          zm_pickle **out);
void zm_pickle_close(zm_pickle **pickle);

zm_pickle_ref zm_pickle_root(const zm_pickle *pickle);
const zm_pickle_value *zm_pickle_at(const zm_pickle *pickle, zm_pickle_ref ref);

// The value under a string key of a dict (the last one, as in Python), or NULL.
const zm_pickle_value *zm_pickle_get(const zm_pickle *pickle, const zm_pickle_value *dict,
                                     const char *key);

// Shape and strides of a TENSOR; false where they are no small whole numbers >= 0.
// Whether they lie inside the storage is not checked here.
bool zm_pickle_tensor_of(const zm_pickle *pickle, const zm_pickle_value *value,
                         zm_pickle_tensor *out);

#endif
