// counts[r][i] = sum of counts[r][j] over j < i, in place, for i = 0 ... n; the last one is the total.
// One workgroup owns one replica: each invocation sums a stretch, the stretches are added in order, each writes its own.
struct PrefixShape {
    count: u32, // n
}
@group(0) @binding(0) var<uniform> u: PrefixShape;
@group(0) @binding(1) var<storage, read_write> counts: array<u32>; // [R][n + 1]
var<workgroup> stretch: array<u32, 256>;

@compute @workgroup_size(256)
fn prefix_sum(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let length = (u.count + 255u) / 256u;
    let base = group.z * (u.count + 1u);
    let begin = min(local * length, u.count);
    let end = min(begin + length, u.count);
    var sum = 0u;
    for (var i = begin; i < end; i++) { // at most length
        sum += counts[base + i];
    }
    stretch[local] = sum;
    workgroupBarrier();
    var before = 0u;
    for (var k = 0u; k < local; k++) { // at most 256u
        before += stretch[k];
    }
    for (var i = begin; i < end; i++) { // at most length
        let own = counts[base + i];
        counts[base + i] = before;
        before += own;
    }
    if local == 255u { counts[base + u.count] = before; }
}
