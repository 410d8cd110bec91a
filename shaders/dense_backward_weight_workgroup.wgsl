// dW[r][o][i] = sum_b dY[r][o][b] X[r][i][b].   Written to the flat gradients at weight_offset.
// Variant for hardware GPUs: a workgroup loads each vec4 of samples once for all its 256 invocations.
// Same sums in the same order as dense_backward_weight, so the same bits.
// One workgroup owns 16 ROWS outputs x 16 COLS inputs of one replica; an invocation owns ROWS x COLS of them, 16 apart.
// The first workgroups own the biases, see shared/bias.wgsl.
#import across
#import bias
#import grid
#import dense
#import loads
const ROWS: u32 = 4u;
const COLS: u32 = 4u;
const ACCUMULATE: u32 = 0u; // 1: a later micro-batch, which adds to the sums that stand there
const DEPTH: u32 = 4u; // vec4s of samples loaded at a time
@group(0) @binding(0) var<uniform> u: DenseShape;
@group(0) @binding(1) var<storage, read> x: array<Quad>;
@group(0) @binding(2) var<storage, read> dy: array<Quad>;
@group(0) @binding(3) var<storage, read_write> grads: array<f32>;
var<workgroup> left: array<vec4<f32>, DEPTH * 16u * ROWS>;
var<workgroup> right: array<vec4<f32>, DEPTH * 16u * COLS>;

@compute @workgroup_size(256)
fn dense_backward_weight_workgroup(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                                   @builtin(local_invocation_index) local: u32) {
    let number = flat_index(group, groups, 1u, 0u);
    let biases = bias_groups(256u);
    if number < biases {
        bias_gradient(number * 256u + local, group.z);
        return;
    }
    let tile = number - biases;
    let column_tiles = (u.inputs + 16u * COLS - 1u) / (16u * COLS);
    let first_row = (tile / column_tiles) * 16u * ROWS;
    let first_column = (tile % column_tiles) * 16u * COLS;
    var sum: array<f32, ROWS * COLS>;
    let to = group.z * u.param_stride + u.weight_offset;
    for (var r = 0u; r < ROWS; r++) {
        for (var c = 0u; c < COLS; c++) {
            let o = min(first_row + local / 16u + 16u * r, u.outputs - 1u);
            let i = min(first_column + local % 16u + 16u * c, u.inputs - 1u);
            sum[r * COLS + c] = 0.0;
            if ACCUMULATE == 1u { sum[r * COLS + c] = grads[to + o * u.inputs + i]; }
        }
    }
    // Rows and columns past the edge read the last one and are not stored.
    for (var b = 0u; b < u.columns; b += DEPTH) {
        let depth = min(DEPTH, u.columns - b);
        for (var e = local; e < 16u * ROWS * DEPTH; e += 256u) {
            let o = group.z * u.outputs + min(first_row + e / DEPTH, u.outputs - 1u);
            left[(e % DEPTH) * 16u * ROWS + e / DEPTH] = loaded(dy[o * u.columns + min(b + e % DEPTH, u.columns - 1u)]);
        }
        for (var e = local; e < 16u * COLS * DEPTH; e += 256u) {
            let i = group.z * u.inputs + min(first_column + e / DEPTH, u.inputs - 1u);
            right[(e % DEPTH) * 16u * COLS + e / DEPTH] = loaded(x[i * u.columns + min(b + e % DEPTH, u.columns - 1u)]);
        }
        workgroupBarrier();
        for (var k = 0u; k < depth; k++) {
            var ys: array<vec4<f32>, ROWS>;
            for (var r = 0u; r < ROWS; r++) { ys[r] = left[k * 16u * ROWS + local / 16u + 16u * r]; }
            for (var c = 0u; c < COLS; c++) {
                let xs = right[k * 16u * COLS + local % 16u + 16u * c];
                for (var r = 0u; r < ROWS; r++) {
                    var s = sum[r * COLS + c];
                    s = fma(ys[r].x, xs.x, s);
                    s = fma(ys[r].y, xs.y, s);
                    s = fma(ys[r].z, xs.z, s);
                    s = fma(ys[r].w, xs.w, s);
                    sum[r * COLS + c] = s;
                }
            }
        }
        workgroupBarrier();
    }
    for (var r = 0u; r < ROWS; r++) {
        for (var c = 0u; c < COLS; c++) {
            let o = first_row + local / 16u + 16u * r;
            let i = first_column + local % 16u + 16u * c;
            if o < u.outputs && i < u.inputs { grads[to + o * u.inputs + i] = sum[r * COLS + c]; }
        }
    }
}
