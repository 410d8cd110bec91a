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

const ALONG_TERMS: bool = false;
struct Tile { first_row: u32, first_column: u32, weights: u32, dy: u32 }

fn weights_at(tile: Tile, o: u32, quad: u32) -> vec4<f32> {
    let w = tile.weights + o * u.inputs + rows_of(quad, tile.first_row, u.inputs);
    return vec4<f32>(params[w.x], params[w.y], params[w.z], params[w.w]);
}

fn samples_at(tile: Tile, o: u32, column: u32) -> vec4<f32> {
    return dy[tile.dy + o * u.columns + min(tile.first_column + column, u.columns - 1u)];
}

@compute @workgroup_size(256)
fn dense_backward_data_workgroup(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                                 @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 1u, 0u);
    let column_tiles = (u.columns + RIGHT - 1u) / RIGHT;
    let tile = Tile((flat / column_tiles) * 16u * ROWS, (flat % column_tiles) * RIGHT, group.z * u.param_stride + u.weight_offset,
                    group.z * u.outputs * u.columns);
    // Rows and columns past the edge read the last one and are not stored.
    var sum: array<vec4<f32>, ROWS * COLS>;
    product(&sum, tile, u.outputs, local);
    let row = tile.first_row + (local / 16u) * ROWS;
    let column = tile.first_column + local % 16u;
    for (var k = 0u; k < ROWS; k++) {
        for (var c = 0u; c < COLS; c++) {
            if row + k < u.inputs && column + 16u * c < u.columns {
                put((group.z * u.inputs + row + k) * u.columns + column + 16u * c, sum[k * COLS + c]);
            }
        }
    }
}
