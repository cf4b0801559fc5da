// The parameter blocks of shaders/kernel_params.h as C structs: struct
// zm_params_<kernel>.
#ifndef ZM_KERNEL_STRUCTS_H
#define ZM_KERNEL_STRUCTS_H

#include <stdint.h>

#include "shaders/kernel_params.h"

#define ZM_U(x) uint32_t x;
#define ZM_F(x) float x;
#define ZM_KERNEL(name, access, shape, tile_x, tile_y)                                   \
    struct zm_params_##name {                                                            \
        ZM_PARAMS_##name                                                                 \
    };
#include "shaders/kernels.def"
#undef ZM_KERNEL
#undef ZM_U
#undef ZM_F

#endif
