// Moves a power of two from x to its exponent: x *= 2^-m, e[to] = e[from] + m. With floor = NONE, m is the exponent of the largest
// |x| (0 where all are 0), so that it ends in [1, 2); else m = max(0, e[floor] - e[from]): two values meet at the larger one.
// x [R][u.count] vec4s.   One workgroup owns one replica.
#import flow
const NONE: u32 = 0xffffffffu;
struct Rescale {
    count: u32, // vec4s per replica
    nodes: u32, // exponents per replica
    source: u32, // e[from]
    to: u32,
    floor: u32, // or NONE
}
@group(0) @binding(0) var<uniform> u: Rescale;
@group(0) @binding(1) var<storage, read_write> exponents: array<i32>;
@group(0) @binding(2) var<storage, read_write> x: array<vec4<u32>>; // bits of floats
var<workgroup> largest: atomic<u32>;

@compute @workgroup_size(256)
fn flow_rescale(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let base = group.z * u.nodes;
    let first = group.z * u.count;
    let e = exponents[base + u.source];
    var m = 0;
    // Every invocation reaches the barriers; what workgroup memory holds before is anybody's guess.
    if local == 0u { atomicStore(&largest, 0u); }
    workgroupBarrier();
    if u.floor == NONE {
        for (var k = local; k < u.count; k += 256u) {
            let bits = x[first + k] & vec4<u32>(0x7fffffffu);
            atomicMax(&largest, max(max(bits.x, bits.y), max(bits.z, bits.w)));
        }
    } else {
        m = max(0, exponents[base + u.floor] - e);
    }
    workgroupBarrier();
    let top = atomicLoad(&largest) >> 23u;
    // Infinity and NaN stay what they are: the host finds them among the scores.
    if top != 0u && top != 255u { m = clamp(i32(top) - 127, -126, 126); }
    let scale = vec4<f32>(power_of_two(-m));
    for (var k = local; k < u.count; k += 256u) {
        x[first + k] = bitcast<vec4<u32>>(bitcast<vec4<f32>>(x[first + k]) * scale);
    }
    if local == 0u { exponents[base + u.to] = e + m; }
}
