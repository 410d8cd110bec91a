// dW[r][i] = sum_p part[r][p][i];   db[r][o] = sum_p part[r][parts * weights + p * outputs + o].   Written to the flat gradients.
// One invocation owns one bias, those first, or one weight. Sum: starts at 0, p ascending, plain additions.
#import grid
#import partial
struct PartialShape {
    weights: u32,
    outputs: u32,
    parts: u32,
    weight_offset: u32, // in the flat gradients
    bias_offset: u32,   // 0xffffffff: none
    param_stride: u32,  // floats per replica
}
@group(0) @binding(0) var<uniform> u: PartialShape;
@group(0) @binding(1) var<storage, read> part: array<f32>; // [R]: [parts][weights], [parts][outputs]
@group(0) @binding(2) var<storage, read_write> grads: array<f32>;

@compute @workgroup_size(64)
fn partial_sum(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 64u, local);
    let biases = bias_count();
    if flat < biases {
        sum_bias(flat, group.z);
        return;
    }
    let i = flat - biases;
    if i >= u.weights { return; }
    let first = part_start(group.z) + i;
    grads[group.z * u.param_stride + u.weight_offset + i] = sum_of_parts(first, u.weights);
}
