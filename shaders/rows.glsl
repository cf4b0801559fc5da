// One work group of 64 threads a row. A group takes rows WorkGroupID + k 65535; the
// number of rounds depends on parameters only, so that every thread meets every barrier:
//   for (uint k = 0u; k < GROUP_ROUNDS(rows); k++) {
//       uint r = GROUP_AT(k); // r >= rows in the last round: guard loads and stores
layout(local_size_x = 64) in;
#define GROUP_ROUNDS(n) (((n) + 65534u) / 65535u)
#define GROUP_AT(k)     (gl_WorkGroupID.x + (k) * 65535u)
#define THREADS         64u

shared float group_part[64];

// Sum of v over the work group: a tree of fixed shape.
float group_sum(float v)
{
    uint t = gl_LocalInvocationID.x;
    group_part[t] = v;
    barrier();
    for (uint s = 32u; s > 0u; s /= 2u) {
        if (t < s)
            group_part[t] += group_part[t + s];
        barrier();
    }
    float total = group_part[0];
    barrier();
    return total;
}
