// y = max(y, 0), in place; NaN stays NaN.   One invocation owns one vec4 of samples.
#import grid
#import relu
#import span
@group(0) @binding(0) var<uniform> u: Span;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn relu_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 64u, local);
    if flat >= u.count { return; }
    let i = group.z * u.count + flat;
    y[i] = rectified(y[i], 1u);
}
