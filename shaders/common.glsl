// What every shader includes. PARAMS is push constants in Vulkan and a uniform block with
// -DZM_WEB; BUFFER declares a storage buffer of reals, UBUFFER one of words. Rules for
// portable kernels are in README.md.
#extension GL_GOOGLE_include_directive : require
#define ZM_U(x) uint x;
#define ZM_F(x) float x;
#include "kernel_params.h"

#ifdef ZM_WEB
#define PARAMS layout(std140, set = 1, binding = 0) uniform Params
#else
#define PARAMS layout(push_constant) uniform Params
#endif
#define BUFFER(slot, block, name)                                                        \
    layout(std430, set = 0, binding = slot) buffer block { float name[]; }
#define UBUFFER(slot, block, name)                                                       \
    layout(std430, set = 0, binding = slot) buffer block { uint name[]; }
#define RBUFFER(slot, block, name)                                                       \
    layout(std430, set = 0, binding = slot) readonly buffer block { float name[]; }
#define RUBUFFER(slot, block, name)                                                      \
    layout(std430, set = 0, binding = slot) readonly buffer block { uint name[]; }
