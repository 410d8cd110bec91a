// y = x + w, then max(y, 0) where u.relu.   One invocation owns one vec4 of samples. One plain addition each.
#import grid
#import relu
struct AddShape {
    count: u32, // vec4s per replica
    relu: u32,  // 1: the sum goes through a ReLU
}
@group(0) @binding(0) var<uniform> u: AddShape;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn add_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 64u, local);
    if flat >= u.count { return; }
    let i = group.z * u.count + flat;
    y[i] = rectified(x[i] + w[i], u.relu);
}
