// c (rows, cols) = a (rows, depth) b (depth, cols): one work group of 16 x 16 threads
// computes a 64 x 64 tile, each thread 4 x 4 outputs that lie 16 apart (neighbouring
// threads touch neighbouring columns). Tiles of a and b, 16 deep, go through shared
// memory; what lies outside the matrices is read as 0.
//
// The including file declares the buffers and defines
//   GEMM_ROWS, GEMM_COLS, GEMM_DEPTH   sizes, from the parameters
//   GEMM_A(i, d), GEMM_B(d, j)         one element, only called inside the matrix
//   GEMM_A_ALONG_DEPTH, GEMM_B_ALONG_DEPTH   1: memory runs along d, 0: along i or j
//   GEMM_STORE(i, j, sum)              keeps one output
// All sums run over d in ascending order, whatever the tile.
#define GEMM_TILE   64
#define GEMM_STEP   16
#define GEMM_STRIDE 65 // one more than the tile: no bank conflicts on transposed stores

layout(local_size_x = 16, local_size_y = 16) in;
shared float tile_a[GEMM_STEP * GEMM_STRIDE];
shared float tile_b[GEMM_STEP * GEMM_STRIDE];

// Where element e of a tile lies: x its place along the tile, y along the depth.
uvec2 tile_place(uint e, uint along_depth)
{
    return along_depth != 0u ? uvec2(e / GEMM_STEP, e % GEMM_STEP)
                             : uvec2(e % GEMM_TILE, e / GEMM_TILE);
}

void main()
{
    uint row = gl_WorkGroupID.x * GEMM_TILE;
    uint col = gl_WorkGroupID.y * GEMM_TILE;
    uint tx = gl_LocalInvocationID.x;
    uint ty = gl_LocalInvocationID.y;
    uint t = gl_LocalInvocationIndex;

    float acc[16];
    for (uint i = 0u; i < 16u; i++)
        acc[i] = 0.0;

    for (uint d0 = 0u; d0 < GEMM_DEPTH; d0 += GEMM_STEP) {
        for (uint s = 0u; s < 4u; s++) {
            uvec2 at = tile_place(t + s * 256u, GEMM_A_ALONG_DEPTH);
            float v = 0.0;
            if (row + at.x < GEMM_ROWS && d0 + at.y < GEMM_DEPTH)
                v = GEMM_A(row + at.x, d0 + at.y);
            tile_a[at.y * GEMM_STRIDE + at.x] = v;

            at = tile_place(t + s * 256u, GEMM_B_ALONG_DEPTH);
            v = 0.0;
            if (col + at.x < GEMM_COLS && d0 + at.y < GEMM_DEPTH)
                v = GEMM_B(d0 + at.y, col + at.x);
            tile_b[at.y * GEMM_STRIDE + at.x] = v;
        }
        barrier();
        for (uint d = 0u; d < GEMM_STEP; d++) {
            float b0 = tile_b[d * GEMM_STRIDE + tx];
            float b1 = tile_b[d * GEMM_STRIDE + tx + 16u];
            float b2 = tile_b[d * GEMM_STRIDE + tx + 32u];
            float b3 = tile_b[d * GEMM_STRIDE + tx + 48u];
            for (uint i = 0u; i < 4u; i++) {
                float a = tile_a[d * GEMM_STRIDE + ty + i * 16u];
                acc[i * 4u] += a * b0;
                acc[i * 4u + 1u] += a * b1;
                acc[i * 4u + 2u] += a * b2;
                acc[i * 4u + 3u] += a * b3;
            }
        }
        barrier();
    }

    for (uint i = 0u; i < 16u; i++) {
        uint r = row + ty + (i / 4u) * 16u;
        uint c = col + tx + (i % 4u) * 16u;
        if (r < GEMM_ROWS && c < GEMM_COLS)
            GEMM_STORE(r, c, acc[i]);
    }
}
