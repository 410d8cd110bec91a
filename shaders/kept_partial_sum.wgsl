// dW[r][kept[r][k]] = sum_p part[r][p][k] for the kept weights k of one layer;   db as in `partial_sum`.
// One invocation owns one bias, those first, or one k. Sum: starts at 0, p ascending, plain additions, as in `partial_sum`.
#import grid
#import kept
#import partial
struct KeptPartialShape {
    weights: u32,       // of the layer, pruned ones too
    outputs: u32,
    parts: u32,
    weight_offset: u32, // of the layer's weights in the flat gradients
    bias_offset: u32,   // 0xffffffff: none
    param_stride: u32,  // floats per replica
    kept_stride: u32,   // room for kept indices per replica
}
@group(0) @binding(0) var<uniform> u: KeptPartialShape;
@group(0) @binding(1) var<storage, read> part: array<f32>; // [R]: [parts][kept weights of this replica's layer] from the front, and as in `partial_sum`
@group(0) @binding(2) var<storage, read> masks: array<u32>;
@group(0) @binding(3) var<storage, read> ranks: array<u32>;
@group(0) @binding(4) var<storage, read> kept: array<u32>;
@group(0) @binding(5) var<storage, read_write> grads: array<f32>;

@compute @workgroup_size(64)
fn kept_partial_sum(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                    @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 64u, local);
    let biases = bias_count();
    if flat < biases {
        sum_bias(flat, group.z);
        return;
    }
    let k = flat - biases;
    let begin = rank_of(group.z, u.weight_offset, u.param_stride / 32u);
    let count = rank_of(group.z, u.weight_offset + u.weights, u.param_stride / 32u) - begin;
    if k >= count { return; }
    let sum = sum_of_parts(part_start(group.z) + k, count);
    grads[group.z * u.param_stride + kept[group.z * u.kept_stride + begin + k]] = sum;
}
