// Column sums: a work group of 16 columns x 16 row lanes. Lane l of a column adds rows l,
// l + 16, ... in blocks of 64 (short sums keep their accuracy), then a tree of fixed
// shape adds the lanes. A group takes blocks of columns WorkGroupID + k 65535; the number
// of rounds depends on parameters only, so that every thread meets every barrier.
layout(local_size_x = 16, local_size_y = 16) in;
#define COLUMN_ROUNDS(cols) ((((cols) + 15u) / 16u + 65534u) / 65535u)
#define COLUMN_AT(k)                                                                     \
    ((gl_WorkGroupID.x + (k) * 65535u) * 16u + gl_LocalInvocationID.x)
#define ROW_LANE            gl_LocalInvocationID.y
#define LANES               16u
#define BLOCK               64u // rows of a lane that add up before they join the total

shared float lane_part[256];

// Sum of v over the lanes of this thread's column.
float lanes_sum(float v)
{
    uint t = gl_LocalInvocationIndex;
    lane_part[t] = v;
    barrier();
    for (uint s = 128u; s >= 16u; s /= 2u) {
        if (t < s)
            lane_part[t] += lane_part[t + s];
        barrier();
    }
    float total = lane_part[gl_LocalInvocationID.x];
    barrier();
    return total;
}

// total = sum of term over the rows of this lane; term names the row r. Not a function:
// term reads the buffers of the including shader.
#define SUM_ROWS(total, r, rows, term)                                                   \
    for (uint r0 = ROW_LANE; r0 < (rows); r0 += LANES * BLOCK) {                         \
        float part = 0.0;                                                                \
        for (uint r = r0; r < min((rows), r0 + LANES * BLOCK); r += LANES)               \
            part += (term);                                                              \
        total += part;                                                                   \
    }
