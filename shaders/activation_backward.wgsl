// dX = dY f'(X), f by KIND: tanh, leaky ReLU or GELU (shared/activation.wgsl).   One invocation owns one vec4 of samples.
#import activation
#import grid
#import math
const KIND: u32 = 0u; // 1: leaky ReLU, 2: GELU
@group(0) @binding(0) var<uniform> u: ActivationShape;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> dx: array<vec4<f32>>;

@compute @workgroup_size(64)
fn activation_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                       @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 64u, local);
    if flat >= u.count { return; }
    let i = group.z * u.count + flat;
    let v = x[i];
    let slopes = vec4<f32>(activation_slope(v.x), activation_slope(v.y), activation_slope(v.z), activation_slope(v.w));
    dx[i] = dy[i] * slopes;
}
