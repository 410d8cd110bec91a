// dW[r][o][i] = sum_b dY[r][o][b] X[r][i][b] for the kept weights, written to the flat gradients.
// Variant for adapters whose subgroups are 8 wide (lavapipe), where a load costs far more than a broadcast: each lane loads one
// vec4 of the row's dY and every lane reads it from there. Same sums in the same order as dense_backward_weight, so the same bits.
// Eight neighbouring lanes own the kept weights of one output, each every eighth.
// Sum: starts at 0 (ACCUMULATE: at what stands there), b ascending, one fma each.
// The first workgroups own the biases, see shared/bias.wgsl.
#import across
#import bias
#import grid
#import dense
#import kept
#import loads
#import products
const ACCUMULATE: u32 = 0u; // 1: a later micro-batch, which adds to the sums that stand there
@group(0) @binding(0) var<uniform> u: DenseShape;
@group(0) @binding(1) var<storage, read> x: array<Quad>;
@group(0) @binding(2) var<storage, read> dy: array<Quad>;
@group(0) @binding(3) var<storage, read> masks: array<u32>;
@group(0) @binding(4) var<storage, read> ranks: array<u32>;
@group(0) @binding(5) var<storage, read> kept: array<u32>;
@group(0) @binding(6) var<storage, read_write> grads: array<f32>;

@compute @workgroup_size(64)
fn dense_backward_weight_sparse_broadcast(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                                          @builtin(local_invocation_index) local: u32,
                                          @builtin(subgroup_invocation_id) lane: u32) {
    let number = flat_index(group, groups, 1u, 0u);
    let biases = bias_groups(64u);
    if number < biases {
        bias_gradient(number * 64u + local, group.z);
        return;
    }
    let row = ((number - biases) * 64u + local) / 8u;
    if row >= u.outputs { return; }
    let first = u.weight_offset + row * u.inputs;
    let begin = rank_of(group.z, first, u.param_stride / 32u);
    let end = rank_of(group.z, first + u.inputs, u.param_stride / 32u);
    let yat = (group.z * u.outputs + row) * u.columns;
    for (var k = begin; k < end; k += 8u) { // at most (u.inputs + 7u) / 8u
        // Lanes past the last kept weight repeat it and store nothing.
        let place = kept[group.z * u.kept_stride + min(k + lane, end - 1u)];
        let xat = (group.z * u.inputs + (place - first)) * u.columns;
        let to = group.z * u.param_stride + place;
        var sum = 0.0;
        if ACCUMULATE == 1u { sum = grads[to]; }
        for (var b = 0u; b < u.columns; b += 8u) {
            let own = loaded(dy[yat + min(b + lane, u.columns - 1u)]);
#repeat k 0 8
            if b + {k}u < u.columns { sum = add_product(sum, subgroupBroadcast(own, {k}u), loaded(x[xat + b + {k}u])); }
#end
        }
        if k + lane < end { grads[to] = sum; }
    }
}
