// out[0] = passes of a loop that are counted, of u.passes: fewer where the driver ends long loops without a word.
// out[1] = bits of fma(a, a, s): not 0 where a product and a sum are rounded once (u.factor and u.addend see to it).
// out[2] = bits of u.tiny / 2: 0 where the driver flushes subnormal numbers.
// One invocation owns all three. Nothing is summed but the passes.
#import grid
struct DriverProbeShape {
    passes: u32,
    factor: f32, // a
    addend: f32, // s
    tiny: f32, // the smallest normal number
}
@group(0) @binding(0) var<uniform> u: DriverProbeShape;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(64)
fn probe_driver(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 64u, local);
    if flat > 0u { return; }
    var counted = 0u;
    for (var k = 0u; k < u.passes; k++) {
        counted += 1u;
    }
    out[0] = counted;
    out[1] = bitcast<u32>(fma(u.factor, u.factor, u.addend));
    out[2] = bitcast<u32>(u.tiny * 0.5);
}
