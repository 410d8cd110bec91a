// dX[r][i][b] = sum_o W[r][o][i] dY[r][o][b].   dY: [R][outputs][columns] vec4, dX: [R][inputs][columns] vec4.
// Where u.gate, dX is 0 wherever X is not above 0: the backward pass of the ReLU that X came out of.
// One invocation owns ROWS inputs x COLS vec4s of samples of one replica; see shared/spread.wgsl.
// Sum: starts at 0, o ascending, one fma each.
#import grid
#import dense
#import relu
#import gate
#import spread
const ROWS: u32 = 8u;
const COLS: u32 = 2u;
@group(0) @binding(0) var<uniform> u: DenseShape;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> dx: array<vec4<f32>>;

@compute @workgroup_size(32)
fn dense_backward_data(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                       @builtin(local_invocation_index) local: u32) {
    let at_tile = spread(flat_index(group, groups, 1u, 0u), local);
    let column = at_tile.column;
    let apart = at_tile.apart;
    let row = at_tile.tile * ROWS;
    if row >= u.inputs { return; }
    var w: array<u32, ROWS>;
    var sum: array<vec4<f32>, ROWS * COLS>;
    for (var k = 0u; k < ROWS; k++) {
        w[k] = group.z * u.param_stride + u.weight_offset + min(row + k, u.inputs - 1u);
        for (var c = 0u; c < COLS; c++) { sum[k * COLS + c] = vec4<f32>(); }
    }
    var at: array<u32, COLS>;
    for (var c = 0u; c < COLS; c++) {
        at[c] = group.z * u.outputs * u.columns + min(column + c * apart, u.columns - 1u);
    }
    for (var o = 0u; o < u.outputs; o++) {
        var ys: array<vec4<f32>, COLS>;
        for (var c = 0u; c < COLS; c++) { ys[c] = dy[at[c] + o * u.columns]; }
        for (var k = 0u; k < ROWS; k++) {
            let weight = vec4<f32>(params[w[k] + o * u.inputs]);
            for (var c = 0u; c < COLS; c++) { sum[k * COLS + c] = fma(weight, ys[c], sum[k * COLS + c]); }
        }
    }
    for (var k = 0u; k < ROWS; k++) {
        for (var c = 0u; c < COLS; c++) {
            if row + k < u.inputs && column + c * apart < u.columns {
                put((group.z * u.inputs + row + k) * u.columns + column + c * apart, sum[k * COLS + c]);
            }
        }
    }
}
