// One thread an output, threads stride over the rest. No barriers here.
layout(local_size_x = 64) in;
#define EACH(i, n)                                                                       \
    for (uint i = gl_GlobalInvocationID.x; i < (n); i += gl_NumWorkGroups.x * 64u)
