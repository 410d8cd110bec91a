// grads[r][offset + i] = sum_p part[r][p][i].   One invocation owns one i. Sum: starts at 0, p ascending, plain additions.
#import grid
struct PartialShape {
    count: u32,
    parts: u32,
    offset: u32,       // in the flat gradients
    param_stride: u32, // floats per replica
}
@group(0) @binding(0) var<uniform> u: PartialShape;
@group(0) @binding(1) var<storage, read> part: array<f32>; // [R][parts][count]
@group(0) @binding(2) var<storage, read_write> grads: array<f32>;

@compute @workgroup_size(64)
fn partial_sum(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) local: u32) {
    let i = flat_index(group, groups, 64u, local);
    if i >= u.count { return; }
    var sum = 0.0;
    for (var p = 0u; p < u.parts; p++) {
        sum = sum + part[(group.z * u.parts + p) * u.count + i];
    }
    grads[group.z * u.param_stride + u.offset + i] = sum;
}
