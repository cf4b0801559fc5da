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

// Row r of the tile's outputs, columns c, c + 16, c + 32, c + 48.
void store_row(uint r, uint c, vec4 sums)
{
    if (r >= GEMM_ROWS)
        return;
    if (c < GEMM_COLS)
        GEMM_STORE(r, c, sums.x);
    if (c + 16u < GEMM_COLS)
        GEMM_STORE(r, c + 16u, sums.y);
    if (c + 32u < GEMM_COLS)
        GEMM_STORE(r, c + 32u, sums.z);
    if (c + 48u < GEMM_COLS)
        GEMM_STORE(r, c + 48u, sums.w);
}

void main()
{
    uint row = gl_WorkGroupID.x * GEMM_TILE;
    uint col = gl_WorkGroupID.y * GEMM_TILE;
    uint tx = gl_LocalInvocationID.x;
    uint ty = gl_LocalInvocationID.y;
    uint t = gl_LocalInvocationIndex;

    // not an array: software drivers keep arrays in memory
    vec4 acc0 = vec4(0.0), acc1 = vec4(0.0), acc2 = vec4(0.0), acc3 = vec4(0.0);

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
            uint ia = d * GEMM_STRIDE + ty;
            uint ib = d * GEMM_STRIDE + tx;
            vec4 a = vec4(tile_a[ia], tile_a[ia + 16u], tile_a[ia + 32u],
                          tile_a[ia + 48u]);
            vec4 b = vec4(tile_b[ib], tile_b[ib + 16u], tile_b[ib + 32u],
                          tile_b[ib + 48u]);
            acc0 += a.x * b;
            acc1 += a.y * b;
            acc2 += a.z * b;
            acc3 += a.w * b;
        }
        barrier();
    }

    store_row(row + ty, col + tx, acc0);
    store_row(row + ty + 16u, col + tx, acc1);
    store_row(row + ty + 32u, col + tx, acc2);
    store_row(row + ty + 48u, col + tx, acc3);
}
