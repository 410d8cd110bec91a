// dX[r][i][b] = sum_o W[r][o][i] dY[r][o][b].   dY: [R][outputs][columns] vec4, dX: [R][inputs][columns] vec4.
// Where u.gate, dX is 0 wherever X is not above 0: the backward pass of the ReLU that X came out of.
// Variant for hardware GPUs: a workgroup loads each weight and gradient once for all its 256 invocations.
// Same sums in the same order as dense_backward_data, so the same bits.
// One workgroup owns 16 ROWS inputs x 16 COLS vec4s of samples of one replica; see shared/tiles.wgsl.
#import grid
#import dense
#import relu
#import gate
#import tiles
const ROWS: u32 = 8u;
const COLS: u32 = 2u;
@group(0) @binding(0) var<uniform> u: DenseShape;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> dx: array<vec4<f32>>;

@compute @workgroup_size(256)
fn dense_backward_data_workgroup(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                                 @builtin(local_invocation_index) local: u32) {
    let tile = flat_index(group, groups, 1u, 0u);
    let column_tiles = (u.columns + RIGHT - 1u) / RIGHT;
    let first_row = (tile / column_tiles) * 16u * ROWS;
    let first_column = (tile % column_tiles) * RIGHT;
    let weights = group.z * u.param_stride + u.weight_offset;
    let at = group.z * u.outputs * u.columns;
    var sum: array<vec4<f32>, ROWS * COLS>;
    // Rows and columns past the edge read the last one and are not stored.
    for (var o = 0u; o < u.outputs; o += DEPTH) {
        let depth = min(DEPTH, u.outputs - o);
        for (var e = local; e < 4u * ROWS * DEPTH; e += 256u) {
            let k = e / (4u * ROWS);
            let quad = e % (4u * ROWS);
            let i = min(vec4<u32>(first_row + quad * 4u) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(u.inputs - 1u));
            let w = weights + min(o + k, u.outputs - 1u) * u.inputs + i;
            left[k * LEFT + quad] = vec4<f32>(params[w.x], params[w.y], params[w.z], params[w.w]);
        }
        for (var e = local; e < RIGHT * DEPTH; e += 256u) {
            let term = min(o + e / RIGHT, u.outputs - 1u);
            right[e] = dy[at + term * u.columns + min(first_column + e % RIGHT, u.columns - 1u)];
        }
        workgroupBarrier();
        multiply(&sum, local / 16u, local % 16u, depth);
        workgroupBarrier();
    }
    let row = first_row + (local / 16u) * ROWS;
    let column = first_column + local % 16u;
    for (var k = 0u; k < ROWS; k++) {
        for (var c = 0u; c < COLS; c++) {
            if row + k < u.inputs && column + 16u * c < u.columns {
                put((group.z * u.inputs + row + k) * u.columns + column + 16u * c, sum[k * COLS + c]);
            }
        }
    }
}
