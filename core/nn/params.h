// Named parameters: one arena for weights, one for running statistics, and the names
// under which files know their parts.
//
// A slot is a contiguous piece of an arena with one optimizer rule; it starts at a
// multiple of 128 elements. A name is what a state dict calls a slot, or a part of it:
// pcm blocks keep q_bias and v_bias in one slot of 3 * C whose middle is the key's
// constant zero, and the inception stem has two names for one slot.
#ifndef ZM_PARAMS_H
#define ZM_PARAMS_H

#include "core/tape.h"

enum { ZM_PARAM_ALIGN = 128, ZM_PARAM_NAME = 96 };

// How fresh values are drawn.
typedef enum zm_init {
    ZM_INIT_ZERO,
    ZM_INIT_ONE,
    ZM_INIT_XAVIER,   // uniform, fan-in and fan-out (Meta's MAE)
    ZM_INIT_LINEAR,   // uniform +-1 / sqrt(fan_in): torch.nn.Linear and Conv2d
    ZM_INIT_NORMAL02, // normal, standard deviation 0.02 (tokens)
    ZM_INIT_SINCOS,   // fixed 2-d sine-cosine positions, class row zero
} zm_init;

typedef enum zm_param_kind {
    ZM_PARAM_WEIGHT,    // trained
    ZM_PARAM_CONSTANT,  // in the weight arena, never trained (positions)
    ZM_PARAM_STATISTIC, // running mean or variance, in the arena of statistics
} zm_param_kind;

typedef uint32_t zm_slot; // index of a slot

typedef struct zm_param_slot {
    zm_param_kind kind;
    uint64_t offset, count; // elements, in its arena
    bool frozen;            // set by the caller: no gradient, no update
    bool decay;             // weight decay applies
    float lr_scale;         // [1]
    uint32_t rank, dim[4];  // as the forward pass sees it
} zm_param_slot;

typedef struct zm_param_name {
    char name[ZM_PARAM_NAME];
    zm_slot slot;
    uint64_t offset; // elements into the slot
    uint64_t count;
    uint32_t rank, dim[4]; // as the file has it
    zm_init init;
    uint32_t fan_in; // of ZM_INIT_LINEAR; 0 = from dim
    bool alias;      // a further name for values that an earlier name has
} zm_param_name;

typedef struct zm_params {
    zm_gpu *gpu;
    zm_param_slot *slots;
    zm_param_name *names;
    uint32_t slot_count, name_count, slot_capacity, name_capacity;
    uint64_t weights, statistics; // elements in each arena
    zm_buf *weight_buf, *grad_buf, *statistic_buf;
    zm_status status; // sticky while slots are added
} zm_params;

void zm_params_init(zm_params *params);
void zm_params_finish(zm_params *params);

// One slot with one name. dims as the public state dict has them. Weights of two or more
// dimensions decay (timm's rule). Returns the slot; failures are reported by allocate.
zm_slot zm_params_add(zm_params *params, zm_param_kind kind, zm_init init, uint32_t rank,
                      const uint32_t *dims, const char *name_format, ...) ZM_PRINTF(6, 7);
// A slot without a name, and a name for a part of a slot.
zm_slot zm_params_slot(zm_params *params, zm_param_kind kind, uint32_t rank,
                       const uint32_t *dims);
void zm_params_name(zm_params *params, zm_slot slot, uint64_t offset, zm_init init,
                    uint32_t fan_in, uint32_t rank, const uint32_t *dims, bool alias,
                    const char *name_format, ...) ZM_PRINTF(9, 10);
void zm_params_fan_in(zm_params *params, zm_slot slot, uint32_t fan_in);

// Makes the arenas on a device (gradients too when grads). Host and device order are
// equal.
zm_status zm_params_allocate(zm_params *params, zm_gpu *gpu, bool grads);
// Frees the arenas, before the device goes.
void zm_params_finish_device(zm_params *params);

// Host copies of the arenas as f32, whatever the device computes in: weights then
// statistics, both padded. Elements: weights + statistics.
uint64_t zm_params_host_count(const zm_params *params);
zm_status zm_params_upload(zm_params *params, const float *host);
zm_status zm_params_download(zm_params *params, float *host); // waits

// count reals between host f32 and a device buffer, in pieces that every device binds.
zm_status zm_arena_upload(zm_gpu *gpu, zm_buf *buf, uint64_t count, const float *host);
zm_status zm_arena_download(zm_gpu *gpu, zm_buf *buf, uint64_t count, float *host);

// Draws every named value afresh from (seed, name).
void zm_params_draw(const zm_params *params, uint64_t seed, float *host);

// Where a name's values start in a host copy.
float *zm_params_host_at(const zm_params *params, const zm_param_name *name, float *host);
const zm_param_name *zm_params_find(const zm_params *params, const char *name);

// The slot as a tensor of a tape; its gradient is wanted unless frozen.
zm_tensor *zm_params_tensor(zm_tape *tape, const zm_params *params, zm_slot slot);

// Sets frozen for all slots that have a name with the prefix.
void zm_params_freeze(zm_params *params, const char *prefix);

// Elements with a name, aliases counted once; trainable: not frozen weights only.
uint64_t zm_params_count(const zm_params *params, bool trainable);

#endif
