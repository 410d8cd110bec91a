// y[i] = x[i].   How fast can memory be?   One invocation owns VECTORS vec4s, a stride apart, so that lanes read neighbours.
#import grid
#import span
const VECTORS: u32 = 4u; // 1, 2: fewer
@group(0) @binding(0) var<uniform> u: Span;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn probe_copy(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 64u, local);
    let stride = (u.count + VECTORS - 1u) / VECTORS;
    if flat >= stride { return; }
    for (var k = 0u; k < VECTORS; k++) {
        let i = flat + k * stride;
        if i < u.count { y[i] = x[i]; }
    }
}
