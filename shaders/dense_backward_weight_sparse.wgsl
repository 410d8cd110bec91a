// dW[r][o][i] = sum_b dY[r][o][b] X[r][i][b] for the kept weights, written to the flat gradients.
// One invocation owns one kept weight. Sum: starts at 0 (ACCUMULATE: at what stands there), b ascending, one fma each, as in
// dense_backward_weight.
// The first workgroups own the biases, see shared/bias.wgsl.
#import across
#import bias
#import grid
#import dense
#import kept
#import loads
const ACCUMULATE: u32 = 0u; // 1: a later micro-batch, which adds to the sums that stand there
@group(0) @binding(0) var<uniform> u: DenseShape;
@group(0) @binding(1) var<storage, read> x: array<Quad>;
@group(0) @binding(2) var<storage, read> dy: array<Quad>;
@group(0) @binding(3) var<storage, read> masks: array<u32>;
@group(0) @binding(4) var<storage, read> ranks: array<u32>;
@group(0) @binding(5) var<storage, read> kept: array<u32>;
@group(0) @binding(6) var<storage, read_write> grads: array<f32>;

@compute @workgroup_size(64)
fn dense_backward_weight_sparse(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                                @builtin(local_invocation_index) local: u32) {
    let number = flat_index(group, groups, 1u, 0u);
    let biases = bias_groups(64u);
    if number < biases {
        bias_gradient(number * 64u + local, group.z);
        return;
    }
    let flat = (number - biases) * 64u + local;
    let begin = rank_of(group.z, u.weight_offset, u.param_stride / 32u);
    let end = rank_of(group.z, u.weight_offset + u.outputs * u.inputs, u.param_stride / 32u);
    if begin + flat >= end { return; }
    let place = kept[group.z * u.kept_stride + begin + flat];
    let o = (place - u.weight_offset) / u.inputs;
    let i = (place - u.weight_offset) % u.inputs;
    let yat = (group.z * u.outputs + o) * u.columns;
    let xat = (group.z * u.inputs + i) * u.columns;
    let to = group.z * u.param_stride + place;
    var sum = 0.0;
    if ACCUMULATE == 1u { sum = grads[to]; }
    for (var b = 0u; b < u.columns; b++) {
        let ys = loaded(dy[yat + b]);
        let xs = loaded(x[xat + b]);
        sum = fma(ys.x, xs.x, sum);
        sum = fma(ys.y, xs.y, sum);
        sum = fma(ys.z, xs.z, sum);
        sum = fma(ys.w, xs.w, sum);
    }
    grads[to] = sum;
}
