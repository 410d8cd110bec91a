// dW[r][o][i] = sum_b dY[r][o][b] X[r][i][b].   Written to the flat gradients at weight_offset.
// One invocation owns ROWS outputs x COLS inputs of one replica; lanes run along inputs.
// Sum: starts at 0 (ACCUMULATE: at what stands there), b ascending, one fma each. Slots past the batch's end add 0, because dY is 0 there.
// The first workgroups own the biases, see shared/bias.wgsl.
#import across
#import bias
#import grid
#import dense
#import loads
const ROWS: u32 = 4u;
const COLS: u32 = 4u;
const ACCUMULATE: u32 = 0u; // 1: a later micro-batch, which adds to the sums that stand there
@group(0) @binding(0) var<uniform> u: DenseShape;
@group(0) @binding(1) var<storage, read> x: array<Quad>;
@group(0) @binding(2) var<storage, read> dy: array<Quad>;
@group(0) @binding(3) var<storage, read_write> grads: array<f32>;

@compute @workgroup_size(64)
fn dense_backward_weight(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                         @builtin(local_invocation_index) local: u32) {
    let number = flat_index(group, groups, 1u, 0u);
    let biases = bias_groups(64u);
    if number < biases {
        bias_gradient(number * 64u + local, group.z);
        return;
    }
    let flat = (number - biases) * 64u + local;
    let column_tiles = (u.inputs + COLS - 1u) / COLS;
    let column = (flat % column_tiles) * COLS;
    let row = (flat / column_tiles) * ROWS;
    if row >= u.outputs { return; }
    var yat: array<u32, ROWS>;
    for (var k = 0u; k < ROWS; k++) { yat[k] = (group.z * u.outputs + min(row + k, u.outputs - 1u)) * u.columns; }
    var xat: array<u32, COLS>;
    for (var c = 0u; c < COLS; c++) { xat[c] = (group.z * u.inputs + min(column + c, u.inputs - 1u)) * u.columns; }
    var sum: array<f32, ROWS * COLS>;
    let to = group.z * u.param_stride + u.weight_offset + row * u.inputs + column;
    for (var k = 0u; k < ROWS; k++) {
        for (var c = 0u; c < COLS; c++) {
            sum[k * COLS + c] = 0.0;
            if ACCUMULATE == 1u && row + k < u.outputs && column + c < u.inputs { sum[k * COLS + c] = grads[to + k * u.inputs + c]; }
        }
    }
    for (var b = 0u; b < u.columns; b++) {
        var ys: array<vec4<f32>, ROWS>;
        for (var k = 0u; k < ROWS; k++) { ys[k] = loaded(dy[yat[k] + b]); }
        for (var c = 0u; c < COLS; c++) {
            let xs = loaded(x[xat[c] + b]);
            for (var k = 0u; k < ROWS; k++) {
                var s = sum[k * COLS + c];
                s = fma(ys[k].x, xs.x, s);
                s = fma(ys[k].y, xs.y, s);
                s = fma(ys[k].z, xs.z, s);
                s = fma(ys[k].w, xs.w, s);
                sum[k * COLS + c] = s;
            }
        }
    }
    for (var k = 0u; k < ROWS; k++) {
        for (var c = 0u; c < COLS; c++) {
            if row + k < u.outputs && column + c < u.inputs { grads[to + k * u.inputs + c] = sum[k * COLS + c]; }
        }
    }
}
