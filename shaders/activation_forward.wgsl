// y = f(x), f by KIND: tanh, leaky ReLU or GELU (shared/activation.wgsl).   One invocation owns one vec4 of samples.
#import activation
#import grid
#import math
const KIND: u32 = 0u; // 1: leaky ReLU, 2: GELU
@group(0) @binding(0) var<uniform> u: ActivationShape;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn activation_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                      @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 64u, local);
    if flat >= u.count { return; }
    let i = group.z * u.count + flat;
    let v = x[i];
    y[i] = vec4<f32>(activated(v.x), activated(v.y), activated(v.z), activated(v.w));
}
