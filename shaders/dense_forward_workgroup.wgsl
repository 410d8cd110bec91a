// Y[r][o][b] = bias[o] + sum_i W[r][o][i] X[r][i][b], then ReLU where u.relu.   X: [R][inputs][columns] vec4, Y: [R][outputs][columns] vec4.
// Variant for hardware GPUs: a workgroup loads each weight and activation once for all its 256 invocations.
// Same sums in the same order as dense_forward, so the same bits.
// One workgroup owns 16 ROWS outputs x 16 COLS vec4s of samples of one replica; see shared/tiles.wgsl.
#import grid
#import dense
#import parts
#import put_part
#import relu
#import tiles
const ROWS: u32 = 8u;
const COLS: u32 = 2u;
@group(0) @binding(0) var<uniform> u: DenseShape;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

const ALONG_TERMS: bool = true;
struct Tile { first_row: u32, first_column: u32, weights: u32, x: u32 }

fn weights_at(tile: Tile, i: u32, quad: u32) -> vec4<f32> {
    let w = tile.weights + i + rows_of(quad, tile.first_row, u.outputs) * u.inputs;
    return vec4<f32>(params[w.x], params[w.y], params[w.z], params[w.w]);
}

fn samples_at(tile: Tile, i: u32, column: u32) -> vec4<f32> {
    return x[tile.x + i * u.columns + min(tile.first_column + column, u.columns - 1u)];
}

@compute @workgroup_size(256)
fn dense_forward_workgroup(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                           @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 1u, 0u);
    let column_tiles = (u.columns + RIGHT - 1u) / RIGHT;
    let base = group.z * u.param_stride;
    var tile = Tile((flat / column_tiles) * 16u * ROWS, (flat % column_tiles) * RIGHT, base + u.weight_offset,
                    group.z * u.inputs * u.columns);
    let row = tile.first_row + (local / 16u) * ROWS;
    let column = tile.first_column + local % 16u;
    let to = (group.z * u.outputs + row) * u.columns + column;
    // Rows and columns past the edge read the last one and are not stored.
    var sum: array<vec4<f32>, ROWS * COLS>;
    for (var k = 0u; k < ROWS; k++) {
        var bias = 0.0;
        if u.bias_offset != 0xffffffffu { bias = params[base + u.bias_offset + min(row + k, u.outputs - 1u)]; }
        for (var c = 0u; c < COLS; c++) {
            sum[k * COLS + c] = part_start(bias);
            if row + k < u.outputs && column + 16u * c < u.columns { begin_parts(to + k * u.columns + 16u * c, bias); }
        }
    }
    // The last part stands apart, so that where it is the only one there is no loop around it: that costs a large product a fifth.
    let last = part_count() - 1u;
    if IN_PARTS == 1u {
        for (var p = 0u; p < last; p++) { // at most u.inputs / u.part + 1u
            product(&sum, tile, u.part, local);
            tile.weights += u.part;
            tile.x += u.part * u.columns;
            for (var k = 0u; k < ROWS; k++) {
                for (var c = 0u; c < COLS; c++) {
                    if row + k < u.outputs && column + 16u * c < u.columns { add_part(to + k * u.columns + 16u * c, sum[k * COLS + c]); }
                    sum[k * COLS + c] = vec4<f32>();
                }
            }
        }
    }
    product(&sum, tile, u.inputs - last * u.part, local);
    for (var k = 0u; k < ROWS; k++) {
        for (var c = 0u; c < COLS; c++) {
            if row + k < u.outputs && column + 16u * c < u.columns { end_parts(to + k * u.columns + 16u * c, sum[k * COLS + c]); }
        }
    }
}
