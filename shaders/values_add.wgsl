// to = to + from, both [R][u.count] vec4s.   One invocation owns one vec4. One plain addition each; the order in which the
// readers of a value are added is that of src/train/gradients.rs.
// With GATE, 0 where `output` is not above 0: the sum is the whole gradient of a ReLU's output, and this its backward pass.
#import grid
#import relu
#import span
const GATE: u32 = 0u; // 1: the backward pass of the ReLU is done too
@group(0) @binding(0) var<uniform> u: Span;
@group(0) @binding(1) var<storage, read> source: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> output: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> to: array<vec4<f32>>;

@compute @workgroup_size(64)
fn values_add(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 64u, local);
    if flat >= u.count { return; }
    let i = group.z * u.count + flat;
    let sum = to[i] + source[i];
    if GATE == 1u { to[i] = gated(sum, output[i]); } else { to[i] = sum; }
}
