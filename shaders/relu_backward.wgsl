// dy = dy where y > 0, else 0, in place; y is the layer's output, so the derivative at 0 is 0.   One invocation owns one vec4.
#import grid
#import relu
#import span
@group(0) @binding(0) var<uniform> u: Span;
@group(0) @binding(1) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> dy: array<vec4<f32>>;

@compute @workgroup_size(64)
fn relu_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                 @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 64u, local);
    if flat >= u.count { return; }
    let i = group.z * u.count + flat;
    dy[i] = gated(dy[i], y[i]);
}
