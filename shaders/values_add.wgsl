// to = to + from, both [R][u.count] vec4s.   One invocation owns one vec4. One plain addition each; the order in which the
// readers of a value are added is that of src/train/gradients.rs.
#import grid
#import span
@group(0) @binding(0) var<uniform> u: Span;
@group(0) @binding(1) var<storage, read> source: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> to: array<vec4<f32>>;

@compute @workgroup_size(64)
fn values_add(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 64u, local);
    if flat >= u.count { return; }
    let i = group.z * u.count + flat;
    to[i] = to[i] + source[i];
}
