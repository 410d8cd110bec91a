// out[i] = sum over chains c of s_c, where s_c starts at vec4(i + c) and becomes fma(s_c, 0.5, 1) UNROLL times in each of `rounds` rounds.
// How fast can multiply-adds be? Nothing is read, and the chains do not wait for each other.
// One invocation owns one vec4 of out. Sum: starts at 0, c ascending, plain additions.
#import grid
struct ProbeShape {
    count: u32, // vec4s
    rounds: u32,
}
const CHAINS: u32 = 8u; // 2, 4: fewer
const UNROLL: u32 = 16u;
@group(0) @binding(0) var<uniform> u: ProbeShape;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(64)
fn probe_fma(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
             @builtin(local_invocation_index) local: u32) {
    let i = flat_index(group, groups, 64u, local);
    if i >= u.count { return; }
    var s: array<vec4<f32>, CHAINS>;
    for (var c = 0u; c < CHAINS; c++) { s[c] = vec4<f32>(f32(i + c)); }
    let rounds = u.rounds;
    for (var k = 0u; k < rounds; k++) {
        for (var j = 0u; j < UNROLL; j++) {
            for (var c = 0u; c < CHAINS; c++) { s[c] = fma(s[c], vec4<f32>(0.5), vec4<f32>(1.0)); }
        }
    }
    var sum = vec4<f32>();
    for (var c = 0u; c < CHAINS; c++) { sum = sum + s[c]; }
    out[i] = sum;
}
