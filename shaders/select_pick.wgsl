// Fixes the next 8 bits of each threshold: the digit in which the rank-th largest key lies. Clears the histogram.
// Where all keys of that digit are to be selected, the bits below it stay 0, which lets all of them in, and the threshold is decided.
// One invocation owns one (replica, group).
#import grid
#import select
@group(0) @binding(0) var<uniform> u: SelectShape;
@group(0) @binding(1) var<storage, read_write> thresholds: array<Threshold>;
@group(0) @binding(2) var<storage, read_write> histogram: array<u32>;

@compute @workgroup_size(64)
fn select_pick(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) local: u32) {
    let g = flat_index(group, groups, 64u, local);
    if g >= u.groups { return; }
    let slot = group.z * u.groups + g;
    var t = thresholds[slot];
    if t.round >= DECIDED { return; }
    // Rank 0 (keep none) stops at digit 255: a threshold above every key.
    var digit = 255u;
    var n = histogram[slot * 256u + digit];
    for (var k = 0u; k < 255u && n < t.rank; k++) {
        t.rank -= n;
        digit -= 1u;
        n = histogram[slot * 256u + digit];
    }
    let shift = 24u - 8u * (t.round % 4u);
    if t.round < 4u { t.key |= digit << shift; } else { t.index |= digit << shift; }
    t.round = select(t.round + 1u, DECIDED, n == t.rank);
    thresholds[slot] = t;
    for (var k = 0u; k < 256u; k++) { histogram[slot * 256u + k] = 0u; }
}
